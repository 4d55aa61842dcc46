"""What one process leaves, the next one delivers: once, in order, and accounted for."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from core_parts import AWAY, HANGS, Killed, Parts, items, spool_bytes, spool_files
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_distro.delivery.spool import spool as spool_module


@pytest.fixture
def left(parts):
    """Leaves records in the spool as a process that was killed; returns their numbers."""

    def leave(*counts, signal="logs", outcome=AWAY, **more):
        process = parts(**more)
        numbers = []
        for count in counts or (5,):
            numbers += process.write(items(count), signal)
            process.fail_once(signal, outcome=outcome)
        process.die()
        return numbers

    return leave


def test_what_was_adopted_is_counted_and_delivered(parts, left):
    numbers = left(5, 7)
    process = parts()
    assert process.balance().adopted == 0
    process.adopt()
    balance = process.balance()
    assert (balance.adopted, balance.spooled, balance.created) == (12, 12, 0)
    assert balance.difference == 0
    process.send()
    assert process.sent["logs"].arrived == numbers
    balance = process.balance()
    assert (balance.adopted, balance.exported, balance.spooled) == (12, 12, 0)
    assert balance.difference == 0


def test_what_was_on_its_way_is_adopted_too(parts):
    before = parts()
    numbers = before.write(items(9))
    before.die()
    process = parts()
    process.adopt()
    process.send()
    assert process.sent["logs"].arrived == numbers


def test_what_a_process_leaves_that_ends_as_it_should_is_adopted(parts):
    before = parts()
    numbers = before.write(items(9))
    before.fail_once()
    before.engine.give_up()
    before.engine.close()
    process = parts()
    process.adopt()
    process.send()
    assert process.sent["logs"].arrived == numbers


def test_what_was_delivered_is_not_sent_again(parts):
    before = parts(max_export_batch_size=5)
    numbers = before.write(items(20))
    before.sender.send_due()
    before.fail_once()
    before.time_passes()
    before.sender.send_due()
    arrived = before.sent["logs"].arrived
    assert len(arrived) == 10
    before.die()
    process = parts()
    process.adopt()
    assert process.balance().adopted == 10
    process.send()
    assert sorted(arrived + process.sent["logs"].arrived) == numbers


@pytest.mark.parametrize(
    ("outcomes", "resent"),
    [([AWAY], 0), ([HANGS], 5), ([Killed()], 5), ([HANGS, AWAY], 5), ([AWAY, AWAY], 0)],
)
def test_only_what_may_have_arrived_is_counted_as_resent(parts, outcomes, resent):
    before = parts()
    numbers = before.write(items(5))
    for outcome in outcomes:
        with suppress(Killed):
            before.fail_once(outcome=outcome)
    before.die()
    process = parts()
    process.adopt()
    process.send()
    assert process.sent["logs"].arrived == numbers
    assert process.balance().resent == resent
    process.adds_up()


def test_what_may_have_arrived_before_it_was_written_is_counted_as_resent(parts, disk):
    before = parts()
    disk.is_full = True
    before.write(items(5))
    before.fail_once(outcome=HANGS)
    disk.is_full = False
    before.engine.give_up()
    before.engine.close()
    process = parts()
    process.adopt()
    process.send()
    assert process.balance().exported == 5
    assert process.balance().resent == 5


def test_a_living_process_keeps_its_own(parts):
    living = parts()
    living.write(items(5))
    living.fail_once()
    process = parts()
    process.adopt()
    assert process.balance().adopted == 0
    living.send()
    assert living.balance().exported == 5


def test_what_was_adopted_is_nobody_else_s(parts, left):
    left()
    first, second = parts(), parts()
    first.adopt()
    second.adopt()
    assert (first.balance().adopted, second.balance().adopted) == (5, 0)


def test_what_was_adopted_and_not_delivered_is_adopted_once_more(parts, left):
    numbers = left()
    for _ in range(3):
        process = parts()
        process.adopt()
        process.fail_once()
        process.die()
    process = parts()
    process.adopt()
    process.send()
    assert process.sent["logs"].arrived == numbers


def test_another_service_s_is_left_alone(parts, left):
    left()
    other = parts(spool={"service": "other"})
    other.adopt()
    assert other.balance().adopted == 0


def test_a_folder_is_removed_as_soon_as_all_of_it_is_delivered(parts, left, tmp_path):
    left(5, 5)
    process = parts()
    process.adopt()
    process.send()
    assert spool_files(tmp_path) == []
    process.adopt()
    assert list((tmp_path / "spool" / "shop").iterdir()) == []


def test_nothing_remains_on_disk_when_all_is_delivered(parts, left, tmp_path):
    left(5, 5)
    left(5, signal="traces")
    process = parts()
    process.adopt()
    process.write(items(5))
    process.send()
    process.engine.close()
    assert spool_files(tmp_path) == []
    assert spool_bytes(tmp_path) == 0
    assert list((tmp_path / "spool" / "shop").iterdir()) == []


def test_an_older_process_s_records_go_first(parts, left, tmp_path):
    numbers = []
    for age in (3000, 2000, 1000):
        before = set((tmp_path / "spool").glob("shop/*"))
        numbers += left(3)
        for folder in set((tmp_path / "spool").glob("shop/*")) - before:
            at = folder.stat().st_mtime - age
            for path in (*folder.iterdir(), folder):
                os.utime(path, (at, at))
    process = parts()
    process.adopt()
    process.send()
    assert process.sent["logs"].arrived == numbers


def test_segments_of_one_process_go_in_the_order_they_were_written(parts, monkeypatch):
    """Marking what was sent touches a file: its time says nothing of its age."""
    monkeypatch.setattr(spool_module, "_SMALLEST_SEGMENT", 300)
    before = parts(spool={"max_bytes": 9600}, max_export_batch_size=2)
    numbers = before.write(items(20, size=20))
    before.fail_once()
    before.time_passes()
    before.sender.send_due()
    before.die()
    arrived = before.sent["logs"].arrived
    assert len(spool_files(before.engine.settings.spool.root)) > 3
    process = parts()
    process.adopt()
    process.send()
    assert arrived + process.sent["logs"].arrived == numbers


def test_adopted_records_join_what_is_in_hand(parts, left):
    process = parts(max_export_batch_size=2)
    numbers = process.write(items(6))
    process.fail_once()
    process.time_passes()
    process.sender.send_due()
    numbers += left(5)
    process.adopt()
    process.adds_up()
    process.send()
    assert sorted(process.sent["logs"].arrived) == numbers
    process.adds_up()


def test_a_disk_that_takes_no_marks_costs_no_more_than_duplicates(parts, left, disk):
    """What was delivered and could not be marked is not delivered twice by the same process."""
    process = parts(max_export_batch_size=2)
    numbers = process.write(items(6))
    process.fail_once()
    disk.is_broken = True
    process.time_passes()
    process.sender.send_due()
    disk.is_broken = False
    numbers += left(4)
    process.adopt()
    process.send()
    assert sorted(process.sent["logs"].arrived) == numbers
    process.adds_up()


def test_more_folders_than_files_may_be_open(parts, tmp_path):
    for _ in range(40):
        before = parts()
        before.write(items(1))
        before.die()
    process = parts()
    opened = len(list(Path("/proc/self/fd").iterdir()))
    process.adopt()
    assert len(list(Path("/proc/self/fd").iterdir())) - opened < 60
    for _ in range(10):
        process.send()
        process.adopt()
    assert process.balance().exported == 40
    process.adds_up()


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.sampled_from(["write", "fail", "send", "die", "adopt"]), max_size=30))
def test_what_is_spooled_is_delivered_oldest_first_by_whomever(tmp_path_factory, steps):
    root = tmp_path_factory.mktemp("spool")
    made = [Parts(root, max_export_batch_size=4)]
    arrived, numbers = [], []
    patch = pytest.MonkeyPatch()
    patch.setattr(spool_module, "_SMALLEST_SEGMENT", 300)
    try:
        for step in (*steps, "die"):
            process = made[-1]
            process.time_passes()
            if step == "write":
                numbers += process.write(items(6, size=20))
                process.fail_once()
            elif step == "fail":
                process.fail_once()
            elif step == "send" and process.lanes["logs"].spooled:
                process.sender.send_due()
            elif step == "adopt":
                process.adopt()
            elif step == "die":
                arrived += process.sent["logs"].arrived
                process.die()
                made.append(Parts(root, max_export_batch_size=4))
                made[-1].adopt()
        made[-1].send()
        assert arrived + made[-1].sent["logs"].arrived == numbers
    finally:
        patch.undo()
        for one in made:
            one.engine.abandon()
