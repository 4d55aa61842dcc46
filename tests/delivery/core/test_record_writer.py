"""The writer: soon where there is something, at once where there is much, never for nothing."""

import threading
import time
from contextlib import contextmanager

import pytest
from core_parts import Parts, items

from otel_distro.delivery.encoding import Encoded

LONG_S = 20.0


@contextmanager
def running(writer):
    thread = threading.Thread(target=writer.run, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        writer.stop()
        thread.join(LONG_S)
        assert not thread.is_alive()


def wait_for(true, seconds=LONG_S):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.002)


def fall_asleep(parts):
    wait_for(lambda: parts.engine.alarm.asleep)


@pytest.fixture
def drained(parts, monkeypatch):
    """A running writer, and how often it has looked at the queues."""

    def start(window_s=0.05, **more):
        process = parts(None, **more)
        process.writer._window_s = window_s
        counted = []
        drain = process.writer.drain
        monkeypatch.setattr(process.writer, "drain", lambda: (counted.append(1), drain()))
        return process, counted

    return start


def test_the_first_record_after_a_rest_is_written(drained):
    process, _ = drained()
    with running(process.writer):
        for signal in ("traces", "logs") * 5:
            fall_asleep(process)
            before = process.balance(signal).queued
            process.put(items(1), signal)
            wait_for(lambda: process.lanes[signal].on_the_way > before)  # noqa: B023
            process.sent[signal].script.clear()
            process.send()


def test_it_sleeps_where_there_is_nothing(drained):
    process, counted = drained()
    with running(process.writer):
        fall_asleep(process)
        process.put(items(1))
        wait_for(lambda: counted)
        fall_asleep(process)
        before = len(counted)
        time.sleep(1.0)
        assert len(counted) == before


def test_what_comes_together_is_written_together(drained):
    process, counted = drained(window_s=1.0, max_export_batch_size=4096)
    with running(process.writer):
        fall_asleep(process)
        for item in items(30):
            process.put([item])
            time.sleep(0.005)
        wait_for(lambda: process.lanes["logs"].on_the_way == 30)
        assert len(counted) < 10


def test_it_does_not_wait_where_there_is_enough(drained):
    process, _ = drained(window_s=3600.0, max_export_batch_size=4096)
    with running(process.writer):
        fall_asleep(process)
        process.put(items(600))
        wait_for(lambda: process.lanes["logs"].on_the_way >= 512)


def test_it_does_not_wait_where_it_is_asked(drained):
    process, _ = drained(window_s=3600.0)
    with running(process.writer):
        process.put(items(3))
        ticket = process.writer.request()
        wait_for(lambda: process.writer.served >= ticket)
        assert process.lanes["logs"].on_the_way == 3


def test_a_request_is_met_where_nothing_is_queued(drained):
    process, _ = drained(window_s=3600.0)
    with running(process.writer):
        for _ in range(50):
            ticket = process.writer.request()
            wait_for(lambda: process.writer.served >= ticket)  # noqa: B023


def test_no_record_is_left_by_many_threads(drained):
    process, _ = drained(window_s=0.01, max_export_batch_size=4096)
    with running(process.writer):

        def put():
            for item in items(500):
                process.put([item])
                if item.number % 50 == 0:
                    time.sleep(0.002)

        threads = [threading.Thread(target=put) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: process.lanes["logs"].on_the_way == 3000)
    process.adds_up()


def test_stop_writes_what_is_queued(drained):
    process, _ = drained(window_s=3600.0, max_export_batch_size=100)
    with running(process.writer):
        process.put(items(30))
        process.put(items(40), "traces")
    assert process.lanes["logs"].on_the_way == 30
    assert process.lanes["traces"].on_the_way == 40


def test_stop_writes_what_came_while_it_was_writing(parts):
    process = parts(None)
    process.writer._window_s = 0.0
    source = process.writer.sources[1]
    encode = source.encode

    def end(records):
        process.put(items(1), "traces")
        process.writer.stop()
        return encode(records)

    source.encode = end
    process.put(items(1))
    process.writer.run()
    assert process.lanes["traces"].on_the_way == 1


@pytest.mark.parametrize("most", [1, 8, 100, 511, 512, 4096])
def test_all_that_is_queued_is_written_whatever_the_size_of_a_batch(parts, most):
    process = parts(None, max_export_batch_size=most)
    process.write(items(1200))
    assert process.balance().queued == 0
    assert process.lanes["logs"].on_the_way == 1200
    process.adds_up()


def test_a_flood_of_one_signal_does_not_hold_up_another(parts):
    process = parts(None)
    process.put(items(20), "traces")
    process.put(items(5))
    source = process.writer.sources[0]
    encode, rounds = source.encode, iter(range(10_000))

    def flooded(records):
        if next(rounds, None) is not None:
            process.put(items(len(records)), "traces")
        return encode(records)

    source.encode = flooded
    process.writer.drain()
    assert process.lanes["logs"].on_the_way == 5
    assert next(rounds) < 10


def test_what_cannot_be_encoded_is_counted(parts):
    process = parts(None)
    process.writer.sources[1].encode = lambda _: Encoded([], 0)
    process.write(items(3))
    assert process.balance().dropped == {"unencodable": 3}
    process.adds_up()


def test_it_adds_up_while_records_are_being_encoded(parts):
    process = parts(None)
    source = process.writer.sources[1]
    encode, seen = source.encode, []

    def look(records):
        process.adds_up()
        seen.append(process.balance())
        return encode(records)

    source.encode = look
    process.write(items(20))
    assert [(one.queued, one.in_flight) for one in seen] == [(12, 20), (4, 20), (0, 20)]


def test_what_went_for_lack_of_room_is_counted(parts):
    process = parts(None, max_queue_size=100)
    process.write(items(1000))
    balance = process.balance()
    assert balance.created == 1000
    assert balance.dropped["queue_full"] == 1000 - process.lanes["logs"].on_the_way
    process.adds_up()


def test_what_is_discarded_is_counted(parts):
    process = parts(None, max_queue_size=100)
    process.put(items(1000))
    process.writer.discard()
    balance = process.balance()
    assert balance.created == 1000
    assert balance.lost == 1000
    assert set(balance.dropped) == {"queue_full", "stopped"}


def test_the_machine_s_parts_are_what_an_engine_has():
    """What these tests put in the place of real parts is still there to be replaced."""
    process = Parts()
    assert {source.lane.signal for source in process.writer.sources} == {"traces", "logs"}
    assert set(process.routes) == {"traces", "logs"}
