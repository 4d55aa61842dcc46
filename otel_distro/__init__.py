"""The OpenTelemetry distribution of Blipee OS.

Run `opentelemetry-instrument uvicorn app:app`, or call `otel_distro.configure()` first thing.

PYTEST_DONT_REWRITE: under `opentelemetry-instrument pytest` this is imported before pytest, which
warns then that it comes too late to rewrite assertions; there are none.
"""

from otel_distro.version import __version__

TYPE_CHECKING = False  # by its name: `typing` costs the command more than all else here
if TYPE_CHECKING:
    from otel_distro.configuration import Telemetry, configure

__all__ = ["Telemetry", "__version__", "configure"]


def __getattr__(name: str) -> object:
    # Each module of this package imports this one first, also those that only few processes need.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from otel_distro import configuration

    return getattr(configuration, name)
