"""What is reported at once, or as a block: models, caches, databases, conversations, health."""

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from otel_distro.catalogue import CATALOGUE
from otel_distro.instruments import (
    cache,
    conversations,
    database,
    errors,
    health,
    ml,
    outcomes,
    recorder,
)
from otel_distro.testing import assert_catalogue

ACCEPTED = [
    0,
    1,
    0.0,
    1.0,
    0.6,
    -0.0,
    5e-324,
    np.float64(0.6),
    np.float32(0.5),
    np.int64(1),
    Decimal("0.6"),
    Fraction(3, 5),
]


@pytest.mark.parametrize("confidence", ACCEPTED, ids=repr)
def test_a_confidence_from_0_to_1_is_recorded(confidence, telemetry, said):
    ml.prediction(model="intent", confidence=confidence)
    point = telemetry.point("ml.prediction_confidence", {"model": "intent"})
    assert (point.count, point.sum) == (1, float(confidence))
    assert said() == []
    assert_catalogue(telemetry)


class Unreadable:
    def __repr__(self):
        raise RuntimeError("unreadable")

    __str__ = __float__ = __hash__ = __repr__


REFUSED = [
    float("nan"),
    float("inf"),
    float("-inf"),
    1.0000001,
    -5e-324,
    95,
    10**400,
    np.float32("nan"),
    Decimal("NaN"),
    True,
    np.True_,
    "0.9",
    b"0.9",
    None,
    [0.9],
    np.array([0.1, 0.9]),
    0.5 + 0j,
    Unreadable(),
]


@pytest.mark.parametrize("confidence", REFUSED, ids=lambda value: type(value).__name__)
def test_any_other_confidence_is_left_out_and_said_once(confidence, values, said):
    for _ in range(3):
        ml.prediction(model="intent", confidence=confidence)
    assert values("ml.prediction_confidence") == {}
    (line,) = said()
    assert "ml.prediction of intent" in line
    assert "no number from 0 to 1" in line


def test_the_share_of_unsure_predictions_can_be_told_exactly(telemetry):
    for confidence in (0.59, 0.6, 0.61):
        ml.prediction(model="intent", confidence=confidence)
    point = telemetry.point("ml.prediction_confidence")
    upto = point.explicit_bounds.index(0.6) + 1
    assert sum(point.bucket_counts[:upto]) == 2


def test_models_and_their_versions_are_told_apart(values):
    ml.prediction(model="intent", confidence=0.5)
    ml.prediction(model="intent", confidence=0.5, version="2")
    ml.prediction(model="carbon", confidence=0.5)
    assert values("ml.prediction_confidence") == {
        ("intent",): 1,
        ("intent", "2"): 1,
        ("carbon",): 1,
    }


def test_both_results_of_a_cache_exist_from_the_first_on(telemetry, values):
    cache.request(result="hit")
    assert values("cache.requests") == {("default", "hit"): 1, ("default", "miss"): 0}
    cache.request(result="miss", cache="prices")
    cache.request(result="miss", cache="prices")
    assert values("cache.requests") == {
        ("default", "hit"): 1,
        ("default", "miss"): 0,
        ("prices", "hit"): 0,
        ("prices", "miss"): 2,
    }
    assert_catalogue(telemetry)


def test_what_is_remembered_of_caches_has_a_bound(telemetry):
    for number in range(5000):
        cache.request(result="hit", cache=f"cache {number}")
    assert len(outcomes._bound["cache.requests", None]) == outcomes._MAX_BOUND
    points = telemetry.metrics["cache.requests"]
    assert len(points) == 2001
    assert sum(point.value for point in points) == 5000


def test_a_statement_is_counted_and_timed_under_both_names_by_one_measurement(telemetry, values):
    with database.query(table="readings"):
        pass
    with pytest.raises(TimeoutError), database.query(table="readings", operation="insert"):
        raise TimeoutError
    assert values("database.queries") == {
        ("SELECT", "success", "readings"): 1,
        ("SELECT", "error", "readings"): 0,
        ("INSERT", "success", "readings"): 0,
        ("INSERT", "error", "readings"): 1,
    }
    for operation, status, error in (
        ("SELECT", "success", {}),
        ("INSERT", "error", {"error.type": "TimeoutError"}),
    ):
        ms = telemetry.point(
            "database.query_duration",
            {"table": "readings", "operation": operation, "status": status},
        )
        s = telemetry.point("db.client.operation.duration", {"db.operation.name": operation})
        assert dict(s.attributes) == {
            "db.operation.name": operation,
            "db.collection.name": "readings",
            **error,
        }
        assert ms.sum == s.sum * 1000
    assert_catalogue(telemetry)


def test_an_error_is_counted_by_its_class_and_by_whether_it_was_handled(telemetry, values):
    errors.captured(ValueError("a"))
    errors.captured(ValueError("b"))
    errors.captured(KeyError("c"), handled=False)
    assert values("errors.captured") == {("ValueError", "true"): 2, ("KeyError", "false"): 1}
    assert_catalogue(telemetry)


@pytest.mark.parametrize(("status", "value"), [("healthy", 1), ("degraded", 0.5), ("unhealthy", 0)])
def test_a_check_reports_its_status_and_its_latency(status, value, telemetry, values):
    with health.check("database") as check:
        check.status = status
    assert values("health.check.status") == {("database",): value}
    assert values("health.check.latency")["database",] >= 0
    health.report("queue", status, latency_ms=12)
    assert values("health.check.latency")["queue",] == 12
    assert_catalogue(telemetry)


def test_a_check_that_raises_is_unhealthy(values):
    with pytest.raises(OSError, match="gone"), health.check("database"):
        raise OSError("gone")
    assert values("health.check.status") == {("database",): 0}


def test_conversations_go_up_and_down(telemetry, values):
    with conversations.conversation():
        with conversations.conversation(), conversations.conversation(type="support"):
            assert values("conversations.active") == {("user_chat",): 2, ("support",): 1}
        assert values("conversations.active") == {("user_chat",): 1, ("support",): 0}
    assert values("conversations.active") == {("user_chat",): 0, ("support",): 0}
    assert_catalogue(telemetry)


def test_conversations_in_threads_and_tasks_all_end(values):
    inside = threading.Barrier(8, timeout=20)

    @conversations.conversation(type="support")
    async def talk(number):
        await asyncio.sleep(0)
        if number % 3 == 0:
            raise ConnectionError

    def thread(seed):
        choose = random.Random(seed)  # noqa: S311 - the same choices in every run
        with conversations.conversation():
            inside.wait()
            assert values("conversations.active")["user_chat",] >= 8
            inside.wait()
            for _ in range(100):
                with conversations.conversation(type=choose.choice(["user_chat", "other"])):
                    pass

        async def main():
            await asyncio.gather(*map(talk, range(50)), return_exceptions=True)

        asyncio.run(main())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(thread, range(8)))
    assert values("conversations.active") == {("user_chat",): 0, ("support",): 0, ("other",): 0}
    # Nothing is remembered of kinds of which there is none.
    assert not conversations._active


def test_another_system_may_count_conversations(values):
    conversations.set_active(17)
    conversations.set_active(3, type="support")
    assert values("conversations.active") == {("user_chat",): 17, ("support",): 3}
    conversations.set_active(0)
    assert values("conversations.active")["user_chat",] == 0


def ask(**said):
    with database.query(**said):
        return 1


REPORTS = {
    "ml.prediction model": lambda value: ml.prediction(model=value, confidence=0.5),
    "ml.prediction version": lambda value: ml.prediction(model="m", version=value, confidence=0.5),
    "cache.request result": lambda value: cache.request(result=value),
    "cache.request cache": lambda value: cache.request(result="hit", cache=value),
    "conversations.set_active count": conversations.set_active,
    "conversations.set_active type": lambda value: conversations.set_active(1, type=value),
    "conversation": lambda value: conversations.conversation(type=value)(lambda: 1)(),
    "health.report status": lambda value: health.report("check", value, latency_ms=1),
    "health.report name": lambda value: health.report(value, "healthy", latency_ms=1),
    "health.report latency": lambda value: health.report("check", "healthy", latency_ms=value),
    "database.query table": lambda value: ask(table=value),
    "database.query operation": lambda value: ask(table="t", operation=value),
    "errors.captured": errors.captured,
}
NONSENSE = [None, "text", True, float("nan"), -(10**400), [1], {}, Unreadable(), object()]


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_no_nonsense_ever_raises_into_the_application(report, telemetry, said):
    for value in NONSENSE:
        for _ in range(2):
            report(value)
    lines = said()
    ours = [line for line in lines if not line.endswith("Said once.")]  # the SDK says those
    assert all(line.startswith(("a measurement was lost", "ml.prediction")) for line in ours)
    assert len(ours) <= 2
    assert len(set(lines)) == len(lines)
    assert telemetry.metrics is not None


def test_an_instrument_is_made_as_the_catalogue_has_it(telemetry):
    for entry in CATALOGUE:
        match entry.kind.value:
            case "counter":
                recorder.counter(entry.name).add(1)
            case "updowncounter":
                recorder.up_down_counter(entry.name).add(1)
            case "gauge":
                recorder.gauge(entry.name).set(1)
            case "histogram":
                recorder.histogram(entry.name).record(1)
            case _:
                recorder.observe(entry.name, lambda: [(1, {})])
    made = {stream.metric.name: stream.metric for stream in telemetry.streams()}
    assert set(made) == {entry.name for entry in CATALOGUE}
    for entry in CATALOGUE:
        metric = made[entry.name]
        assert (metric.unit, metric.description) == (entry.unit, entry.description)
        (point,) = metric.data.data_points
        assert tuple(getattr(point, "explicit_bounds", ())) == entry.buckets
    assert_catalogue(telemetry)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (recorder.counter, "api.reqests"),
        (recorder.counter, "api.response_time"),
        (recorder.histogram, "api.requests"),
        (recorder.gauge, "agents.queue.size"),
        (recorder.up_down_counter, "api.requests"),
        (lambda name: recorder.observe(name, list), "conversations.active"),
    ],
)
def test_a_name_that_the_catalogue_has_not_or_as_another_kind_is_refused(make, name):
    with pytest.raises(LookupError, match=name):
        make(name)


def test_a_counter_with_many_attribute_sets_leaves_the_others_their_siblings(telemetry):
    for number in range(3000):
        outcomes.count(
            "database.queries", {"table": f"t{number}", "operation": "SELECT"}, "success"
        )
    outcomes.count("agents.executions", {"agent_type": "late"}, "success")
    error = {"agent_type": "late", "status": "error"}
    assert telemetry.point("agents.executions", error).value == 0
