"""The sender: patient with those who ask for it, quick where it may be, fair, and never stuck."""

import random
import threading
import time
from contextlib import contextmanager

import pytest
from core_parts import (
    ACCEPTED,
    AWAY,
    HANGS,
    REFUSED,
    TOO_LARGE,
    ScriptedTransport,
    items,
    numbers_of,
)

from otel_distro.delivery import lane as lane_module
from otel_distro.delivery.transport import Accepted, Unavailable

LONG_S = 20.0


@contextmanager
def running(process, until=0.0):
    thread = threading.Thread(target=process.sender.run, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        process.sender.stop(time.monotonic() + until)
        thread.join(LONG_S)
        assert not thread.is_alive()


def wait_for(true):
    until = time.monotonic() + LONG_S
    while not true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.002)


def pauses(process, outcome, count):
    """How long the sender wants to wait after each of so many failures in a row."""
    route = process.routes["logs"]
    waited = []
    for _ in range(count):
        route.next_try = 0.0
        process.answer(outcome)
        before = time.monotonic()
        assert process.sender.send_due()
        waited.append(route.next_try - before)
    return waited


@pytest.fixture
def slowest(monkeypatch):
    """Pauses are spread: here each is the longest it may be."""
    monkeypatch.setattr(random, "uniform", lambda _, longest: longest)


@pytest.fixture
def soonest(monkeypatch):
    monkeypatch.setattr(random, "uniform", lambda shortest, _: shortest)


# Pauses.


def test_pauses_grow_and_are_bounded(parts, slowest):
    process = parts()
    process.write(items(1))
    waited = pauses(process, AWAY, 60)
    assert [round(one, 1) for one in waited[:5]] == [0.5, 1.0, 2.0, 4.0, 5.0]
    assert {round(one, 1) for one in waited[5:]} == {5.0}


def test_pauses_are_spread(parts):
    process = parts()
    process.write(items(1))
    waited = pauses(process, AWAY, 60)[10:]
    assert len({round(one, 3) for one in waited}) > 10
    assert min(waited) > 2.5


def test_nothing_is_sent_before_the_pause_is_over(parts):
    process = parts()
    process.write(items(1))
    process.fail_once()
    process.write(items(1))
    assert not process.sender.send_due()
    assert len(process.sent["logs"].requests) == 1


def test_a_success_ends_the_pauses(parts, slowest):
    process = parts()
    process.write(items(1))
    pauses(process, AWAY, 10)
    process.send()
    process.write(items(1))
    assert round(pauses(process, AWAY, 1)[0], 1) == 0.5


@pytest.mark.parametrize("asked_s", [0.0, 0.3, 2.0, 60.0, 3600.0])
def test_it_never_comes_back_earlier_than_asked(parts, soonest, asked_s):
    process = parts()
    process.write(items(1))
    for waited in pauses(process, Unavailable("busy", after_s=asked_s), 5):
        assert waited >= asked_s
        assert waited <= max(asked_s * 1.1, 5.0) + 5


def test_neither_flush_nor_stop_comes_back_earlier_than_asked(parts):
    process = parts()
    process.write(items(1))
    process.fail_once(outcome=Unavailable("busy", after_s=60.0))
    for _ in range(2):
        process.routes["logs"].hasten()
        assert not process.sender.send_due()
    process.sender.stop(time.monotonic() + 1)
    assert not process.sender.send_due()


def test_flush_does_not_wait_for_a_better_moment(parts):
    process = parts()
    process.write(items(1))
    process.fail_once()
    assert not process.sender.send_due()
    process.routes["logs"].hasten()
    assert process.sender.send_due()
    assert process.balance().exported == 1


def test_what_a_person_has_to_mend_is_tried_slowly(parts, soonest):
    process = parts()
    process.write(items(1))
    assert min(pauses(process, Unavailable("no token", slowly=True), 3)) > 15


def test_a_pause_of_one_endpoint_is_nobody_else_s(parts):
    process = parts()
    process.write(items(1))
    process.write(items(1), "traces")
    process.fail_once("logs")
    process.write(items(1), "traces")
    assert process.sender.send_due()
    assert process.balance("traces").exported == 2


# Company.


def test_records_wait_for_company(parts):
    process = parts(None, schedule_delay_ms=3_600_000, max_export_batch_size=100)
    process.write(items(10))
    assert not process.sender.send_due()
    process.write(items(90))
    assert process.sender.send_due()
    assert len(process.sent["logs"].requests[0][0]) == 100


def test_no_record_waits_longer_than_the_delay(parts):
    process = parts(None, schedule_delay_ms=50, max_export_batch_size=100)
    process.write(items(1))
    with running(process):
        wait_for(lambda: process.balance().exported == 1)


def test_flush_waits_for_no_company_until_all_has_gone(parts):
    process = parts(None, schedule_delay_ms=3_600_000, max_export_batch_size=8)
    process.write(items(7))
    process.routes["logs"].hasten()
    assert process.sender.send_due()
    process.write(items(3))
    assert not process.sender.send_due()


def test_a_request_has_at_most_as_many_records_as_it_may(parts):
    process = parts(max_export_batch_size=10)
    process.put(items(3))
    for _ in range(30):
        process.write(items(3))
    process.fail_once()
    process.write(items(50))
    process.send()
    assert max(len(numbers) for numbers, _ in process.sent["logs"].requests) == 10
    assert process.balance().exported == 143


def test_a_request_has_at_most_as_many_bytes_as_it_may(parts):
    process = parts(max_export_batch_size=4096)
    for spooled in (True, False):
        for _ in range(20):
            process.write(items(1, size=400_000))
        if spooled:
            process.fail_once()
    process.send()
    assert max(len(numbers) for numbers, _ in process.sent["logs"].requests) == 8
    assert process.balance().exported == 40


def test_larger_requests_are_tried_again(parts):
    process = parts(max_export_batch_size=4096)
    process.write(items(1, size=3000))
    process.answer(TOO_LARGE)
    process.send()
    assert process.lanes["logs"].limit < 3000
    for _ in range(300):
        process.write(items(1, size=3000))
    process.send()
    assert len(process.sent["logs"].requests) < 200
    assert process.lanes["logs"].limit > 10_000


def test_the_sleeping_sender_wakes_for_what_is_due(parts):
    process = parts(None)
    with running(process):
        for _ in range(20):
            wait_for(process.sender.alarm._lock.locked)
            before = process.balance().exported
            process.write(items(1))
            wait_for(lambda: process.balance().exported > before)  # noqa: B023


# Order.


def test_what_was_spooled_is_delivered_oldest_first(parts):
    process = parts()
    process.fail_once()
    numbers = process.write(items(9))
    process.fail_once()
    for _ in range(40):
        numbers += process.write(items(5, size=4000))
    process.fail_once()
    process.send()
    assert process.sent["logs"].arrived == numbers


def test_what_is_fresh_is_not_held_up_by_what_is_spooled(parts):
    process = parts(max_export_batch_size=1)
    process.write(items(1))
    process.fail_once()
    for _ in range(1000):
        process.write(items(1))
    process.time_passes()
    process.sender.send_due()
    for _ in range(20):
        (fresh,) = process.write(items(1))
        for _ in range(2):
            process.sender.send_due()
        assert fresh in process.sent["logs"].arrived[-2:]


def test_what_is_spooled_is_not_held_up_by_what_is_fresh(parts):
    process = parts(max_export_batch_size=1)
    old = process.write(items(10))
    process.fail_once()
    process.time_passes()
    process.sender.send_due()
    for _ in range(20):
        process.write(items(1))
        process.sender.send_due()
    assert set(old) < set(process.sent["logs"].arrived)


def test_memory_forgets_what_the_spool_has(parts):
    process = parts()
    process.write(items(3))
    assert process.balance().in_flight == 3
    process.fail_once()
    assert process.balance().in_flight == 0
    assert process.balance().spooled == 3
    process.write(items(4))
    assert process.balance().in_flight == 0
    assert process.balance().spooled == 7


def test_memory_is_bounded_where_the_endpoint_is_slow(parts, monkeypatch):
    monkeypatch.setattr(lane_module, "_MEMORY", 5000)
    process = parts()
    numbers = []
    for _ in range(50):
        numbers += process.write(items(5, size=100))
        assert process.lanes["logs"]._fresh.size <= 6000
    process.adds_up()
    assert process.balance().spooled > 200
    process.send()
    assert sorted(process.sent["logs"].arrived) == numbers


def test_memory_is_bounded_where_there_is_no_spool(parts, monkeypatch):
    monkeypatch.setattr(lane_module, "_MEMORY_ONLY", 10_000)
    process = parts(None)
    failures = process.write(items(8, size=100, failed=True))
    for _ in range(100):
        process.write(items(5, size=100))
        assert process.lanes["logs"]._fresh.size <= 10_000
    process.adds_up()
    assert process.balance().dropped["memory_full"] > 300
    process.send()
    assert process.sent["logs"].arrived[:8] == failures


def test_what_is_being_sent_is_not_forgotten(parts, monkeypatch):
    monkeypatch.setattr(lane_module, "_MEMORY_ONLY", 2000)
    process = parts(None)
    process.write(items(8, size=100))

    def meanwhile(_):
        for _ in range(10):
            process.write(items(8, size=100))
        return ACCEPTED

    process.answer(meanwhile)
    process.sender.send_due()
    process.adds_up()
    assert process.balance().exported == 8
    process.send()
    process.adds_up()


# Too large.


@pytest.mark.parametrize("failing_first", [False, True], ids=["fresh", "spooled"])
@pytest.mark.parametrize("most_bytes", [150, 400, 2000, 30_000])
def test_what_is_too_large_is_halved_until_it_fits(parts, most_bytes, failing_first):
    process = parts(max_export_batch_size=64)
    numbers = process.write(items(200, size=60))
    if failing_first:
        process.fail_once()
    process.sent["logs"].most_bytes = most_bytes
    process.send()
    assert sorted(process.sent["logs"].arrived) == numbers
    process.adds_up()
    assert process.balance().exported == 200


def test_a_giant_record_is_cut(parts):
    process = parts()
    process.sent["logs"].most_bytes = 10_000
    giant = process.write(items(1, size=1_000_000))
    others = process.write(items(3))
    process.send()
    assert sorted(process.sent["logs"].arrived) == giant + others
    process.adds_up()


def test_a_hopeless_record_is_dropped_and_counted(parts):
    process = parts()
    process.write(items(1, size=1000))
    process.answer(*[TOO_LARGE] * 20)
    process.send(most=10)
    process.adds_up()
    balance = process.balance()
    assert balance.dropped == {"too_large": 1}
    assert len(process.sent["logs"].requests) == 1
    assert not balance.spooled
    assert process.lanes["logs"].is_empty
    assert "refused 1 records of logs" in process.said[-1]


def test_a_hopeless_record_does_not_make_the_requests_after_it_small(parts):
    process = parts(max_export_batch_size=4096)
    process.write(items(1, size=1000))
    process.answer(*[TOO_LARGE] * 20)
    process.send(most=10)
    process.sent["logs"].script.clear()
    before = len(process.sent["logs"].requests)
    for _ in range(50):
        process.write(items(10, size=100))
    process.send()
    assert len(process.sent["logs"].requests) - before <= 3


def test_a_giant_record_does_not_make_the_requests_after_it_larger(parts):
    process = parts()
    process.write(items(1, size=9_000_000))
    process.answer(TOO_LARGE)
    process.sender.send_due()
    assert process.lanes["logs"].limit <= lane_module.MOST_BYTES


# What the endpoint says.


def test_what_is_refused_is_dropped_and_counted_under_its_reason(parts):
    process = parts()
    process.write(items(5))
    process.answer(REFUSED)
    process.send()
    assert process.balance().dropped == {"400": 5}
    (said,) = process.said
    assert said == (
        "http://127.0.0.1:4318/v1/x refused 5 records of logs: it does not like it; they are "
        "lost. Further ones are counted, not said."
    )
    process.adds_up()


@pytest.mark.parametrize(("said", "counted"), [(0, 0), (2, 2), (5, 5), (1000, 5), (-3, 0)])
def test_a_partial_success_is_counted_and_not_sent_again(parts, said, counted):
    process = parts()
    process.write(items(5))
    process.answer(Accepted(said, "no room"))
    process.send()
    balance = process.balance()
    assert balance.exported == 5 - counted
    assert balance.dropped.get("rejected", 0) == counted
    assert len(process.sent["logs"].requests) == 1
    assert any("no room" in str(line) for line in process.said)
    process.adds_up()


@pytest.mark.parametrize("outcome", [AWAY, HANGS], ids=["away", "hangs"])
@pytest.mark.parametrize("with_spool", [True, False])
def test_only_what_may_have_arrived_counts_as_resent(parts, outcome, with_spool):
    process = parts(**{} if with_spool else {"root": None})
    process.write(items(5))
    process.fail_once(outcome=outcome)
    assert process.balance().resent == 0
    process.fail_once(outcome=AWAY)
    resent = 5 if outcome is HANGS else 0
    assert process.balance().resent == resent
    process.send()
    assert process.balance().resent == 2 * resent
    process.adds_up()


# Several endpoints.


def test_a_hanging_endpoint_holds_up_others_no_longer_than_its_timeout(parts):
    process = parts(None)
    hang = threading.Event()

    class Hanging(ScriptedTransport):
        def send(self, body, timeout_s):
            hang.wait(0.2)
            return HANGS

    process.routes["traces"].transport = Hanging("traces")
    process.write(items(5), "traces")
    with running(process):
        for _ in range(5):
            process.write(items(5))
            process.sender.alarm.ring()
            time.sleep(0.02)
        wait_for(lambda: process.balance().exported == 25)
        assert process.routes["traces"].failures <= 3


def test_a_request_may_take_no_longer_than_both_settings_allow(parts):
    process = parts(None, export_timeout_ms=700)
    process.write(items(1))
    process.sender.send_due()
    assert process.sent["logs"].timeouts == [0.7]
    process = parts(None)
    process.write(items(1))
    process.sender.send_due()
    assert process.sent["logs"].timeouts == [10.0]


def test_a_request_takes_no_longer_than_there_is_time_at_the_end(parts):
    process = parts(None)
    process.write(items(1))
    process.sender.stop(time.monotonic() + 2)
    process.sender.send_due()
    assert 0.1 <= process.sent["logs"].timeouts[0] <= 2


# Ending.


def test_stop_sends_what_there_is_and_ends(parts):
    process = parts(schedule_delay_ms=3_600_000, max_export_batch_size=4096)
    process.write(items(100))
    process.write(items(100), "traces")
    with running(process, until=LONG_S):
        pass
    assert process.balance().exported == 100
    assert process.balance("traces").exported == 100


def test_stop_leaves_to_the_spool_what_an_endpoint_does_not_take(parts):
    process = parts()
    process.write(items(100))
    process.sent["logs"].otherwise = AWAY
    before = time.monotonic()
    with running(process, until=LONG_S):
        wait_for(lambda: process.routes["logs"].failures)
    assert time.monotonic() - before < LONG_S / 2
    assert process.balance().spooled == 100
    assert len(process.sent["logs"].requests) <= 3


def test_stop_tries_no_more_what_hung_the_last_time(parts):
    process = parts()
    process.write(items(1))
    process.fail_once(outcome=HANGS)
    process.sender.stop(time.monotonic() + LONG_S)
    process.sender.run()
    assert len(process.sent["logs"].requests) == 1


def test_stop_tries_as_long_as_it_may_what_is_in_memory_only(parts):
    process = parts(None)
    process.write(items(5))
    process.fail_once(outcome=HANGS)
    process.answer(AWAY)
    process.sender.stop(time.monotonic() + LONG_S)
    process.sender.run()
    assert process.balance().exported == 5


def test_stop_ends_in_time_where_an_endpoint_fails(parts):
    process = parts(None)
    process.write(items(5))
    process.sent["logs"].otherwise = AWAY
    before = time.monotonic()
    process.sender.stop(before + 0.3)
    process.sender.run()
    assert time.monotonic() - before < LONG_S / 2
    assert process.balance().in_flight == 5


def test_stop_is_no_deadlock_in_a_handler_that_interrupts_who_holds_the_lock(parts):
    process = parts()
    process.write(items(1))
    process.fail_once(outcome=HANGS)
    with process.engine.lock:
        process.sender.stop(time.monotonic())


def test_an_answer_after_the_end_changes_nothing(parts):
    """The request that hung is answered when what it sent was given up and counted."""
    process = parts(None)
    process.write(items(5))

    def late(_):
        process.engine.give_up()
        process.adds_up()
        return ACCEPTED

    process.answer(late)
    process.sender.send_due()
    process.adds_up()
    assert process.balance().dropped == {"not_stored": 5}
    assert process.balance().exported == 0


def test_an_answer_after_the_spool_was_closed_does_no_harm(parts):
    process = parts()
    process.write(items(5))
    process.fail_once()

    def late(_):
        process.engine.give_up()
        process.engine.close()
        return ACCEPTED

    process.answer(late)
    process.time_passes()
    process.sender.send_due()


def test_a_transport_s_connection_is_closed(parts):
    process = parts(None)
    process.sender.close()
    assert all(transport.closed for transport in process.sent.values())


def test_the_numbers_in_a_lane_are_those_of_its_chunks(parts):
    process = parts()
    numbers = process.write(items(20))
    loads = process.lanes["logs"]._fresh.loads
    assert [n for load in loads for n in numbers_of(load.chunk, "logs")] == numbers
