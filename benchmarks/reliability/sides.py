"""The two that are compared, each set up in one call, with the same exporters' defaults."""

import logging
import os
from typing import Literal

Side = Literal["ours", "upstream"]
SIDES: tuple[Side, ...] = ("ours", "upstream")


def set_up(side: Side, service: str) -> None:
    """Export traces and logs of this process to `OTEL_EXPORTER_OTLP_ENDPOINT`."""
    logging.getLogger("bench").setLevel(logging.INFO)
    os.environ["OTEL_SERVICE_NAME"] = service
    if side == "ours":
        from otel_distro import configure

        configure(instrument=False)
    else:
        _set_up_upstream()


def instrument(side: Side, app: object) -> None:
    """Trace the requests of a FastAPI application."""
    if side == "ours":
        from otel_distro.instrumentation.fastapi import FastAPIInstrumentor

        FastAPIInstrumentor().instrument()
    else:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor as Upstream

        Upstream.instrument_app(app)


def _set_up_upstream() -> None:
    from opentelemetry import _logs, trace
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(tracers)
    loggers = LoggerProvider()
    loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    _logs.set_logger_provider(loggers)
    logging.getLogger("bench").addHandler(LoggingHandler(logger_provider=loggers))
