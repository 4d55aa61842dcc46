"""Measurements by name: the seed's examples, what OpenTelemetry gets, and calls that are wrong."""

import asyncio
import functools
import sys
import threading
from dataclasses import FrozenInstanceError, asdict
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.instrumented import run_python

from otel_distro import notices
from otel_distro.catalogue import CATALOGUE, Instrument, Kind, buckets, prom_name
from otel_distro.instruments import metrics as module
from otel_distro.instruments.accepted import MAX_TAGS
from otel_distro.instruments.metrics import RECENT, Metric, metrics
from otel_distro.instruments.named import MAX_NAMES, MAX_SETS
from otel_distro.testing import assert_catalogue, plugin

telemetry = plugin.telemetry


@pytest.fixture
def said(telemetry, capsys):
    return lambda: [
        line.removeprefix(notices.PREFIX)
        for line in capsys.readouterr().err.splitlines()
        if line.startswith(notices.PREFIX)
    ]


@pytest.fixture
def frequent_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


# Section "Standard Metrics" of the platform's monitoring document, in its order and letter.
SEED_EXAMPLES = [
    ("increment", ("api.requests", 1, {"endpoint": "/api/dashboard", "method": "GET"})),
    ("histogram", ("api.response_time", 145, {"endpoint": "/api/dashboard"})),
    ("gauge", ("api.active_connections", 42)),
    ("increment", ("agents.executions", 1, {"agent_type": "CarbonHunter", "status": "success"})),
    ("gauge", ("conversations.active", 15, {"type": "user_chat"})),
    ("histogram", ("ml.prediction_confidence", 0.85, {"model": "prophet_v1"})),
    ("gauge", ("system.memory_usage_mb", 512)),
    ("gauge", ("system.cpu_usage_percent", 45)),
    ("increment", ("database.queries", 1, {"table": "conversations"})),
    ("histogram", ("database.query_duration", 23, {"table": "conversations"})),
]


@pytest.mark.parametrize(("method", "arguments"), SEED_EXAMPLES, ids=lambda value: str(value)[:40])
def test_the_seeds_examples_run_as_written(method, arguments, telemetry, said):
    getattr(metrics, method)(*arguments)
    assert said() == []
    name, value, *tags = arguments
    point = telemetry.point(name, *tags)
    assert (point.sum if method == "histogram" else point.value) == value
    assert_catalogue(telemetry)


def test_keys_are_the_seeds(telemetry):
    for method, arguments in SEED_EXAMPLES:
        getattr(metrics, method)(*arguments)
    metrics.increment("api.requests", 2, {"method": "GET", "endpoint": "/api/dashboard"})
    assert metrics.get_counters() == {
        "api.requests:endpoint:/api/dashboard,method:GET": 3,
        "agents.executions:agent_type:CarbonHunter,status:success": 1,
        "database.queries:table:conversations": 1,
    }
    assert metrics.get_gauges() == {
        "api.active_connections": 42,
        "conversations.active:type:user_chat": 15,
        "system.memory_usage_mb": 512,
        "system.cpu_usage_percent": 45,
    }


def test_the_last_measurements_are_kept_as_the_seed_keeps_them(telemetry):
    metrics.increment("orders", 2, {"shop": "a"})
    metrics.increment("orders", 3, {"shop": "a"})
    metrics.histogram("size", 7)
    first, second, third = metrics.get_metrics()
    assert first == Metric("orders", 2, first.timestamp_ms, {"shop": "a"}, "counter")
    assert (second.value, third.type, third.tags) == (5, "histogram", {})
    assert asdict(second)["name"] == "orders"
    with pytest.raises(FrozenInstanceError):
        first.value = 1
    for number in range(RECENT + 10):
        metrics.gauge("level", number)
    kept = metrics.get_metrics()
    assert (len(kept), kept[0].value, kept[-1].value) == (RECENT, 10, RECENT + 9)


def test_the_functions_are_the_methods(telemetry):
    module.increment("orders")
    module.gauge("level", 1)
    module.histogram("size", 1)
    assert module.measure("work", lambda: 5) == 5
    assert {metric.name for metric in metrics.get_metrics()} == {
        "orders", "level", "size", "work.duration", "work.calls",
    }  # fmt: skip


# Instruments


@pytest.mark.parametrize(
    ("emit", "kind", "name_in_prometheus"),
    [
        (lambda: metrics.increment("orders.placed"), Kind.COUNTER, "orders_placed_total"),
        (lambda: metrics.gauge("tank.level", 0.5), Kind.GAUGE, "tank_level"),
        (lambda: metrics.histogram("score", 3), Kind.HISTOGRAM, "score"),
        (lambda: metrics.histogram("wait", 3, unit="s"), Kind.HISTOGRAM, "wait_seconds"),
        (lambda: metrics.histogram("share", 0.3, unit="1"), Kind.HISTOGRAM, "share"),
        (lambda: metrics.histogram("job.duration", 3), Kind.HISTOGRAM, "job_duration_milliseconds"),
    ],
)
def test_a_made_up_name_is_in_prometheus_what_a_person_expects(
    emit, kind, name_in_prometheus, telemetry
):
    emit()
    (stream,) = telemetry.streams()
    metric = stream.metric
    assert prom_name(metric.name, kind, metric.unit or "") == name_in_prometheus


def test_a_name_of_the_catalogue_has_its_unit_and_buckets(telemetry):
    metrics.histogram("database.query_duration", 23, unit="ms")
    (stream,) = telemetry.streams()
    assert (stream.scope, stream.metric.unit) == ("otel_distro", "ms")
    assert tuple(stream.metric.data.data_points[0].explicit_bounds) == buckets.QUERY_MS


def test_a_name_that_a_project_registered_is_the_projects(telemetry, monkeypatch):
    monkeypatch.setattr(CATALOGUE, "_by_name", dict(CATALOGUE._by_name))
    monkeypatch.setattr(CATALOGUE, "_by_series", dict(CATALOGUE._by_series))
    CATALOGUE.register(
        Instrument(name="tank.fill", kind=Kind.UP_DOWN_COUNTER, unit="L", description="Filled.")
    )
    metrics.increment("tank.fill", 5)
    metrics.increment("tank.fill", -2)
    assert telemetry.point("tank.fill").value == 3
    metrics.gauge("tank.fill", 10)
    metrics.gauge("tank.fill", 4)
    assert telemetry.point("tank.fill").value == 4
    assert metrics.get_counters() == metrics.get_gauges() == {"tank.fill": 4}


def test_an_observable_gauge_is_read_at_each_export(telemetry):
    metrics.gauge("agents.queue.size", 3, {"queue": "a"})
    metrics.gauge("agents.queue.size", 5, {"queue": "b"})
    metrics.gauge("agents.queue.size", 4, {"queue": "a"})
    assert telemetry.point("agents.queue.size", {"queue": "a"}).value == 4
    assert telemetry.point("agents.queue.size", {"queue": "b"}).value == 5


def test_the_other_status_exists_from_the_first_measurement_on(telemetry):
    metrics.increment("orders", 1, {"shop": "a", "status": "success"})
    assert telemetry.point("orders", {"shop": "a", "status": "error"}).value == 0
    assert metrics.get_counters() == {"orders:shop:a,status:success": 1}
    metrics.increment("orders", 1, {"shop": "a", "status": "error"})
    assert telemetry.point("orders", {"shop": "a", "status": "error"}).value == 1


def test_numbers_and_truths_become_text(telemetry):
    class Color(StrEnum):
        RED = "red"

    metrics.increment("orders", 1, {"paid": True, "shop": 1, "share": 0.5, "color": Color.RED})
    assert list(metrics.get_counters()) == ["orders:color:red,paid:true,share:0.5,shop:1"]
    assert dict(telemetry.point("orders").attributes) == {
        "color": "red", "paid": "true", "shop": "1", "share": "0.5",
    }  # fmt: skip


def test_text_that_cannot_be_encoded_is_replaced(telemetry):
    metrics.increment("orders", 1, {"a\ud800": "b\udfff"})
    assert list(metrics.get_counters()) == ["orders:a?:b?"]


def test_threads_lose_nothing(telemetry, frequent_switches):
    def work():
        for number in range(500):
            metrics.increment("orders", 1, {"shop": str(number % 7)})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(metrics.get_counters().values()) == 4000
    assert sum(point.value for point in telemetry.metrics["orders"]) == 4000


FORKED = """
import os, signal, threading
from otel_distro.instruments.metrics import metrics
held, release = threading.Event(), threading.Event()
def hold():
    with metrics._lock:
        held.set()
        release.wait()
threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(10)
    metrics.increment("orders")
    os._exit(0)
print(os.waitpid(child, 0)[1])
release.set()
"""


def test_a_child_forked_in_the_middle_of_a_measurement_can_measure():
    assert run_python(FORKED, instrumented=False).stdout == "0\n"


# measure


async def fetch():
    await asyncio.sleep(0)
    return "data"


async def fail():
    await asyncio.sleep(0)
    raise LookupError("gone")


def call_count(telemetry, status, **tags):
    duration = telemetry.point("carbon.fetch.duration", {"status": status, **tags})
    assert duration.count == telemetry.point("carbon.fetch.calls", {"status": status, **tags}).value
    assert tuple(duration.explicit_bounds) == buckets.CALL_MS
    return duration.count


def with_block():
    with metrics.measure("carbon.fetch"):
        return "data"


async def async_with_block():
    async with metrics.measure("carbon.fetch"):
        return await fetch()


async def in_a_task():
    return await metrics.measure("carbon.fetch", lambda: asyncio.ensure_future(fetch()))


class Fetcher:
    async def __call__(self):
        return await fetch()


WAYS = {
    "function": lambda: metrics.measure("carbon.fetch", lambda: "data"),
    "with": with_block,
    "decorator": metrics.measure("carbon.fetch")(lambda: "data"),
    "coroutine function": lambda: asyncio.run(metrics.measure("carbon.fetch", fetch)),
    "lambda of a coroutine": lambda: asyncio.run(metrics.measure("carbon.fetch", lambda: fetch())),  # noqa: PLW0108
    "partial": lambda: asyncio.run(metrics.measure("carbon.fetch", functools.partial(fetch))),
    "object": lambda: asyncio.run(metrics.measure("carbon.fetch", Fetcher())),
    "task": lambda: asyncio.run(in_a_task()),
    "async with": lambda: asyncio.run(async_with_block()),
    "async decorator": lambda: asyncio.run(metrics.measure("carbon.fetch")(fetch)()),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_returns_is_a_success(way, telemetry, said):
    assert WAYS[way]() == "data"
    assert call_count(telemetry, "success") == 1
    assert telemetry.point("carbon.fetch.calls", {"status": "error"}).value == 0
    assert {stream.metric.unit for stream in telemetry.streams()} == {"ms", "{call}"}
    assert_catalogue(telemetry)
    assert said() == []


def raising(error):
    raise error


def with_raising(error):
    with metrics.measure("carbon.fetch"):
        raise error


async def async_raising(error):
    raise error


FAILING = {
    "function": lambda error: metrics.measure("carbon.fetch", lambda: raising(error)),
    "with": with_raising,
    "decorator": metrics.measure("carbon.fetch")(raising),
    "coroutine": lambda error: asyncio.run(
        metrics.measure("carbon.fetch", lambda: async_raising(error))
    ),
}


@pytest.mark.parametrize("way", FAILING)
@pytest.mark.parametrize("error", [LookupError("gone"), KeyboardInterrupt()], ids=repr)
def test_an_exception_goes_on_untouched_and_is_an_error(way, error, telemetry):
    with pytest.raises(type(error)) as raised:
        FAILING[way](error)
    assert raised.value is error
    assert call_count(telemetry, "error") == 1


def test_a_task_that_fails_is_an_error(telemetry):
    async def main():
        await metrics.measure("carbon.fetch", lambda: asyncio.ensure_future(fail()))

    with pytest.raises(LookupError, match="gone"):
        asyncio.run(main())
    assert call_count(telemetry, "error") == 1


def test_tags_are_on_both_and_the_status_is_the_outcomes(telemetry):
    metrics.measure("carbon.fetch", lambda: None, {"region": "eu", "status": "mine"})
    assert call_count(telemetry, "success", region="eu") == 1


def test_a_measured_name_that_is_wrong_does_not_stop_the_call(telemetry, said):
    assert metrics.measure(7, lambda: "data") == "data"
    assert said() == [
        "metrics.increment(<int>): the name is of type int; give a str. Nothing was recorded."
    ]


# Calls that are wrong


class Enormous(dict):
    def __len__(self):
        return 10**9

    def items(self):
        return ((str(number), "x") for number in range(10**9))


WRONG = [
    (lambda: metrics.increment("1st"), "letters, digits"),
    (lambda: metrics.increment(""), "letters, digits"),
    (lambda: metrics.increment("a" * 10_000), "at most 255"),
    (lambda: metrics.increment(None), "NoneType; give a str"),
    (lambda: metrics.increment("x", "1"), "of type str; give an int or a float"),
    (lambda: metrics.increment("x", None), "NoneType; give an int or a float"),
    (lambda: metrics.increment("x", True), "int(flag)"),
    (lambda: metrics.increment("x", float("nan")), "NaN"),
    (lambda: metrics.increment("x", float("-inf")), "infinite"),
    (lambda: metrics.increment("x", 10**400), "infinite"),
    (lambda: metrics.increment("x", Decimal("sNaN")), "ValueError"),
    (lambda: metrics.increment("x", -1), "use metrics.gauge()"),
    (lambda: metrics.increment("api.response_time"), "kind is histogram; use metrics.histogram()"),
    (lambda: metrics.gauge("api.requests", 1), "kind is counter; use metrics.increment()"),
    (lambda: metrics.histogram("api.response_time", 1, unit="s"), "unit is 'ms'"),
    (lambda: metrics.histogram("x", 1, unit="é"), "ASCII"),
    (lambda: metrics.histogram("x", 1, unit="m s\n"), "control characters"),
    (lambda: metrics.histogram("x", 1, unit=5), "no str; give ms"),
    (lambda: metrics.increment("api_requests"), "api.requests is api_requests_total in Prometheus"),
]


@pytest.mark.parametrize(("call", "part"), WRONG, ids=[part for _, part in WRONG])
def test_a_wrong_call_is_said_once_with_the_fix_and_ignored(call, part, telemetry, said):
    call()
    call()
    (line,) = said()
    assert part in line
    assert line.endswith("Nothing was recorded.")
    assert len(line) < 400
    assert metrics.get_metrics() == []
    assert telemetry.metrics == {}


WRONG_TAGS = [
    ({1: "a"}, "tag's name is of type int"),
    ({"": "a"}, "is empty"),
    ({"a": None}, "tag 'a' is of type NoneType"),
    ({"a": [1]}, "tag 'a' is of type list"),
    ({"a": "x" * 1000}, "put it on a span or a log line"),
    ({"a": 10**30}, "huge"),
    (["a"], "the tags are of type list"),
    (Enormous(), f"more than {MAX_TAGS} tags"),
]


@pytest.mark.parametrize(("tags", "part"), WRONG_TAGS, ids=[part for _, part in WRONG_TAGS])
def test_a_wrong_tag_is_left_out_and_the_value_counts(tags, part, telemetry, said):
    metrics.increment("x", 1, tags)
    metrics.increment("x", 1, tags)
    (line,) = said()
    assert part in line
    assert line.endswith("The value was recorded.")
    assert sum(point.value for point in telemetry.metrics["x"]) == 2


def test_a_made_up_name_keeps_its_first_kind(telemetry, said):
    metrics.increment("x")
    metrics.gauge("x", 7)
    metrics.gauge("x", 7)
    assert said() == [
        "metrics.gauge('x'): its kind is counter; use metrics.increment(). Nothing was recorded."
    ]
    assert telemetry.point("x").value == 1


def test_each_problem_of_a_name_is_said(telemetry, said):
    for value in ("1", None, "2"):
        metrics.gauge("x", value)
    metrics.gauge("y", "1")
    assert len(said()) == 3


def test_notices_have_an_end(telemetry, said):
    for number in range(1000):
        metrics.gauge(f"x{number}", None)
    lines = said()
    assert len(lines) == 201
    assert "not named any more" in lines[-1]


# Bounds


def test_tags_without_bound_become_one_series_and_the_tag_is_named_once(telemetry, said):
    for number in range(MAX_SETS + 500):
        metrics.increment("orders", 1, {"shop": "a", "customer": number})
    (line,) = said()
    assert "'orders'" in line
    assert "leave out 'customer'" in line
    counters = metrics.get_counters()
    assert len(counters) == MAX_SETS + 1
    assert counters["orders:otel.metric.overflow:true"] == 500
    assert len(telemetry.metrics["orders"]) == MAX_SETS + 1
    assert telemetry.point("orders", {"otel.metric.overflow": True}).value == 500
    metrics.increment("orders", 1, {"shop": "a", "customer": 3})
    assert telemetry.point("orders", {"customer": "3"}).value == 2


def test_names_without_bound_are_refused(telemetry, said):
    for number in range(MAX_NAMES + 10):
        metrics.increment(f"clicks.of{number}")
    assert len(telemetry.metrics) == MAX_NAMES
    assert "is an id part of the name" in said()[0]
    metrics.increment("api.requests")
    assert telemetry.point("api.requests").value == 1


# Anything at all


class Hostile:
    def __init__(self, error):
        self._error = error

    def _raise(self, *_):
        raise self._error

    __str__ = __repr__ = __hash__ = __eq__ = __float__ = __int__ = __bool__ = __len__ = _raise
    __iter__ = __getitem__ = __format__ = __lt__ = __index__ = _raise


class HostileText(str):
    __slots__ = ()

    def _raise(self, *_):
        raise RuntimeError("no")

    __str__ = __repr__ = __hash__ = __eq__ = __format__ = __add__ = __len__ = _raise


class HostileNumber(float):
    def _raise(self, *_):
        raise RuntimeError("no")

    __float__ = __repr__ = __str__ = __add__ = __radd__ = __lt__ = __hash__ = _raise


class HostileClass:
    @property
    def __class__(self):
        raise RuntimeError("no")


class HostileDict(dict):
    def items(self):
        raise RuntimeError("no")


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec=None), max_size=20),
    st.binary(max_size=5),
    st.decimals(),
    st.fractions(),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(["api.requests", "api.response_time", "orders", "\ud800", "a" * 300]),
    st.builds(lambda: Hostile(ValueError("no"))),
    st.builds(lambda: Hostile(RecursionError())),
    st.builds(lambda: HostileText("orders")),
    st.builds(lambda: HostileNumber(1)),
    st.builds(HostileClass),
)
TAGS = st.one_of(
    ANYTHING,
    st.dictionaries(st.one_of(st.text(max_size=5), st.integers(), st.none()), ANYTHING, max_size=3),
    st.builds(HostileDict),
    st.builds(lambda: {HostileClass(): 1, "a": HostileText("a")}),
)


@settings(max_examples=300, deadline=None)
@given(name=ANYTHING, value=ANYTHING, tags=TAGS, unit=ANYTHING)
def test_no_call_ever_raises(name, value, tags, unit):
    metrics.increment(name, value, tags)
    metrics.gauge(name, value, tags)
    metrics.histogram(name, value, tags, unit)
    assert metrics.measure(name, lambda: value, tags) is value
    with metrics.measure(name, tags=tags):
        pass
    metrics.get_metrics()
    metrics.get_counters()
    metrics.get_gauges()


@settings(max_examples=200, deadline=None)
@given(tags=TAGS, value=st.floats() | st.integers())
def test_what_is_recorded_can_be_exported(tags, value):
    metrics.gauge("level", value, tags)
    for metric in metrics.get_metrics():
        for text in (*metric.tags, *metric.tags.values()):
            assert type(text) is str
            text.encode()
        assert type(metric.value) in {int, float}
        assert abs(metric.value) < float("inf")
