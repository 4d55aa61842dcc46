"""Settings: `OTEL_*` first, `BLIPEE_OTEL_*` where OpenTelemetry has no variable."""

from otel_distro.delivery import SIGNALS, Signal
from otel_distro.settings.model import (
    Export,
    InCode,
    LogCapture,
    MetricNames,
    Sampling,
    Service,
    ServiceKind,
    Settings,
    Spooling,
)
from otel_distro.settings.read import read_settings

__all__ = [
    "SIGNALS",
    "Export",
    "InCode",
    "LogCapture",
    "MetricNames",
    "Sampling",
    "Service",
    "ServiceKind",
    "Settings",
    "Signal",
    "Spooling",
    "read_settings",
]
