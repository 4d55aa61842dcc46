"""A callback that raises, hangs or returns rubbish costs its own instrument's data, and a second.

All through the meter provider that the distribution sets.
"""

import _thread
import os
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from decimal import Decimal

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from support.instrumented import NO_EXPORT, run_python

from otel_distro.instrumentation.system import report
from otel_distro.instruments import recorder
from otel_distro.providers import callbacks, sdk

CREATE = {
    "gauge": "create_observable_gauge",
    "counter": "create_observable_counter",
    "up-down": "create_observable_up_down_counter",
}
# Ends all callbacks that hang in this module.
RELEASE = threading.Event()


@pytest.fixture(autouse=True)
def _callbacks_end():
    RELEASE.clear()
    callbacks._forget()
    yield
    RELEASE.set()


@pytest.fixture
def patience(monkeypatch):
    monkeypatch.setattr(callbacks, "PATIENCE_S", 0.2)
    return 0.2


@pytest.fixture
def collecting():
    """A meter with good instruments around those of a test, and a function that collects."""
    reader = InMemoryMetricReader()
    provider = sdk.MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    meter = provider.get_meter("t")
    meter.create_observable_gauge("before", [lambda _: [Observation(1)]])

    def collect():
        if "after" not in meter._instrument_id_instrument:
            meter.create_observable_gauge("after", [lambda _: [Observation(2)]])
        data = reader.get_metrics_data()
        found = {
            metric.name: [
                (point.value, dict(point.attributes)) for point in metric.data.data_points
            ]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }
        assert found.pop("before") == [(1, {})]
        assert found.pop("after") == [(2, {})]
        return found

    yield meter, collect
    provider.shutdown()


def raising(_options):
    raise RuntimeError("no connection")


def half_way(_options):
    yield Observation(5)
    raise RuntimeError("no connection")


def exiting(_options):
    raise SystemExit(1)


def endless(_options):
    while True:
        yield Observation(1)


def before_the_first():
    raise RuntimeError("no connection")
    yield


class Cyclic(Mapping):
    def __getitem__(self, key):
        return self

    def __iter__(self):
        return iter("a")

    def __len__(self):
        return 1


FAILING = {
    "raises": (raising, "failed (RuntimeError: no connection)"),
    "raises half way": (half_way, "failed (RuntimeError: no connection)"),
    "exits": (exiting, "failed (SystemExit: 1)"),
    "generator that raises": (before_the_first, "failed (RuntimeError: no connection)"),
    "returns nothing": (lambda _: None, "failed (TypeError: it returned NoneType"),
    "returns a number": (lambda _: 5, "failed (TypeError: it returned int"),
    "takes no options": (lambda: (), "failed (TypeError"),
    "is no function": (7, "failed (TypeError: 'int' object is not callable"),
    "never ends": (endless, "failed (ValueError: more than 100000 observations"),
}


@pytest.mark.parametrize("kind", CREATE)
@pytest.mark.parametrize("case", FAILING)
def test_a_callback_that_fails_is_one_line_and_no_data(case, kind, collecting, said, caplog):
    callback, fault = FAILING[case]
    meter, collect = collecting
    one = before_the_first() if callback is before_the_first else callback
    getattr(meter, CREATE[kind])("bad", [one])
    for _ in range(2):
        assert collect() == {}
    (line,) = said()
    assert line.startswith(f"a callback of bad {fault}")
    assert caplog.messages == []


RUBBISH = {
    "text": ("5", {}),
    "None": (None, {}),
    "an object": (object(), {}),
    "no number": (float("nan"), {}),
    "endless": (float("inf"), {}),
    "too large for a float": (10**400, {}),
    "a list": ([1], {}),
    "attributes that are a number": (1, 5),
    "attributes that are a list": (1, ["a"]),
    "an attribute without a name": (1, {None: 1}),
    "an attribute that is an object": (1, {"a": object()}),
    "an attribute with an object in it": (1, {"a": [{"b": object()}]}),
    "attributes without an end": (1, Cyclic()),
}


@pytest.mark.parametrize("case", RUBBISH)
def test_rubbish_is_left_out_with_one_line_and_its_neighbors_stay(case, collecting, said, caplog):
    value, attributes = RUBBISH[case]
    meter, collect = collecting
    observations = [
        Observation(1, {"k": "a"}),
        Observation(value, attributes),
        Observation(2, {"k": "b"}),
    ]
    meter.create_observable_gauge("mixed", [lambda _: observations])
    for _ in range(2):
        assert collect() == {"mixed": [(1, {"k": "a"}), (2, {"k": "b"})]}
    (line,) = said()
    assert line.startswith("a callback of mixed returned what is no observation (")
    assert caplog.messages == []


@pytest.mark.parametrize("thing", ["text", 5, None, [Observation(1)]])
def test_what_is_no_observation_is_left_out(thing, collecting, said):
    meter, collect = collecting
    meter.create_observable_gauge("mixed", [lambda _: [thing, Observation(2)]])
    assert collect() == {"mixed": [(2, {})]}
    assert "returned what is no observation (AttributeError" in said()[0]


def test_an_observation_with_a_context_that_is_none_is_left_out(collecting, said):
    meter, collect = collecting
    meter.create_observable_gauge("mixed", [lambda _: [Observation(1, {}, "c"), Observation(2)]])
    assert collect() == {"mixed": [(2, {})]}
    assert "TypeError: a context of type str" in said()[0]


@pytest.mark.parametrize(
    ("value", "exported"),
    [(5, 5), (2.5, 2.5), (True, 1), (Decimal("2.5"), 2.5), (2**63, float(2**63))],
)
def test_what_is_a_number_is_exported_as_one(value, exported, collecting, said):
    meter, collect = collecting
    meter.create_observable_gauge("good", [lambda _: [Observation(value, {"a": ("b", 1)})]])
    collected = collect()
    assert collected == {"good": [(exported, {"a": ("b", 1)})]}
    assert type(collected["good"][0][0]) is type(exported)
    assert said() == []


@pytest.mark.parametrize("kind", CREATE)
def test_good_callbacks_of_each_kind_have_their_data(kind, collecting, said):
    def generator():
        options = yield ()
        for number in (1, 2):
            assert isinstance(options, CallbackOptions)
            options = yield [Observation(number, {"from": "generator"})]

    def function(options):
        assert isinstance(options, CallbackOptions)
        yield Observation(7, {"from": "function"})

    meter, collect = collecting
    getattr(meter, CREATE[kind])("good", [generator(), function])
    for number in (1, 2):
        assert collect() == {"good": [(number, {"from": "generator"}), (7, {"from": "function"})]}
    assert collect()["good"][-1] == (7, {"from": "function"})  # the generator has ended
    assert said() == []


@pytest.mark.parametrize("callbacks", [5, raising])
def test_callbacks_that_are_no_list_are_one_line(callbacks, collecting, said):
    meter, collect = collecting
    meter.create_observable_gauge("bad", callbacks)
    assert collect() == {}
    assert said() == [
        f"the callbacks of bad are {type(callbacks).__name__} and no list; it has no data."
    ]


@pytest.mark.parametrize("form", ["function", "generator"])
def test_a_callback_that_hangs_is_left_out_until_it_returns(form, collecting, said, patience):
    values = iter((1, 2, 3))

    def hangs(_options):
        RELEASE.wait(20)
        return [Observation(next(values))]

    def generator():
        options = yield ()
        while True:
            options = yield hangs(options)

    meter, collect = collecting
    name = "bad"
    meter.create_observable_up_down_counter(name, [generator() if form == "generator" else hangs])
    started = time.monotonic()
    assert collect() == {}
    assert patience <= time.monotonic() - started < 4 * patience
    started = time.monotonic()
    for _ in range(20):
        assert collect() == {}
    assert time.monotonic() - started < patience  # it is not waited for again
    (line,) = said()
    assert line == f"a callback of {name} takes longer than 0.2 s; it is left out until it returns."
    RELEASE.set()
    time.sleep(0.05)
    assert collect() == {name: [(2, {})]}
    assert said() == []


def test_many_that_hang_at_once_take_little_longer_than_one(collecting, patience):
    before = set(sys._current_frames())
    meter, collect = collecting
    for number in range(30):
        meter.create_observable_gauge(f"bad.{number}", [lambda _: RELEASE.wait(20)])
    started = time.monotonic()
    collect()
    assert time.monotonic() - started < 5 * patience
    helpers = set(sys._current_frames()) - before
    assert 30 <= len(helpers) <= 31
    RELEASE.set()
    until = time.monotonic() + 10
    while len(helpers & set(sys._current_frames())) > 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(helpers & set(sys._current_frames())) <= 1


def test_a_slow_one_has_its_data_although_another_hangs_for_ever(collecting, patience, monkeypatch):
    monkeypatch.setattr(callbacks, "_JUST_S", 0.3)

    def slow(_options):
        time.sleep(0.75 * patience)
        return [Observation(1)]

    meter, collect = collecting
    meter.create_observable_gauge("bad", [lambda _: RELEASE.wait(20)])
    meter.create_observable_gauge("slow", [slow])
    collect()
    time.sleep(0.4)
    assert collect() == {"slow": [(1, {})]}


def test_one_that_lasts_only_longer_than_the_collection_is_not_named(collecting, said):
    bounded = callbacks.BoundedCallback(lambda _: time.sleep(0.1) or [Observation(1)], "slow")
    assert bounded(CallbackOptions(timeout_millis=1)) == []
    assert said() == []


def test_a_flush_and_the_end_wait_for_no_callback(said, patience):
    reader = InMemoryMetricReader()
    provider = sdk.MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    provider.get_meter("t").create_observable_gauge("bad", [lambda _: RELEASE.wait(20)])
    started = time.monotonic()
    assert provider.force_flush() is True
    provider.shutdown()
    assert time.monotonic() - started < 5 * patience


def test_our_own_callbacks_go_the_same_way(said, patience):
    reader = InMemoryMetricReader()
    provider = sdk.MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    report(provider)
    recorder.observe("process.thread.count", lambda: RELEASE.wait(20), provider)
    (resource,) = reader.get_metrics_data().resource_metrics
    found = {metric.name for scope in resource.scope_metrics for metric in scope.metrics}
    assert "process.memory.usage" in found
    assert "process.thread.count" not in found
    (line,) = said()
    assert line.startswith("a callback of process.thread.count takes longer than 0.2 s")
    provider.shutdown()


def test_a_callback_sees_the_context_of_who_collects(collecting):
    from opentelemetry.context import attach, detach, get_value, set_value

    seen = []
    meter, collect = collecting
    meter.create_observable_gauge("c", [lambda _: seen.append(get_value("who")) or []])
    token = attach(set_value("who", "me"))
    collect()
    detach(token)
    assert seen == ["me"]


def test_no_thread_is_there_before_a_collection_needs_one_and_one_serves_all(collecting):
    meter, collect = collecting
    before = set(sys._current_frames())
    on = set()
    for number in range(10):
        meter.create_observable_gauge(
            f"c.{number}", [lambda _: on.add(threading.get_ident()) or []]
        )
    assert set(sys._current_frames()) <= before
    for _ in range(5):
        collect()
    assert len(on) <= 2
    assert len(set(sys._current_frames()) - before) <= 2


def test_where_no_thread_can_be_started_callbacks_run_at_once(collecting, monkeypatch, said):
    def refuse(_work, _arguments):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(callbacks, "_idle", [])
    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    meter, collect = collecting
    on = set()
    meter.create_observable_gauge(
        "good", [lambda _: on.add(threading.get_ident()) or [Observation(3)]]
    )
    meter.create_observable_gauge("bad", [raising])
    assert collect() == {"good": [(3, {})]}
    assert on == {threading.get_ident()}
    assert len(said()) == 1


def test_all_else_of_a_meter_is_the_sdks(collecting):
    meter, collect = collecting
    assert (meter.name, meter.version) == ("t", None)
    meter.create_counter("c", "1", "d").add(2)
    meter.create_up_down_counter("u").add(-1)
    meter.create_gauge("g").set(4)
    histogram = meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1.0])
    assert histogram._advisory.explicit_bucket_boundaries == [1.0]
    assert collect() == {"c": [(2, {})], "u": [(-1, {})], "g": [(4, {})]}


def test_a_meter_is_the_same_each_time_and_none_after_the_end():
    provider = sdk.MeterProvider(shutdown_on_exit=False)
    assert provider.get_meter("t") is provider.get_meter("t")
    assert provider.get_meter("t") is not provider.get_meter("t", "2")
    provider.shutdown()
    provider.get_meter("t").create_observable_gauge("g", [raising])


START = textwrap.dedent("""
    import os, sys, threading, time
    from opentelemetry import metrics
    from opentelemetry.metrics import Observation
    meter = metrics.get_meter("app")
    provider = metrics.get_meter_provider()
    never = threading.Event()
    meter.create_observable_gauge("app.hangs", [lambda _: never.wait()])
    meter.create_observable_gauge("app.good", [lambda _: [Observation(os.getpid())]])
""")
CONSOLE = {
    **NO_EXPORT,
    "OTEL_SERVICE_NAME": "app",
    "OTEL_METRICS_EXPORTER": "console",
    "OTEL_METRIC_EXPORT_INTERVAL": "3600000",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*",
}


def test_a_process_with_a_callback_that_hangs_exports_the_rest_and_ends():
    started = time.monotonic()
    done = run_python(START, PYTHONPATH=os.environ.get("PYTHONPATH", ""), **CONSOLE)
    assert time.monotonic() - started < 15
    assert done.returncode == 0
    assert '"app.good"' in done.stdout
    assert '"process.memory.usage"' in done.stdout
    assert '"app.hangs"' not in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("blipee-otel: a callback of app.hangs takes longer than 1 s")


FORK = START + textwrap.dedent("""
    provider.force_flush()
    print("forked", flush=True)
    if not os.fork():
        never.set()  # in the child nobody hangs any more
        print("child", os.getpid(), provider.force_flush(), flush=True)
        os._exit(0)
    os.wait()
    os._exit(0)
""")


def test_a_forked_child_collects_on_a_thread_of_its_own():
    done = run_python(
        FORK,
        PYTHONPATH=os.environ.get("PYTHONPATH", ""),
        PYTHONWARNINGS="ignore::DeprecationWarning",  # from 3.12 on: threads and a fork
        **CONSOLE,
    )
    assert done.returncode == 0, done.stderr
    _, _, child = done.stdout.partition("forked\n")
    pid = next(line.split()[1] for line in child.splitlines() if line.startswith("child "))
    assert f"child {pid} True" in child
    assert f'"value": {pid}' in child
    (line,) = done.stderr.splitlines()  # the parent's: in the child nothing is waited for
    assert "app.hangs" in line
