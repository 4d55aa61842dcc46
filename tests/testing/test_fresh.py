"""The one place that uses OpenTelemetry's private names, and what our modules remember."""

from importlib import import_module

import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from otel_distro.testing import ChangedOpenTelemetryError, forget, fresh, reset_providers


@pytest.fixture(autouse=True)
def _as_before():
    before = reset_providers()
    yield
    reset_providers()
    fresh._set(*before)


def test_contract_with_the_installed_sdk():
    """Providers can be set again and again, and a module's early instruments follow each."""
    meter = metrics.get_meter("app")
    counter = meter.create_counter("early")
    logger = _logs.get_logger("app")
    for _ in range(3):
        between = meter.create_counter("between")
        reader, exporter = InMemoryMetricReader(), InMemoryLogRecordExporter()
        tracers, meters = TracerProvider(), MeterProvider([reader])
        loggers = LoggerProvider()
        loggers.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        trace.set_tracer_provider(tracers)
        metrics.set_meter_provider(meters)
        _logs.set_logger_provider(loggers)
        counter.add(1)
        between.add(1)
        meter.create_counter("later").add(1)
        (scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
        assert [metric.name for metric in scope.metrics] == ["early", "between", "later"]
        assert scope.metrics[0].data.data_points[0].value == 1
        _logs.get_logger("app").emit(LogRecord(body="said"))
        assert len(exporter.get_finished_logs()) == 1
        logger.emit(LogRecord(body="goes to the first, which the fixture's processor outlives"))
        assert reset_providers() == (tracers, meters, loggers)
        assert reset_providers() == (None, None, None)
        for provider in (tracers, meters, loggers):
            provider.shutdown()


@pytest.mark.parametrize(
    ("module", "name"),
    [(module, name) for module, *names in fresh._GLOBALS for name in names]
    + [("opentelemetry.metrics._internal", "_PROXY_METER_PROVIDER")],
)
def test_an_opentelemetry_that_changed_is_named(module, name, monkeypatch):
    provider = TracerProvider(shutdown_on_exit=False)
    trace.set_tracer_provider(provider)
    monkeypatch.delattr(import_module(module), name)
    with pytest.raises(ChangedOpenTelemetryError) as failed:
        reset_providers()
    assert f"{module}.{name}" in str(failed.value)
    assert "reset_providers in otel_distro/testing/fresh.py" in str(failed.value)
    if name != "_TRACER_PROVIDER":
        assert trace.get_tracer_provider() is provider


@pytest.mark.parametrize("place", fresh._REMEMBERED)
def test_what_is_forgotten_is_there(place):
    module, _, path = place.partition(":")
    remembered = import_module(module)
    for name in path.split("."):
        remembered = getattr(remembered, name)
    assert callable(remembered) or hasattr(remembered, "clear")
    forget()
