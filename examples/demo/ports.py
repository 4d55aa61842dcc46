"""The ports of the demo, checked before anything starts."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

SERVICES = ("api", "agents", "ml", "database")


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port that the demo listens on, all on loopback.

    Attributes:
        services: One for each service.
        grpc: The Collector's OTLP/gRPC receiver.
        http: The Collector's OTLP/HTTP receiver.
        health: The Collector's health check.
        metrics: The Collector's own metrics.
    """

    services: dict[str, int]
    grpc: int = 4317
    http: int = 4318
    health: int = 13133
    metrics: int = 8888

    @classmethod
    def standard(cls) -> "Ports":
        """Return the ports that everybody knows: 8000 and on, 4317, 4318."""
        return cls(dict(zip(SERVICES, range(8000, 8004), strict=True)))

    @classmethod
    def above(cls, base: int) -> "Ports":
        """Return eight ports in a row."""
        return cls(
            dict(zip(SERVICES, range(base, base + 4), strict=True)),
            grpc=base + 4,
            http=base + 5,
            health=base + 6,
            metrics=base + 7,
        )

    def __iter__(self) -> Iterator[tuple[str, int]]:
        yield from self.services.items()
        yield from (
            ("the Collector (OTLP/gRPC)", self.grpc),
            ("the Collector (OTLP/HTTP)", self.http),
            ("the Collector's health check", self.health),
            ("the Collector's own metrics", self.metrics),
        )

    def taken(self) -> list[tuple[str, int]]:
        """Return those that another program listens on."""
        return [(owner, port) for owner, port in self if not _free(port)]


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
