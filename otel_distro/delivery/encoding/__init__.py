"""Telemetry as OTLP protobuf, written by hand: quick, and never raises for what it is given."""

from otel_distro.delivery.encoding.chunk import Chunk, join
from otel_distro.delivery.encoding.grouping import Encoded
from otel_distro.delivery.encoding.logs import encode_logs
from otel_distro.delivery.encoding.metrics import encode_metrics
from otel_distro.delivery.encoding.spans import encode_spans
from otel_distro.delivery.encoding.splitting import halve, truncate

__all__ = [
    "Chunk",
    "Encoded",
    "encode_logs",
    "encode_metrics",
    "encode_spans",
    "halve",
    "join",
    "truncate",
]
