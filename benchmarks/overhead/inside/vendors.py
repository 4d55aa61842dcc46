"""How each contestant is set up, flushed, and asked for a span: its own way, in its own words.

`BENCH_CONTESTANT` says whose environment this is. Those that start by a command
(`opentelemetry-instrument`, `ddtrace-run`) are set up already when this is imported.
"""

# ruff: noqa: D102 - what the methods are for is said once, in Bare

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from fastapi import FastAPI

SAMPLED = os.environ.get("BENCH_SAMPLED", "1") == "1"
METRICS = os.environ.get("BENCH_METRICS", "1") == "1"
_FLUSH_MS = 30_000


class Bare:
    """No telemetry."""

    def instrument(self, app: FastAPI) -> None:
        """Trace the requests of a FastAPI application."""

    def flush(self) -> None:
        """Have delivered what is queued."""

    def span(self, _name: str) -> AbstractContextManager[Any]:
        """Open a span below the current one."""
        return nullcontext()

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes on the current span."""


class OpenTelemetry(Bare):
    """Whoever provides the OpenTelemetry API."""

    def __init__(self) -> None:
        from opentelemetry import _logs, metrics, trace

        self._current = trace.get_current_span
        self._tracer = trace.get_tracer("orders")
        self._providers: tuple[Callable[[], Any], ...] = (
            trace.get_tracer_provider,
            metrics.get_meter_provider,
            _logs.get_logger_provider,
        )

    def flush(self) -> None:
        for provider in self._providers:
            force_flush = getattr(provider(), "force_flush", None)
            if force_flush is not None:
                force_flush(_FLUSH_MS)

    def span(self, name: str) -> AbstractContextManager[Any]:
        return self._tracer.start_as_current_span(name)

    def describe(self, attributes: Mapping[str, Any]) -> None:
        span = self._current()
        for key, value in attributes.items():
            span.set_attribute(key, value)


class Logfire(OpenTelemetry):
    """Set up in code, around the OpenTelemetry SDK."""

    def __init__(self) -> None:
        import logging

        import logfire

        # Its own exporter is off; that of the environment's OTEL_EXPORTER_OTLP_* stays.
        logfire.configure(
            send_to_logfire=False,
            console=False,
            inspect_arguments=False,
            sampling=logfire.SamplingOptions(head=1.0 if SAMPLED else 0.0),
            metrics=None if METRICS else False,
        )
        logging.getLogger("orders").addHandler(logfire.LogfireLoggingHandler())
        super().__init__()

    def instrument(self, app: FastAPI) -> None:
        import logfire

        logfire.instrument_fastapi(app)


class Datadog(Bare):
    """Set up by `ddtrace-run`; speaks its own API."""

    def __init__(self) -> None:
        from ddtrace.trace import tracer

        self._tracer = tracer

    def flush(self) -> None:
        self._tracer.flush()

    def span(self, name: str) -> AbstractContextManager[Any]:
        return self._tracer.trace(name)

    def describe(self, attributes: Mapping[str, Any]) -> None:
        if (span := self._tracer.current_root_span()) is not None:
            span.set_tags(dict(attributes))


class Sentry(Bare):
    """Set up in code; speaks its own API."""

    def __init__(self) -> None:
        import sentry_sdk

        self._sdk = sentry_sdk
        sentry_sdk.init(
            dsn=os.environ["BENCH_DSN"],
            traces_sample_rate=1.0 if SAMPLED else 0.0,
            enable_logs=True,
            # Its queue holds 100 by default: of a round, nearly all would be dropped unsent.
            transport_queue_size=20_000,
            # What the process still has when it ends was flushed, or is measured as missing.
            shutdown_timeout=0 if os.environ.get("BENCH_ANSWERS") else 2,
        )

    def flush(self) -> None:
        self._sdk.flush(_FLUSH_MS / 1000)

    def span(self, name: str) -> AbstractContextManager[Any]:
        return self._sdk.start_span(op="function", name=name)

    def describe(self, attributes: Mapping[str, Any]) -> None:
        if (span := self._sdk.get_current_span()) is not None:
            span.update_data(dict(attributes))


class Azure(OpenTelemetry):
    """Set up in code, around the OpenTelemetry SDK."""

    def __init__(self) -> None:
        from azure.monitor.opentelemetry import configure_azure_monitor

        configure_azure_monitor(
            connection_string=os.environ["BENCH_CONNECTION"],
            sampling_ratio=1.0 if SAMPLED else 0.0,
            # Not the root's: its own sender logs each request, which would be sent, and so on.
            logger_name="orders",
        )
        super().__init__()


_VENDORS: dict[str, Callable[[], Bare]] = {
    "bare": Bare,
    "logfire": Logfire,
    "ddtrace": Datadog,
    "sentry": Sentry,
    "azure": Azure,
}
VENDOR = _VENDORS.get(os.environ["BENCH_CONTESTANT"], OpenTelemetry)()
