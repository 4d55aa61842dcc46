"""The OpenTelemetry distribution of Blipee OS.

Run `opentelemetry-instrument uvicorn app:app`, or call `otel_distro.configure()` first thing.
"""

from otel_distro.configuration import Telemetry, configure
from otel_distro.version import __version__

__all__ = ["Telemetry", "__version__", "configure"]
