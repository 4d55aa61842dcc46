"""What is used of the SDK's private parts is there; where it is not, the SDK's way is taken."""

import pytest
from metered import metered
from opentelemetry.sdk import metrics as sdk_metrics
from opentelemetry.sdk.metrics import (
    AlignedHistogramBucketExemplarReservoir,
    SimpleFixedSizeExemplarReservoir,
    TraceBasedExemplarFilter,
)
from opentelemetry.sdk.metrics._internal import instrument as instruments
from opentelemetry.sdk.metrics._internal.measurement_consumer import SynchronousMeasurementConsumer
from opentelemetry.sdk.metrics.view import View

from otel_distro.providers.metering import aggregating, takeover

INSTANCES = {
    "provider": {"_sdk_config", "_measurement_consumer", "_metric_readers"},
    "configuration": {"exemplar_filter", "views", "resource"},
    "consumer": {"_reader_storages"},
    "match": {"_lock", "_view", "_aggregation", "_instrument", "_attributes_aggregation"},
    "view": {"_attribute_keys", "_exemplar_reservoir_factory"},
    "sum": {"_lock", "_value", "_reservoir"},
    "last value": {"_lock", "_value", "_reservoir"},
    "buckets": {"_lock", "_value", "_sum", "_min", "_max", "_boundaries", "_record_min_max"},
    "aligned reservoir": {"_boundaries"},
    "reservoir of a size": {"_size"},
    "instrument": {"_measurement_consumer", "name"},
}


@pytest.fixture(scope="module")
def parts():
    """The SDK's own parts, of one measurement of each kind."""
    made = metered(sdk_metrics.MeterProvider)
    counter, gauge, histogram = (
        getattr(made.meter, f"create_{kind}")(kind) for kind in ("counter", "gauge", "histogram")
    )
    counter.add(1)
    gauge.set(1)
    histogram.record(1)
    consumer = made.provider._measurement_consumer
    (storage,) = consumer._reader_storages.values()

    def match(instrument):
        (one,) = storage._get_or_init_view_instrument_match(instrument)
        return one

    def aggregation(instrument):
        (one,) = match(instrument)._attributes_aggregation.values()
        return one

    return {
        "provider": made.provider,
        "configuration": made.provider._sdk_config,
        "consumer": consumer,
        "match": match(counter),
        "view": match(counter)._view,
        "sum": aggregation(counter),
        "last value": aggregation(gauge),
        "buckets": aggregation(histogram),
        "aligned reservoir": aggregation(histogram)._reservoir,
        "reservoir of a size": aggregation(counter)._reservoir,
        "instrument": counter,
    }


@pytest.mark.parametrize("part", INSTANCES)
def test_a_part_of_the_sdk_holds_what_is_used_of_it(part, parts):
    assert INSTANCES[part] <= vars(parts[part]).keys()


def test_a_default_aggregation_and_reservoir_is_one_that_values_go_into_in_bulk(parts):
    for kind in ("sum", "last value", "buckets"):
        assert type(parts[kind]) in aggregating._IN_BULK
    assert type(parts["aligned reservoir"]) is AlignedHistogramBucketExemplarReservoir
    assert type(parts["reservoir of a size"]) is SimpleFixedSizeExemplarReservoir


def test_an_attribute_set_has_the_sdks_own_key(parts):
    match = parts["match"]
    assert list(match._attributes_aggregation) == [aggregating.key_of({})]
    with match._lock:
        found = match._get_or_create_aggregation(aggregating.key_of({}), {})
    assert found is parts["sum"]


def test_the_classes_have_the_methods_that_are_called_or_stand_in_for_others():
    for name in ("collect", "add_metric_reader", "consume_measurement"):
        assert callable(getattr(SynchronousMeasurementConsumer, name))
    assert callable(instruments._Synchronous._is_enabled)
    assert callable(View._match)


@pytest.fixture
def _untried():
    takeover._try_out.cache_clear()
    yield
    takeover._try_out.cache_clear()


def lose_one(aggregation, values):
    aggregation._value = values[0]


CHANGES = {
    "counts otherwise": ("_add_to_sum", lambda _aggregation, _values: None),
    "has other buckets": ("_add_to_buckets", lambda aggregation, _: aggregation._buckets),
    "keeps another value": ("_set_last_value", lose_one),
}


@pytest.mark.usefixtures("_untried")
@pytest.mark.parametrize("change", CHANGES)
def test_an_sdk_that_changed_aggregates_in_its_own_way(change, monkeypatch, said):
    name, instead = CHANGES[change]
    before = getattr(aggregating, name)
    (kind,) = (one for one, put in aggregating._IN_BULK.items() if put is before)
    monkeypatch.setitem(aggregating._IN_BULK, kind, instead)
    made = metered()
    assert made.provider._metering is None
    assert_counts(made)
    assert any(line.startswith("the SDK aggregates in an unknown way (") for line in said())


@pytest.mark.usefixtures("_untried")
def test_an_sdk_without_a_part_aggregates_in_its_own_way(monkeypatch, said):
    monkeypatch.setattr(aggregating, "matching", object())
    made = metered()
    assert made.provider._metering is None
    assert_counts(made)
    assert "_hash_attributes" in said()[-1]


class Odd(TraceBasedExemplarFilter):
    def should_sample(self, value, *_):
        return value == 2


def test_an_exemplar_filter_of_ones_own_is_asked_each_time():
    made = metered(exemplar_filter=Odd())
    assert_counts(made)
    (point,) = made.points()["h"]
    assert [one.value for one in point.exemplars] == [2]


class ByValue(AlignedHistogramBucketExemplarReservoir):
    def _find_bucket_index(self, value, *_):
        return value


def test_exemplars_that_a_view_has_kept_otherwise_are_offered_one_by_one():
    own = View(instrument_name="h", exemplar_reservoir_factory=lambda _: ByValue)
    made = metered(views=[own], exemplar_filter=sdk_metrics.AlwaysOnExemplarFilter())
    assert type(made.meter.create_counter("c")) is not instruments._Counter
    assert type(made.meter.create_histogram("h")) is instruments._Histogram
    assert_counts(made)
    (point,) = made.points()["h"]
    assert [one.value for one in point.exemplars] == [1, 2]


def assert_counts(made):
    counter, histogram = made.meter.create_counter("c"), made.meter.create_histogram("h")
    for value in (1, 2):
        counter.add(value)
        histogram.record(value)
    assert made.values("c") == {(): 3}
    for value in (1, 2):
        histogram.record(value)
