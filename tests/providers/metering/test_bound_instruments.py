"""An instrument with its attributes given once."""

from time import time_ns

import pytest
from metered import metered, reader, span_context
from opentelemetry import metrics
from opentelemetry.context import attach, detach
from opentelemetry.metrics import _internal as api
from opentelemetry.sdk import metrics as sdk_metrics
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, AlwaysOnExemplarFilter
from opentelemetry.trace import NonRecordingSpan, set_span_in_context

from otel_distro.instruments.bound import bind, context_of, sampled
from otel_distro.providers import sdk

MEASURING = {
    "counter": ("add", 3),
    "up_down_counter": ("add", 3),
    "gauge": ("set", 2),
    "histogram": ("record", (2, 3)),
}
PROVIDERS = {"ours": sdk.MeterProvider, "the SDK's": sdk_metrics.MeterProvider}


@pytest.fixture
def in_sampled_span():
    token = attach(set_span_in_context(NonRecordingSpan(span_context(7))))
    yield
    detach(token)


@pytest.mark.parametrize("kind", MEASURING)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_bound_instrument_measures_as_the_instrument_itself(provider, kind):
    made = metered(PROVIDERS[provider])
    method, expected = MEASURING[kind]
    bound = bind(getattr(made.meter, f"create_{kind}")("m"), {"a": 1})
    for value in (1, 2):
        getattr(bound, method)(value)
    assert made.values("m") == {(("a", 1),): expected}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_attributes_that_change_afterwards_change_nothing(provider):
    made = metered(PROVIDERS[provider])
    attributes = {"a": 1}
    counter = made.meter.create_counter("m")
    bound = bind(counter, attributes)
    counter.add(1, attributes)
    attributes["b"] = 2
    bound.add(1)
    assert made.values("m") == {(("a", 1),): 2}


@pytest.mark.parametrize("kind", MEASURING)
def test_what_was_bound_before_a_provider_was_set_measures_with_it(kind, monkeypatch):
    monkeypatch.setattr(api, "_METER_PROVIDER", None)
    monkeypatch.setattr(api, "_METER_PROVIDER_SET_ONCE", api.Once())
    monkeypatch.setattr(api, "_PROXY_METER_PROVIDER", api._ProxyMeterProvider())
    method, expected = MEASURING[kind]
    bound = bind(getattr(metrics.get_meter("t"), f"create_{kind}")("m"), {"a": 1})
    early = getattr(bound, method)
    early(100)  # nobody is there yet
    made = metered()
    metrics.set_meter_provider(made.provider)
    early(1)
    getattr(bound, method)(2)
    assert made.values("m") == {(("a", 1),): expected}
    # From then on without a detour.
    assert (
        type(getattr(bound, method).__self__).__module__ == "otel_distro.providers.metering.cells"
    )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_exemplar_has_the_span_that_the_caller_names(provider, in_sampled_span):
    made = metered(PROVIDERS[provider])
    bound = bind(made.meter.create_histogram("m"), {"a": 1})
    bound.record(1, span_context(1))
    bound.record(20, span_context(3))
    bound.record(300)  # the current span is not looked at
    (point,) = made.points()["m"]
    found = [(one.value, one.trace_id, one.span_id) for one in point.exemplars]
    assert found == [(1, 2, 3), (20, 4, 5)]
    assert all(0 < one.time_unix_nano <= point.time_unix_nano for one in point.exemplars)


FILTERS = {"always on": (AlwaysOnExemplarFilter(), 2), "always off": (AlwaysOffExemplarFilter(), 0)}


@pytest.mark.parametrize("which", FILTERS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_exemplar_filter_holds_for_bound_instruments(provider, which):
    exemplar_filter, expected = FILTERS[which]
    made = metered(PROVIDERS[provider], exemplar_filter=exemplar_filter)
    bound = bind(made.meter.create_histogram("m"))
    bound.record(1)
    bound.record(20, span_context(3))
    (point,) = made.points()["m"]
    assert [one.value for one in point.exemplars] == [1, 20][:expected]
    assert [one.trace_id for one in point.exemplars] == [None, 4][:expected]


ODD = {
    "a list": [1, "x"],
    "a mapping": {"k": [1]},
    "an object": type("O", (), {"__str__": lambda _: "o"})(),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("case", ODD)
def test_attributes_of_any_kind_can_be_bound(case, provider):
    made, expected = metered(PROVIDERS[provider]), metered(sdk_metrics.MeterProvider)
    expected.meter.create_counter("m").add(2, {"a": ODD[case]})
    bound = bind(made.meter.create_counter("m"), {"a": ODD[case]})
    bound.add(1)
    bound.add(1)
    ((point,), (other,)) = (one.points()["m"] for one in (made, expected))
    assert (point.value, point.attributes) == (other.value, other.attributes)


def test_what_is_bound_over_and_over_is_one_cell(ours):
    counter = ours.meter.create_counter("m")
    assert counter.bind({"a": 1}) is counter.bind({"a": 1})
    assert counter.bind({"a": 1}) is not counter.bind({"a": True})


class Broken(metrics.Counter):
    def __init__(self):
        pass

    def add(self, amount, attributes=None, context=None):
        raise RuntimeError("no")


def test_an_instrument_of_others_that_raises_is_one_line(said):
    bound = bind(Broken(), {"a": 1})
    bound.add(1)
    bound.add(1)
    assert said() == ["a measurement was lost (RuntimeError: no)."]


def test_the_sampled_span_of_the_current_context_is_found(in_sampled_span):
    assert sampled() == span_context(7)
    token = attach(context_of(None))
    assert sampled() is None
    detach(token)
    token = attach(context_of(span_context(1, sampled=False)))
    assert sampled() is None
    detach(token)


def test_a_reader_that_is_added_later_has_what_was_measured_from_then_on():
    made = metered()
    bound = bind(made.meter.create_counter("m"))
    for _ in range(5):
        bound.add(1)
    made.readers.append(reader())
    made.provider.add_metric_reader(made.readers[1])
    bound.add(1)
    measured = time_ns()
    bound.add(1)
    (point,) = made.points(1)["m"]
    assert point.value == 2
    assert point.start_time_unix_nano <= measured < point.time_unix_nano
    assert made.values("m", 0) == {(): 7}
