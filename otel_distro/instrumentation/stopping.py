"""Delivers what is queued before something ends."""

import time

from opentelemetry import _logs, metrics, trace

from otel_distro.notices import describe, notice


def flush_providers(timeout_s: float) -> bool:
    """Flush the global providers. Return whether everything went in time. Does not raise."""
    until = time.monotonic() + timeout_s
    # Metrics first: they are collected, and not even that where another one has used up the time.
    providers = (
        metrics.get_meter_provider(),
        trace.get_tracer_provider(),
        _logs.get_logger_provider(),
    )
    # All are flushed, also after one that failed.
    flushed = [
        call(provider, "force_flush", max(0, int((until - time.monotonic()) * 1000)))
        for provider in providers
        if hasattr(provider, "force_flush")
    ]
    return all(flushed)


def call(provider: object, method: str, *arguments: int) -> bool:
    """Call a method of a provider; return False where it fails or says so. Does not raise."""
    try:
        return getattr(provider, method)(*arguments) is not False
    except Exception as error:  # noqa: BLE001 - processors and exporters of others
        notice(
            f"{method} {type(provider).__name__}",
            f"{type(provider).__name__}.{method} failed ({describe(error)}).",
        )
        return False
