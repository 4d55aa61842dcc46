"""What the spool may take: so many bytes, so long; and what goes first where it is too much."""

import time

import pytest
from core_parts import HANGS, items, spool_bytes, spool_files

from otel_distro.delivery.spool import spool as spool_module

SMALL = 100_000


@pytest.fixture(autouse=True)
def _segments(monkeypatch):
    monkeypatch.setattr(spool_module, "_SMALLEST_SEGMENT", 4000)


@pytest.fixture
def look_always(monkeypatch):
    """The size of the whole folder is looked at for each write, not every few seconds."""
    monkeypatch.setattr(spool_module, "_LOOK_S", -1.0)


@pytest.fixture
def full(parts):
    """Makes a process whose endpoint is away, with a spool of little room."""

    def make(max_bytes=SMALL, **more):
        process = parts(spool={"max_bytes": max_bytes} | more)
        process.write(items(1))
        process.fail_once()
        return process

    return make


def test_the_bound_is_respected_and_the_oldest_go(full, tmp_path):
    process = full()
    numbers = []
    for _ in range(200):
        numbers += process.write(items(8, size=100))
        assert spool_bytes(tmp_path) <= SMALL * 1.05
    assert spool_bytes(tmp_path) > SMALL / 2
    process.adds_up()
    lost = process.balance().dropped
    assert set(lost) == {"spool_full"}
    process.send()
    left = process.sent["logs"].arrived[1:]
    assert left == numbers[-len(left) :]
    assert len(left) + lost["spool_full"] in {1600, 1601}
    process.adds_up()


def test_the_bound_is_one_for_all_processes_and_signals(full, tmp_path, look_always):
    processes = [full() for _ in range(4)]
    for round_ in range(60):
        for process in processes:
            process.write(items(8, size=100), "logs" if round_ % 2 else "traces")
            process.fail_once("logs", "traces")
            assert spool_bytes(tmp_path) <= SMALL * 1.05
    for process in processes:
        process.adds_up()
        assert process.balance().spooled


def test_the_older_of_two_signals_goes_first(full):
    process = full()
    process.write(items(80, size=100), "traces")
    process.fail_once("traces", "logs")
    for _ in range(106):
        process.write(items(8, size=100))
    process.adds_up()
    assert process.balance("traces").dropped.get("spool_full")
    assert process.balance("traces").lost > process.balance("logs").lost


def test_failures_go_last(full):
    process = full()
    failures = process.write(items(8, size=100, failed=True))
    for _ in range(200):
        process.write(items(8, size=100))
    process.adds_up()
    assert process.balance().dropped["spool_full"] > 500
    process.send()
    assert set(failures) <= set(process.sent["logs"].arrived)


def test_failures_that_may_have_arrived_are_still_known_to_have(parts):
    before = parts(spool={"max_bytes": SMALL})
    failures = before.write(items(8, size=100, failed=True))
    before.fail_once(outcome=HANGS)
    before.write(items(24, size=100))
    before.die()
    process = parts(spool={"max_bytes": SMALL})
    process.adopt()
    process.lanes["logs"].open = False
    for _ in range(120):
        process.write(items(8, size=100))
    assert process.balance().dropped["spool_full"]
    process.send()
    assert set(failures) <= set(process.sent["logs"].arrived)
    assert process.balance().resent == 8
    process.adds_up()


def test_failures_do_not_fill_all_of_it(full):
    process = full()
    for _ in range(150):
        process.write(items(8, size=100, failed=True))
    numbers = [number for _ in range(20) for number in process.write(items(8, size=100))]
    process.adds_up()
    process.send()
    assert set(numbers[-40:]) <= set(process.sent["logs"].arrived)


def test_what_is_in_hand_is_not_evicted(full):
    process = full()
    first = process.write(items(7, size=100))
    process.time_passes()
    process.answer(HANGS)
    process.sender.send_due()
    for _ in range(200):
        process.write(items(8, size=100))
    process.send()
    arrived = process.sent["logs"].arrived
    assert set(first) <= set(arrived)
    assert arrived.count(arrived[0]) == 2, "what was sent without an answer"
    process.adds_up()


def test_where_others_fill_it_memory_remains_and_it_is_said(parts, full, tmp_path, look_always):
    other = full()
    for _ in range(100):
        other.write(items(8, size=100))
    process = parts(spool={"max_bytes": SMALL // 4})
    numbers = process.write(items(8))
    assert "is full" in process.said[0]
    process.fail_once()
    assert (process.balance().spooled, process.balance().in_flight) == (0, 8)
    process.send()
    assert process.sent["logs"].arrived == numbers


class TestRetention:
    @pytest.fixture
    def later(self, monkeypatch):
        clock, boot = time.clock_gettime, time.CLOCK_BOOTTIME
        passed = [0.0]
        monkeypatch.setattr(
            time,
            "clock_gettime",
            lambda which: clock(which) + (passed[0] if which == boot else 0),
        )

        def later(seconds):
            passed[0] += seconds

        return later

    def test_what_is_too_old_is_dropped_and_counted(self, full, later):
        process = full(retention_s=1000.0)
        process.write(items(20, size=500))
        later(600)
        young = process.write(items(10))
        later(600)
        process.send()
        balance = process.balance()
        # The first one is in hand since it failed.
        assert balance.dropped["expired"] in {20, 21}
        assert process.sent["logs"].arrived[-10:] == young
        assert not balance.spooled
        process.adds_up()

    def test_what_another_process_left_grows_old_too(self, full, parts, later):
        before = full(retention_s=1000.0)
        before.write(items(20))
        before.die()
        later(1200)
        process = parts(spool={"max_bytes": SMALL, "retention_s": 1000.0})
        process.adopt()
        process.send()
        assert process.balance().dropped == {"expired": 21}
        process.adds_up()

    def test_failures_that_stayed_when_others_went_grow_old_too(self, full, later):
        process = full(retention_s=1000.0)
        process.write(items(8, size=100, failed=True))
        later(900)
        for _ in range(150):
            process.write(items(8, size=100))
        assert process.balance().dropped["spool_full"]
        later(600)
        process.send()
        assert process.balance().dropped["expired"] >= 8

    def test_what_is_evicted_and_too_old_is_said_to_have_expired(self, full, later):
        process = full(retention_s=1000.0)
        for _ in range(100):
            process.write(items(8, size=100))
        before = process.balance().dropped.get("expired", 0)
        later(1200)
        for _ in range(20):
            process.write(items(8, size=100))
        assert process.balance().dropped["expired"] > before
        process.adds_up()


def test_a_segment_is_not_much_larger_than_it_should_be(full, tmp_path):
    process = full()
    for _ in range(60):
        process.write(items(8, size=100))
    sizes = [path.stat().st_size for path in spool_files(tmp_path)]
    assert len(sizes) > 5
    assert max(sizes) <= 4000 + 1500


def test_a_disk_that_refuses_is_left_alone_for_a_while_and_then_used(parts, disk):
    process = parts()
    disk.is_full = True
    process.write(items(8))
    assert "cannot be written (No space left on device)" in process.said[0]
    disk.is_full = False
    process.write(items(8))
    assert not process.lanes["logs"].is_stored
    process.engine.spool._failed_until = 0.0
    process.write(items(8))
    process.fail_once()
    assert process.balance().spooled == 24
    process.adds_up()


def test_a_folder_that_was_removed_is_made_again(parts, tmp_path):
    import shutil

    process = parts()
    process.write(items(8))
    process.fail_once()
    shutil.rmtree(tmp_path / "spool")
    process.write(items(8))
    assert process.balance().spooled == 16
    process.send()
    assert process.balance().exported == 16
    process.adds_up()
