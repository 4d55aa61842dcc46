"""The OpenTelemetry distribution of Blipee OS.

Run `opentelemetry-instrument uvicorn app:app`, or call `otel_distro.configure()` first thing.

PYTEST_DONT_REWRITE: under `opentelemetry-instrument pytest` this is imported before pytest, which
warns then that it comes too late to rewrite assertions; there are none.
"""

from otel_distro.configuration import Telemetry, configure
from otel_distro.version import __version__

__all__ = ["Telemetry", "__version__", "configure"]
