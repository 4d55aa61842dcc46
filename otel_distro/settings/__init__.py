"""Settings: `OTEL_*` first, `BLIPEE_OTEL_*` where OpenTelemetry has no variable."""

from otel_distro.settings.model import (
    Batch,
    Export,
    InCode,
    LogCapture,
    MetricNames,
    Sampling,
    Service,
    ServiceKind,
    Settings,
)
from otel_distro.settings.names import SIGNALS, Signal
from otel_distro.settings.read import read_settings

__all__ = [
    "SIGNALS",
    "Batch",
    "Export",
    "InCode",
    "LogCapture",
    "MetricNames",
    "Sampling",
    "Service",
    "ServiceKind",
    "Settings",
    "Signal",
    "read_settings",
]
