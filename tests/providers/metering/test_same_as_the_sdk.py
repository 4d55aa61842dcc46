"""Whatever is measured, in whatever order, is collected as the SDK alone would have it."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metered import metered, reader, span_context
from opentelemetry.sdk import metrics as sdk_metrics
from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    TraceBasedExemplarFilter,
)
from opentelemetry.sdk.metrics.view import (
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    SumAggregation,
    View,
)
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, set_span_in_context

from otel_distro.instruments.bound import bind
from otel_distro.providers import sdk

ATTRIBUTES = [
    None,
    {},
    {"a": 1},
    {"a": True},
    {"a": 1.0},
    {"a": "1"},
    {"a": "x", "b": 2},
    {"b": 2, "a": "x"},
    {"a": "y", "b": 2},
    {"a": [1, True]},
    {"a": (1, True)},
    {"a": None},
    {"a": {"b": [1]}},
]
VALUES = [0, 1, 2, 7, 10**12, 0.5, 0.25, 3.75, 1e-3 * 2**10, -1, -0.5, True, math.nan, math.inf]
KINDS = ["counter", "up_down_counter", "gauge", "histogram"]
METHODS = {"counter": "add", "up_down_counter": "add", "gauge": "set", "histogram": "record"}
VIEWS = {
    "none": [],
    "one attribute": [View(instrument_name="*", attribute_keys={"b"})],
    "no attribute": [View(instrument_name="*", attribute_keys=set())],
    "exponential": [
        View(
            instrument_name="histogram",
            aggregation=ExponentialBucketHistogramAggregation(max_size=8),
        )
    ],
    "buckets": [
        View(
            instrument_name="*",
            aggregation=ExplicitBucketHistogramAggregation([1, 5], record_min_max=False),
        )
    ],
    "dropped": [View(instrument_name="*counter", aggregation=DropAggregation())],
    "two streams": [
        View(instrument_name="histogram", name="sum", aggregation=SumAggregation()),
        View(instrument_name="histogram", name="buckets"),
        View(instrument_name="gauge", name="all", aggregation=ExplicitBucketHistogramAggregation()),
    ],
}
FILTERS = [TraceBasedExemplarFilter, AlwaysOnExemplarFilter, AlwaysOffExemplarFilter]
NO_SPAN = set_span_in_context(INVALID_SPAN)

measurements = st.tuples(
    st.just("measure"),
    st.sampled_from(KINDS),
    st.sampled_from(VALUES),
    st.sampled_from(ATTRIBUTES),
    st.sampled_from(["none", "sampled", "unsampled"]),
    st.sampled_from(["instrument", "bound"]),
)
collections = st.tuples(st.just("collect"), st.integers(0, 2))
additions = st.tuples(st.just("reader"), st.sampled_from(["cumulative", "delta"]))


def said(point):
    """Return what a point says, but for its times and its exemplars."""
    return {
        name: value
        for name, value in vars(point).items()
        if name not in {"exemplars", "start_time_unix_nano", "time_unix_nano"}
    }


def identity(point):
    return sorted(
        (name, type(value).__name__, repr(value)) for name, value in point.attributes.items()
    )


def collected(made, which):
    """Return the metrics without their times, and the exemplars of each point."""
    data = made.readers[which].get_metrics_data()
    metrics, exemplars = {}, {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                points = sorted(metric.data.data_points, key=identity)
                about = {
                    key: value for key, value in vars(metric.data).items() if key != "data_points"
                }
                metrics[metric.name] = (
                    metric.description,
                    metric.unit,
                    type(metric.data),
                    about,
                    [said(point) for point in points],
                )
                for point in points:
                    exemplars[metric.name, str(identity(point))] = point.exemplars
    return metrics, exemplars


class Side:
    """One of the two that measure the same."""

    def __init__(self, kind, views, exemplar_filter):
        readers = [reader("cumulative"), reader("delta")]
        self.made = metered(kind, readers, views=views, exemplar_filter=exemplar_filter())
        meter = self.made.meter
        self.instruments = {one: getattr(meter, f"create_{one}")(one, "1", "d") for one in KINDS}
        self.bound = {}

    def measure(self, number, kind, value, *how):
        attributes, span, through = how
        instrument, method = self.instruments[kind], METHODS[kind]
        known = span_context(number, sampled=span == "sampled")
        if through == "instrument":
            context = NO_SPAN if span == "none" else set_span_in_context(NonRecordingSpan(known))
            getattr(instrument, method)(value, attributes, context)
            return
        key = kind, repr(attributes)
        bound = self.bound.get(key) or self.bound.setdefault(key, bind(instrument, attributes))
        getattr(bound, method)(value, known if span == "sampled" else None)

    def add_reader(self, temporality):
        self.made.readers.append(reader(temporality))
        self.made.provider.add_metric_reader(self.made.readers[-1])


def fields(exemplar):
    return (
        exemplar.value,
        exemplar.trace_id,
        exemplar.span_id,
        repr(exemplar.filtered_attributes),
    )


def is_exact(views, name, attributes):
    """Return whether it is the last of each bucket, of values in one order.

    Of sums the SDK draws one by lot; of attribute sets that are merged any may be the last.
    """
    return views in {"none", "buckets"} and name == "histogram" and "'b'" not in attributes


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    views=st.sampled_from(list(VIEWS)),
    exemplar_filter=st.sampled_from(FILTERS),
    steps=st.lists(st.one_of(measurements, measurements, collections, additions), max_size=60),
)
@pytest.mark.filterwarnings("ignore")
def test_the_same_measurements_are_the_same_metrics(views, exemplar_filter, steps):
    ours, theirs = (
        Side(kind, VIEWS[views], exemplar_filter)
        for kind in (sdk.MeterProvider, sdk_metrics.MeterProvider)
    )
    assert ours.made.provider._metering is not None
    for number, step in enumerate([*steps, ("collect", 0), ("collect", 1)]):
        match step:
            case ("measure", *what):
                if exemplar_filter is AlwaysOnExemplarFilter:
                    what[3] = "sampled"  # the SDK gives others the ids of the one before
                ours.measure(number, *what)
                theirs.measure(number, *what)
            case ("reader", temporality):
                ours.add_reader(temporality)
                theirs.add_reader(temporality)
            case ("collect", which) if which < len(ours.made.readers):
                metrics, exemplars = collected(ours.made, which)
                expected, offered = collected(theirs.made, which)
                assert metrics == expected
                assert {key: len(value) for key, value in exemplars.items()} == {
                    key: len(value) for key, value in offered.items()
                }
                for key, found in exemplars.items():
                    if is_exact(views, *key):
                        assert list(map(fields, found)) == list(map(fields, offered[key]))
