"""How telemetry leaves the process. Knows nothing of Blipee."""

from otel_distro.delivery.endpoint import Compression, Endpoint, Protocol
from otel_distro.delivery.exporters import log_exporter, metric_exporter, span_exporter

__all__ = [
    "Compression",
    "Endpoint",
    "Protocol",
    "log_exporter",
    "metric_exporter",
    "span_exporter",
]
