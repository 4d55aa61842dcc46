"""Metrics arrive with what upstream's encoder would have sent."""

import random

import pytest
from any_values import ATTRIBUTES, FEW_ATTRIBUTES, IDS, TIMES, TRACE_IDS, sent
from decoded import RESOURCE, SCOPE, records, requested
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics as upstream
from opentelemetry.sdk.metrics import Exemplar, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

from otel_distro.delivery.encoding import encode_metrics

INT64 = st.integers(-(2**63), 2**63 - 1)
NUMBERS = INT64 | st.floats(allow_nan=False)
TEMPORALITIES = st.sampled_from(AggregationTemporality)


def data(*metrics):
    of_scope = ScopeMetrics(SCOPE, metrics, "https://scope")
    return MetricsData([ResourceMetrics(RESOURCE, [of_scope], "https://resource")])


def gauge(*values, name="size"):
    points = [NumberDataPoint({"n": n}, 0, 5, value) for n, value in enumerate(values)]
    return Metric(name, "", "By", Gauge(points))


def same(made, theirs=None):
    encoded = encode_metrics(made)
    assert encoded.unencodable == 0
    assert requested(encoded.chunks, "metrics") == upstream(theirs or made)


@st.composite
def exemplars(draw):
    ids = (draw(IDS), draw(TRACE_IDS)) if draw(st.booleans()) else (None, None)
    return Exemplar(sent(draw(FEW_ATTRIBUTES)), draw(NUMBERS), draw(TIMES), *ids)


@st.composite
def metrics(draw):
    some = draw(st.lists(exemplars(), max_size=2))
    common = {
        "attributes": sent(draw(ATTRIBUTES)),
        "start_time_unix_nano": draw(TIMES),
        "time_unix_nano": draw(TIMES),
        "exemplars": some,
    }
    number = NumberDataPoint(value=draw(NUMBERS), **common)
    bounds = draw(st.lists(st.floats(allow_nan=False), max_size=4))
    histogram = HistogramDataPoint(
        count=draw(TIMES),
        sum=draw(NUMBERS),
        bucket_counts=draw(st.lists(TIMES, min_size=len(bounds), max_size=len(bounds))),
        explicit_bounds=bounds,
        min=draw(st.none() | st.floats(allow_nan=False)),
        max=draw(st.none() | st.floats(allow_nan=False)),
        **common,
    )
    kind = draw(
        st.sampled_from(
            [
                Gauge([number]),
                Sum([number, number], draw(TEMPORALITIES), draw(st.booleans())),
                Histogram([histogram], draw(TEMPORALITIES)),
            ]
        )
    )
    return Metric(draw(st.sampled_from(["a", "é"])), draw(st.sampled_from(["", "d"])), "s", kind)


@settings(max_examples=100, deadline=None)
@given(st.lists(metrics(), min_size=1, max_size=2))
def test_metrics_are_what_upstream_would_send(some):
    same(data(*some))


def test_metrics_through_the_sdk_are_the_same():
    reader = InMemoryMetricReader()
    exponential = View(
        instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation()
    )
    meter = MeterProvider([reader], RESOURCE, views=[exponential]).get_meter(
        "m", "1", "u", {"a": 1}
    )
    meter.create_counter("counter", "1", "described").add(3, {"a": True})
    meter.create_up_down_counter("updown").add(-2.5)
    meter.create_histogram("histogram").record(3, {"route": "/"})
    meter.create_observable_gauge("gauge", [lambda _: []])
    values = random.Random(1)  # noqa: S311 - the same each time
    for _ in range(100):
        meter.create_histogram("exponential").record(values.uniform(-10, 10))
    meter.create_histogram("exponential").record(0)
    made = reader.get_metrics_data()
    same(made)
    assert sum(chunk.count for chunk in encode_metrics(made).chunks) == 4


def test_a_value_that_64_bits_do_not_hold_becomes_a_double():
    ((_, metric),) = records(requested(encode_metrics(data(gauge(2**63))).chunks, "metrics"))
    assert metric.gauge.data_points[0].as_double == 2.0**63


def test_a_bad_data_point_costs_only_itself_and_is_counted():
    made = data(gauge(1, None, 3, "x", 10**400), Metric("odd", "", "", object()), gauge(9))
    encoded = encode_metrics(made)
    assert encoded.unencodable == 4
    assert encoded.chunks[0].count == 3
    found = records(requested(encoded.chunks, "metrics"))
    values = [[point.as_int for point in metric.gauge.data_points] for _, metric in found]
    assert values == [[1, 3], [9]]


def test_a_bad_exemplar_costs_only_itself():
    bad = Exemplar({}, "x", 1)
    good = Exemplar({}, 1, 1)
    made = data(Metric("a", "", "", Gauge([NumberDataPoint({}, 0, 5, 1, [bad, good])])))
    ((_, metric),) = records(requested(encode_metrics(made).chunks, "metrics"))
    assert [found.as_int for found in metric.gauge.data_points[0].exemplars] == [1]


@pytest.mark.parametrize("max_bytes", [1, 300, 2_000])
def test_large_metrics_are_split_by_their_data_points(max_bytes):
    made = data(gauge(*range(100)), gauge(*range(100, 110), name="other"))
    chunks = encode_metrics(made, max_bytes).chunks
    assert sum(chunk.count for chunk in chunks) == 110
    found = []
    for chunk in chunks:
        assert chunk.size <= max_bytes or chunk.count == 1
        of_chunk = [metric for _, metric in records(requested([chunk], "metrics"))]
        assert sum(len(metric.gauge.data_points) for metric in of_chunk) == chunk.count
        found += of_chunk
    values = [point.as_int for metric in found for point in metric.gauge.data_points]
    assert values == list(range(110))
    assert {metric.name for metric in found} == {"size", "other"}
    assert len(chunks) < 110 or max_bytes == 1
