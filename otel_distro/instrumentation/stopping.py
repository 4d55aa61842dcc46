"""Delivers what is queued before something ends."""

import time
from typing import Any

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
    # A list, so that all are flushed also after one that failed.
    return all([_flush(provider, until - time.monotonic()) for provider in providers])  # noqa: C419


def _flush(provider: Any, timeout_s: float) -> bool:  # noqa: ANN401 - the API's type has no flush
    flush = getattr(provider, "force_flush", None)
    try:
        return flush is None or flush(max(0, int(timeout_s * 1000))) is not False
    except Exception as error:  # noqa: BLE001 - processors and exporters of others
        notice(
            f"force_flush {type(provider).__name__}",
            f"{type(provider).__name__}.force_flush failed ({describe(error)}).",
        )
        return False
