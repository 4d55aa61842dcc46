"""How one request reaches one endpoint, and what came of it. Queues and retries are the caller's.

Nothing heavy is imported until the first request: gRPC alone costs a fifth of a second, TLS and
the HTTP client thirty milliseconds.
"""

from importlib import import_module
from typing import Final

from otel_distro.delivery.endpoint import Endpoint, Protocol
from otel_distro.delivery.signal import Signal
from otel_distro.delivery.transport.outcome import (
    Accepted,
    Outcome,
    Refused,
    TooLarge,
    Transport,
    Unavailable,
)

__all__ = [
    "Accepted",
    "Outcome",
    "Refused",
    "TooLarge",
    "Transport",
    "Unavailable",
    "load",
    "open_transport",
]

_OF_HTTP: Final = ("answers", "connection", "diagnosis")


def load(protocol: Protocol) -> None:
    """Import what the first request needs."""
    modules = ("messages", "statuses", "text") if protocol == "grpc" else _OF_HTTP
    for module in modules:
        import_module(f"{__name__}.{module}")
    if protocol == "grpc":
        from otel_distro.delivery.transport.grpc import load_grpc

        load_grpc()


def open_transport(signal: Signal, endpoint: Endpoint) -> Transport:
    """Make the transport of one signal. Opens no socket and raises nothing.

    A mistake in the endpoint (an unreadable certificate, a header that can't be sent) is the
    outcome of each `send`, until it is put right.
    """
    if endpoint.protocol == "grpc":
        from otel_distro.delivery.transport.grpc import GrpcTransport

        return GrpcTransport(signal, endpoint)
    from otel_distro.delivery.transport.http import HttpTransport

    return HttpTransport(signal, endpoint)
