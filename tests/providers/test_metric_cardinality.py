"""However many values an attribute has: a bounded number of series, flat memory, one notice."""

import json
import textwrap

import pytest
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, ObservableGauge
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation
from support.instrumented import NO_EXPORT, run_python

from otel_distro.providers.cardinality import OVERFLOW, CardinalityWatch

LIMIT = 2000

FLOOD = textwrap.dedent("""
    import json, os, sys
    from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from otel_distro.instruments import outcomes, recorder

    kind, distinct, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

    def resident_mb():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    reader = InMemoryMetricReader(cardinality_limits={Counter: limit, Histogram: limit})
    provider = MeterProvider([reader])
    if kind == "counter":
        measure = recorder.counter("database.queries", provider).add
    elif kind == "histogram":
        measure = recorder.histogram("database.query_duration", provider).record
    else:
        def measure(value, attributes):
            outcomes.count("database.queries", attributes, "success", provider)
    for number in range(10_000):
        measure(1, {"table": f"t{number}"})
    before = resident_mb()
    for number in range(10_000, distinct):
        measure(1, {"table": f"t{number}"})
    growth = resident_mb() - before
    (resource,) = reader.get_metrics_data().resource_metrics
    (metric,) = resource.scope_metrics[0].metrics
    points = metric.data.data_points
    overflow = [point for point in points if "otel.metric.overflow" in point.attributes]
    total = sum(point.value if hasattr(point, "value") else point.count for point in points)
    print(json.dumps([len(points), len(overflow), total, growth]))
""")
# A leak of one word for each value would be eight.
FLAT_MB = 4


def flood(kind, distinct, limit=LIMIT):
    code = FLOOD.replace("sys.argv[1]", repr(kind))
    code = code.replace("sys.argv[2]", str(distinct)).replace("sys.argv[3]", str(limit))
    done = run_python(code, instrumented=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["counter", "histogram"])
def test_a_million_values_of_an_attribute_hold_memory_flat_and_lose_no_count(kind):
    series, overflow, total, growth = flood(kind, 1_000_000)
    assert (series, overflow, total) == (LIMIT + 1, 1, 1_000_000)
    assert growth < FLAT_MB


def test_what_is_remembered_for_siblings_is_flat_too():
    series, overflow, total, growth = flood("sibling", 200_000)
    assert (series, overflow, total) == (LIMIT + 1, 1, 200_000)
    assert growth < FLAT_MB


@pytest.mark.parametrize("kind", ["counter", "histogram"])
def test_without_the_limit_the_same_measurement_shows_memory_growing(kind):
    series, overflow, _, growth = flood(kind, 40_000, limit=10_000_000)
    assert (series, overflow) == (40_000, 0)
    assert growth > 3 * FLAT_MB


def test_a_service_under_the_distribution_is_told_so():
    code = """
from opentelemetry import metrics
counter = metrics.get_meter("app").create_counter("app.visits")
for number in range(2600):
    counter.add(1, {"user": str(number), "kind": "guest"})
provider = metrics.get_meter_provider()
provider.force_flush()
provider.force_flush()
"""
    done = run_python(
        code,
        OTEL_SERVICE_NAME="app",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
        **{**NO_EXPORT, "OTEL_METRICS_EXPORTER": "console"},
    )
    (line,) = done.stderr.splitlines()
    assert line.startswith("blipee-otel: app.visits has more than 2000 attribute sets")
    assert "'user' has 2000 values" in line


class Kept(MetricExporter):
    def __init__(self, **preferred):
        super().__init__(**preferred)
        self.exports = []
        self.calls = []

    def export(self, metrics_data, timeout_millis=10_000, **kwargs):
        self.exports.append(metrics_data)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis=10_000):
        self.calls.append(("force_flush", timeout_millis))
        return False

    def shutdown(self, timeout_millis=30_000, **kwargs):
        self.calls.append(("shutdown", timeout_millis))


@pytest.fixture
def exporting():
    """A provider as the distribution builds it, and what its exporter got."""
    kept = Kept()
    reader = PeriodicExportingMetricReader(CardinalityWatch(kept), export_interval_millis=3_600_000)
    provider = MeterProvider([reader])
    yield provider, kept
    provider.shutdown()


def measure(provider, distinct, name="api.requests"):
    counter = provider.get_meter("test").create_counter(name)
    for number in range(distinct):
        counter.add(
            1, {"method": ("GET", "POST")[number % 2], "path": f"/{number}", "site": number % 900}
        )


def test_overflow_is_said_once_with_the_instrument_and_its_worst_attribute(exporting, said):
    provider, kept = exporting
    measure(provider, LIMIT + 500)
    for _ in range(3):
        provider.force_flush()
    (line,) = said()
    assert line == (
        "api.requests has more than 2000 attribute sets; further ones are counted together. Its "
        "attribute 'path' has 2000 values: use a bounded set, and put ids on spans and logs."
    )
    assert len(kept.exports) == 3


def test_each_instrument_that_overflows_is_said(exporting, said):
    provider, _ = exporting
    for name in ("api.requests", "api.fine", "jobs"):
        measure(provider, 10 if name == "api.fine" else LIMIT + 1, name)
    provider.force_flush()
    assert sorted(line.split()[0] for line in said()) == ["api.requests", "jobs"]


def test_at_the_limit_itself_nothing_is_said(exporting, said):
    provider, kept = exporting
    measure(provider, LIMIT)
    provider.force_flush()
    assert said() == []
    (point_count,) = {
        len(metric.data.data_points)
        for metric in kept.exports[0].resource_metrics[0].scope_metrics[0].metrics
    }
    assert point_count == LIMIT


def test_observed_values_and_histograms_are_watched_too(exporting, said):
    from opentelemetry.metrics import Observation

    provider, _ = exporting
    meter = provider.get_meter("test")
    histogram = meter.create_histogram("sizes")
    meter.create_observable_gauge(
        "queues", [lambda _: (Observation(1, {"queue": n}) for n in range(LIMIT + 1))]
    )
    for number in range(LIMIT + 1):
        histogram.record(1, {"path": number})
    provider.force_flush()
    assert sorted(line.split()[0] for line in said()) == ["queues", "sizes"]


def test_attribute_sets_of_many_small_attributes_name_the_largest(exporting, said):
    provider, _ = exporting
    counter = provider.get_meter("test").create_counter("c")
    for number in range(60 * 60):
        counter.add(1, {"a": number % 60, "b": number // 60})
    provider.force_flush()
    (line,) = said()
    assert "attribute 'a' has 60 values" in line


def test_the_exporter_behind_is_asked_for_everything():
    kept = Kept(
        preferred_temporality={Counter: AggregationTemporality.DELTA},
        preferred_aggregation={Histogram: ExplicitBucketHistogramAggregation((1.0,))},
    )
    watch = CardinalityWatch(kept)
    assert watch._preferred_temporality == {Counter: AggregationTemporality.DELTA}
    assert watch._preferred_aggregation is kept._preferred_aggregation
    assert watch.force_flush(5) is False
    watch.shutdown(7)
    assert kept.calls == [("force_flush", 5), ("shutdown", 7)]


def test_the_sdk_marks_overflow_as_we_look_for_it():
    reader = InMemoryMetricReader(cardinality_limits={ObservableGauge: 1, Counter: 1})
    provider = MeterProvider([reader])
    counter = provider.get_meter("test").create_counter("c")
    counter.add(1, {"a": 1})
    counter.add(1, {"a": 2})
    (resource,) = reader.get_metrics_data().resource_metrics
    attributes = [
        dict(point.attributes) for point in resource.scope_metrics[0].metrics[0].data.data_points
    ]
    assert attributes == [{"a": 1}, {OVERFLOW: True}]
    provider.shutdown()
