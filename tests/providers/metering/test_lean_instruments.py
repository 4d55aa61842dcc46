"""Instruments that measure cheaply take what the SDK's take, and are as bounded."""

import copy
import gc
import math
import weakref
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

import pytest
from metered import metered, reader
from opentelemetry import metrics
from opentelemetry.sdk import metrics as sdk_metrics
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

from otel_distro.instruments.bound import bind
from otel_distro.providers import sdk
from otel_distro.providers.metering.instruments import MAX_CELLS

KINDS = {
    "counter": (metrics.Counter, "add"),
    "up_down_counter": (metrics.UpDownCounter, "add"),
    "gauge": (metrics._Gauge, "set"),
    "histogram": (metrics.Histogram, "record"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_instrument_is_one_of_the_api_with_all_that_others_read_of_the_sdks(kind, ours):
    made = getattr(ours.meter, f"create_{kind}")("Some.Name", "ms", "about")
    api, _ = KINDS[kind]
    assert isinstance(made, api)
    assert (made.name, made.unit, made.description) == ("some.name", "ms", "about")
    assert made.instrumentation_scope.name == "t"
    assert made is getattr(ours.meter, f"create_{kind}")("Some.Name", "ms", "about")
    assert copy.copy(made).name == "some.name"


def test_a_histogram_tells_its_buckets(ours):
    made = ours.meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1, 2])
    assert made._advisory.explicit_bucket_boundaries == [1, 2]
    made.record(1.5)
    (point,) = ours.points()["h"]
    assert point.bucket_counts == (0, 1, 0)


class Strange:
    def __le__(self, other):
        raise RuntimeError("not you")

    __ge__ = __le__


# What is said, by us (of what the SDK raises) and by the SDK.
NO_VALUES = {
    "text": ("1", "was lost (TypeError"),
    "nothing": (None, "was lost (TypeError"),
    "an object": (Strange(), "was lost (TypeError"),
    "a list": ([1], "was lost (TypeError"),
    "more than a float": (10**400, "was lost (OverflowError"),
    "no number": (math.nan, None),
    "endless": (math.inf, None),
    "no decimal": (Decimal("nan"), None),
}


@pytest.fixture(params=[(kind, way) for kind in KINDS for way in ("instrument", "bound")])
def measure(request, ours):
    """The method of an instrument named m, of each kind, itself and bound."""
    kind, way = request.param
    made = getattr(ours.meter, f"create_{kind}")("m")
    return getattr(bind(made) if way == "bound" else made, KINDS[kind][1])


@pytest.mark.parametrize("case", NO_VALUES)
def test_what_is_no_number_is_said_and_left_out(case, measure, ours, said, caplog):
    value, fault = NO_VALUES[case]
    measure(1)
    measure(value)
    assert ours.values("m") in ({(): 1}, {(): (1, 1)})
    if fault:
        (line,) = said()
        assert line.startswith(f"a measurement of m {fault}")
    else:
        assert "not finite" in caplog.text


@pytest.mark.parametrize("way", ["instrument", "bound"])
@pytest.mark.parametrize("kind", ["counter", "histogram"])
def test_what_is_negative_is_said_as_the_sdk_does(kind, way, ours, caplog):
    made = getattr(ours.meter, f"create_{kind}")("m")
    method = getattr(bind(made) if way == "bound" else made, KINDS[kind][1])
    method(1)
    method(-1)
    assert ours.values("m") in ({(): 1}, {(): (1, 1)})
    assert "must be non-negative" in caplog.text


class Half(float):
    def __float__(self):
        raise RuntimeError("not me")


@pytest.mark.parametrize("value", [True, 2.5, Decimal("2.5"), 2**70, Half(0.5)])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_other_types_count_as_with_the_sdk(kind, value, ours):
    plain = metered(sdk_metrics.MeterProvider)
    for meter in (ours.meter, plain.meter):
        made = getattr(meter, f"create_{kind}")("m")
        for _ in range(3):
            getattr(made, KINDS[kind][1])(value)
    assert ours.values("m") == plain.values("m")


class Everything(Mapping):
    """Attributes that change with each look."""

    def __init__(self):
        self.seen = 0

    def __getitem__(self, key):
        return self.seen

    def __iter__(self):
        self.seen += 1
        return iter(["a"])

    def __len__(self):
        return 1


ATTRIBUTES = {
    "a proxy": (MappingProxyType({"a": 1}), {"a": 1}),
    "a list of pairs": ([("a", 1)], {}),
    "text": ("ab", {}),
    "a number": (5, {}),
    "a name that is none": ({1: 1, "a": 2}, {"1": 1, "a": 2}),
    "an empty name": ({"": 1, "a": 2}, {"a": 2}),
}


@pytest.mark.parametrize("case", ATTRIBUTES)
def test_attributes_of_other_types_are_what_the_sdk_makes_of_them(case, ours):
    attributes, expected = ATTRIBUTES[case]
    made = ours.meter.create_counter("m")
    made.add(1, attributes)
    bind(made, attributes).add(1) if isinstance(attributes, Mapping) else made.add(1, attributes)
    assert ours.values("m") == {tuple(expected.items()): 2}


def test_attributes_that_change_while_they_are_read_harm_nobody(ours):
    made = ours.meter.create_counter("m")
    for _ in range(10):
        made.add(1, Everything())
    made.add(1, {"a": "b"})
    assert sum(ours.values("m").values()) == 11


def test_an_attribute_set_is_told_from_its_like_by_type(ours):
    made = ours.meter.create_counter("m")
    for _ in range(2):
        for value in (1, True, 1.0, "1"):
            made.add(1, {"a": value})
    points = ours.points()["m"]
    assert [(point.value, type(point.attributes["a"])) for point in points] == [
        (2, int), (2, bool), (2, float), (2, str)
    ]  # fmt: skip


A, B, ODD = {"a": 1}, {"a": 2}, {"a": [1]}  # the last takes the SDK's ordinary way


@pytest.mark.parametrize("order", [(A, B), (B, A), (A, B, A), (B, A, B), (A, ODD), (B, ODD, A)])
def test_the_last_value_of_a_gauge_is_the_last_one_set_whatever_a_view_merges(order):
    made = metered(views=[View(instrument_name="*", attribute_keys=set())])
    gauge = made.meter.create_gauge("g")
    for attributes in (A, B, ODD):
        gauge.set(-1, attributes)
    for value, attributes in enumerate(order):
        gauge.set(value, attributes)
    assert made.values("g") == {(): len(order) - 1}


def test_zero_is_no_exemplar_of_an_exponential_histogram_as_with_the_sdk():
    view = View(instrument_name="*", aggregation=ExponentialBucketHistogramAggregation())
    exemplars = []
    for kind in (sdk.MeterProvider, sdk_metrics.MeterProvider):
        made = metered(kind, views=[view], exemplar_filter=sdk_metrics.AlwaysOnExemplarFilter())
        histogram = made.meter.create_histogram("h")
        for value in (0, 1, 0.0, 2):
            histogram.record(value)
        exemplars.append([one.value for point in made.points()["h"] for one in point.exemplars])
    assert exemplars == [[1, 2], [1, 2]]


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
@pytest.mark.parametrize("kind", KINDS)
def test_beyond_the_limit_attribute_sets_are_counted_together(kind, temporality):
    made = metered(readers=[reader(temporality)])
    method = getattr(getattr(made.meter, f"create_{kind}")("m"), KINDS[kind][1])
    for number in range(2500):
        method(1, {"id": number})
        method(1, {"id": number})
    found = made.values("m")
    assert len(found) == 2001
    assert (("otel.metric.overflow", True),) in found
    if kind != "gauge":
        counts = [value[0] if isinstance(value, tuple) else value for value in found.values()]
        assert sum(counts) == 5000
        assert sorted(counts)[-2:] == [2, 1000]


def test_a_reader_with_a_lower_limit_has_the_same_sets_as_with_the_sdk():
    sides = [
        metered(kind, [reader(limits=3)]) for kind in (sdk.MeterProvider, sdk_metrics.MeterProvider)
    ]
    for made in sides:
        counter = made.meter.create_counter("m")
        for number in (5, 4, 5, 3, 2, 1, 4, 5):
            counter.add(1, {"id": number})
    ours, theirs = (made.values("m") for made in sides)
    assert ours == theirs
    assert len(ours) == 4


def test_an_instrument_keeps_no_more_cells_than_the_limit(ours):
    counter = ours.meter.create_counter("m")
    for number in range(MAX_CELLS + 500):
        counter.add(1, {"id": number})
        bind(counter, {"id": -number})
    assert len(counter._cells) == MAX_CELLS
    assert all(len(cell.pending) == 0 for cell in counter._cells.values())


def test_pending_values_are_put_in_before_there_are_many(ours):
    bound = bind(ours.meter.create_histogram("m"))
    for _ in range(10_000):
        bound.record(1)
        assert len(bound.pending) < 512
    assert ours.values("m") == {(): (10_000, 10_000)}


def test_a_provider_that_is_gone_leaves_nothing():
    made = metered()
    made.meter.create_counter("m").add(1)
    gone = weakref.ref(made.provider._measurement_consumer)
    made.provider.shutdown()
    del made
    gc.collect()
    assert gone() is None


def test_a_meter_that_is_switched_off_counts_only_what_came_before():
    from opentelemetry.sdk.metrics._internal import (
        _default_meter_configurator,
        _disable_meter_configurator,
    )

    made = metered()
    counter = made.meter.create_counter("m")
    for configurator in (_disable_meter_configurator, _default_meter_configurator):
        counter.add(1)
        counter.add(1)
        made.provider._set_meter_configurator(meter_configurator=configurator)
    counter.add(1)
    assert made.values("m") == {(): 3}
