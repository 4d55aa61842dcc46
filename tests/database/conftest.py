"""Telemetry that stays in memory, and databases to talk to."""

import pytest
import sqlalchemy as sa
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from postgres_cluster import running_postgres

from otel_distro.catalogue import CATALOGUE
from otel_distro.instrumentation.database.asyncpg import AsyncPGInstrumentor
from otel_distro.instrumentation.database.sqlalchemy import SQLAlchemyInstrumentor


class Telemetry:
    """Providers of a test's own, and what they got."""

    def __init__(self):
        self._spans = InMemorySpanExporter()
        self._metrics = InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider = MeterProvider([self._metrics])
        self.tracer = self.tracer_provider.get_tracer("test")

    @property
    def spans(self):
        return self._spans.get_finished_spans()

    @property
    def span(self):
        (span,) = self.spans
        return span

    @property
    def names(self):
        return [span.name for span in self.spans]

    def forget_spans(self):
        self._spans.clear()

    def collect(self):
        data = self._metrics.get_metrics_data()
        return {
            metric.name: metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def points(self, name):
        metric = self.collect().get(name)
        return list(metric.data.data_points) if metric else []

    def values(self, name, *labels):
        """Return values, of histograms counts, by the values of these attributes."""
        return {
            tuple(point.attributes.get(label) for label in labels)
            if len(labels) != 1
            else point.attributes.get(labels[0]): getattr(point, "value", None)
            if hasattr(point, "value")
            else point.count
            for point in self.points(name)
        }

    def everything(self):
        """Return all that would be sent, as text."""
        spans = [span.to_json() for span in self.spans]
        return "\n".join([*spans, *(metric.to_json() for metric in self.collect().values())])


@pytest.fixture
def telemetry():
    telemetry = Telemetry()
    yield telemetry
    for metric in telemetry.collect().values():
        entry = CATALOGUE[metric.name]
        assert metric.unit == entry.unit
        for point in metric.data.data_points:
            assert set(point.attributes) <= entry.attribute_names, metric.name
    telemetry.tracer_provider.shutdown()
    telemetry.meter_provider.shutdown()


def _instrumented(instrumentor, telemetry):
    instrumentor.instrument(
        skip_dep_check=True,
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
    )
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.fixture
def sqlalchemy_instrumented(telemetry):
    yield from _instrumented(SQLAlchemyInstrumentor(), telemetry)


@pytest.fixture
def asyncpg_instrumented(telemetry):
    yield from _instrumented(AsyncPGInstrumentor(), telemetry)


@pytest.fixture
def new_engine(tmp_path):
    """Makes engines, of an SQLite file by default, and disposes of them."""
    made = []

    def new_engine(url=None, **options):
        made.append(sa.create_engine(url or f"sqlite:///{tmp_path}/readings.db", **options))
        return made[-1]

    yield new_engine
    for engine in made:
        engine.dispose()


@pytest.fixture(scope="session")
def postgres():
    with running_postgres() as postgres:
        yield postgres
