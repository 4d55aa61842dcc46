"""Where one signal is sent, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Protocol = Literal["http/protobuf", "grpc"]
Compression = Literal["none", "gzip", "deflate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
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
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    timeout_s: float = 10.0
    compression: Compression = "none"
    insecure: bool | None = None
    certificate: str | None = None
    client_key: str | None = None
    client_certificate: str | None = None
