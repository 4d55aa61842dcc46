"""A fresh start: global providers that can be set again, and nothing remembered.

OpenTelemetry's globals can be set once in a process. There is no public way around it, so all use
of its private names is in `reset_providers`.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from otel_distro import notices

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

# Module, provider, and what lets it be set once only.
_GLOBALS: Final = (
    ("opentelemetry.trace", "_TRACER_PROVIDER", "_TRACER_PROVIDER_SET_ONCE"),
    ("opentelemetry.metrics._internal", "_METER_PROVIDER", "_METER_PROVIDER_SET_ONCE"),
    ("opentelemetry._logs._internal", "_LOGGER_PROVIDER", "_LOGGER_PROVIDER_SET_ONCE"),
)

# What our modules remember of a provider: a function to call, a cache or a container to clear.
_REMEMBERED: Final = (
    "otel_distro.instruments.recorder:forget",
    "otel_distro.instruments.outcomes:forget",
    "otel_distro.instruments.metrics:metrics.forget",
    "otel_distro.instruments.agents:_handler",
    "otel_distro.instruments.agents:_queues",
    "otel_distro.instruments.conversations:_active",
    "otel_distro.instrumentation.database.instruments:_global",
)


class ChangedOpenTelemetryError(Exception):
    """OpenTelemetry keeps its global providers in another way than this version knows."""


def reset_providers() -> tuple[object | None, ...]:
    """Take the global tracer, meter and logger providers away, so that others can be set.

    Instruments that were made before any provider was set follow the next one.

    Returns:
        The three; None for one that was not set.

    Raises:
        ChangedOpenTelemetryError: The installed OpenTelemetry is not known. Nothing was changed.
    """
    before: list[object | None] = []
    modules = [import_module(module) for module, _, _ in _GLOBALS]
    placeholder = _known(modules[1], "_PROXY_METER_PROVIDER")
    _known(placeholder, "_real_meter_provider")
    meters = _known(placeholder, "_meters")
    for meter in meters:
        _known(meter, "_real_meter")
    for module, (_, provider, once) in zip(modules, _GLOBALS, strict=True):
        before.append(_known(module, provider))
        _known(module, once)
    for module, (_, provider, once) in zip(modules, _GLOBALS, strict=True):
        setattr(module, provider, None)
        setattr(module, once, type(getattr(module, once))())
    placeholder._real_meter_provider = None  # noqa: SLF001 - this function's purpose
    for meter in meters:
        meter._real_meter = None  # noqa: SLF001 - this function's purpose
    return tuple(before)


def forget() -> None:
    """Let our modules forget the providers they used, what they counted, and what was said."""
    for place in _REMEMBERED:
        module, _, path = place.partition(":")
        if module not in sys.modules:
            continue
        remembered: Any = sys.modules[module]
        for name in path.split("."):
            remembered = getattr(remembered, name)
        for way in ("cache_clear", "clear"):
            if hasattr(remembered, way):
                remembered = getattr(remembered, way)
                break
        remembered()
    notices._said.clear()  # noqa: SLF001 - our own; once a process means once a test


@contextmanager
def replaced_providers(
    tracers: "TracerProvider", meters: "MeterProvider", loggers: "LoggerProvider"
) -> Iterator[None]:
    """Make these the global providers until the block ends; then those from before again."""
    before = reset_providers()
    try:
        _set(tracers, meters, loggers)
        forget()
        yield
    finally:
        reset_providers()
        _set(*before)
        forget()


def _set(tracers: Any, meters: Any, loggers: Any) -> None:  # noqa: ANN401 - or None
    from opentelemetry import _logs, metrics, trace

    if tracers is not None:
        trace.set_tracer_provider(tracers)
    if meters is not None:
        metrics.set_meter_provider(meters)
    if loggers is not None:
        _logs.set_logger_provider(loggers)


def _known(holder: object, name: str) -> Any:  # noqa: ANN401 - of upstream's types
    try:
        return getattr(holder, name)
    except AttributeError:
        where = holder.__name__ if isinstance(holder, ModuleType) else type(holder).__qualname__
        raise ChangedOpenTelemetryError(
            f"opentelemetry-api {version('opentelemetry-api')} has no {where}.{name} any more, "
            "by which providers are taken away between tests. Update blipee-otel-distro; the "
            "place to change is reset_providers in otel_distro/testing/fresh.py."
        ) from None
