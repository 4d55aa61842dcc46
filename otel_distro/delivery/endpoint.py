"""Where one signal is sent, and how."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

Protocol = Literal["http/protobuf", "grpc"]
Compression = Literal["none", "gzip", "deflate"]

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Endpoint(NamedTuple):
    """One OTLP endpoint.

    Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/

    Attributes:
        url: For http/protobuf the whole URL with its path, for gRPC `scheme://host:port`.
        protocol: The OTLP transport.
        headers: Sent with each request. May hold secrets: kept out of `repr`.
        timeout_s: Seconds a request may take.
        compression: Of request bodies.
        insecure: gRPC only, where the URL has no scheme to tell: plain text instead of TLS.
        certificate: Path of a CA bundle to trust instead of the system's.
        client_key: Path of the private key for mTLS.
        client_certificate: Path of the certificate for mTLS.
    """

    url: str
    protocol: Protocol
    headers: Mapping[str, str] = _NONE
    timeout_s: float = 10.0
    compression: Compression = "none"
    insecure: bool | None = None
    certificate: str | None = None
    client_key: str | None = None
    client_certificate: str | None = None

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in self._asdict().items() if name != "headers")
        return f"Endpoint({', '.join(shown)})"
