"""Records that wait to be encoded: nothing is lost unseen, and nobody waits."""

import gc
import signal
import sys
import threading

import pytest
from core_parts import items
from hypothesis import given
from hypothesis import strategies as st

from otel_distro.delivery.alarm import Alarm
from otel_distro.delivery.queue import RecordQueue


def queue_of(capacity, wake_at=512, attend=lambda: None):
    return RecordQueue(
        capacity=capacity,
        wake_at=wake_at,
        alarm=Alarm(),
        attend=attend,
        is_failure=lambda item: item.failed,
    )


def all_of(queue):
    taken = []
    while some := queue.take(7):
        taken += some
    return taken


def test_records_are_taken_in_the_order_they_came():
    queue = queue_of(100)
    some = items(50)
    for item in some:
        queue.put(item)
    assert len(queue) == 50
    assert queue.take(20) == some[:20]
    assert all_of(queue) == some[20:]
    assert queue.take_evicted() == 0


def test_the_oldest_go_where_it_is_full():
    queue = queue_of(1000)
    some = items(1500)
    for item in some:
        queue.put(item)
    left = all_of(queue)
    assert left == some[-len(left) :]
    assert 900 <= len(left) <= 1000
    assert queue.take_evicted() == 1500 - len(left)
    assert queue.take_evicted() == 0


def test_failures_go_last():
    queue = queue_of(800)
    failures, others = items(50, failed=True), items(2000)
    for item in (*failures, *others):
        queue.put(item)
    left = all_of(queue)
    assert left[:50] == failures
    assert left[50:] == others[-len(left) + 50 :]


def test_failures_do_not_take_all_the_room():
    queue = queue_of(800)
    for item in items(5000, failed=True):
        queue.put(item)
    assert len(queue) <= 800 + 100


@pytest.mark.parametrize("capacity", [1, 2, 10, 63, 64, 100])
def test_a_small_queue_keeps_the_youngest(capacity):
    queue = queue_of(capacity)
    some = items(500)
    waiting = []
    for item in some:
        queue.put(item)
        waiting.append(len(queue))
    assert max(waiting) == capacity
    assert min(waiting[capacity:]) >= capacity / 2
    left = all_of(queue)
    assert left == some[-len(left) :]
    assert queue.take_evicted() == 500 - len(left)


@given(
    st.integers(1, 200),
    st.lists(st.one_of(st.booleans(), st.integers(1, 50)), max_size=600),
)
def test_every_record_is_taken_evicted_or_waits(capacity, steps):
    """A step puts a record, of which a true one is a failure, or takes so many."""
    queue = queue_of(capacity)
    put = taken = evicted = 0
    for step in steps:
        if isinstance(step, bool):
            queue.put(*items(1, failed=step))
            put += 1
        else:
            taken += len(queue.take(step))
            evicted += queue.take_evicted()
        assert len(queue) <= capacity + capacity // 8
    assert put == taken + evicted + queue.take_evicted() + len(queue)


def test_every_record_of_many_threads_is_taken_evicted_or_waits():
    queue = queue_of(300)
    done = threading.Event()
    taken, evicted = [], 0
    each = 5000

    def put():
        for item in items(each):
            queue.put(item)

    threads = [threading.Thread(target=put) for _ in range(8)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            taken += queue.take(20)
            evicted += queue.take_evicted()
            done.wait(0.0005)
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    evicted += queue.take_evicted()
    assert evicted
    assert len(taken) == len({item.number for item in taken})
    assert 8 * each == len(taken) + evicted + len(queue)


def test_a_signal_handler_may_put_while_a_put_is_going_on():
    queue = queue_of(200)
    handled = 0

    def handle(*_):
        nonlocal handled
        handled += 1
        for item in items(5):
            queue.put(item)

    previous = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        put = 0
        while handled < 100:
            for item in items(100):
                queue.put(item)
            put += 100
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert put + 5 * handled == queue.take_evicted() + len(queue)


def test_a_finalizer_may_put_while_a_put_is_going_on():
    queue = queue_of(200)
    late = 0

    class Finalized:
        def __init__(self):
            self.cycle = self

        def __del__(self):
            nonlocal late
            late += 1
            queue.put(*items(1))

    before = gc.get_threshold()
    gc.set_threshold(50)
    try:
        for item in items(5000):
            Finalized()
            queue.put(item)
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert late == 5000
    assert queue.take_evicted() + len(queue) == 10_000


def test_somebody_attends_to_the_first_record_and_to_many():
    attended = []
    queue = queue_of(1000, wake_at=5, attend=lambda: attended.append(len(queue)))
    queue._alarm.asleep = True
    queue.put(*items(1))
    assert attended == [1]
    queue._alarm.asleep = False
    for item in items(3):
        queue.put(item)
    assert attended == [1]
    assert not queue.is_urgent
    queue.put(*items(1))
    assert attended == [1, 5]
    assert queue.is_urgent


def test_who_sleeps_is_woken_once():
    rung = []
    queue = queue_of(1000, attend=lambda: (rung.append(1), queue._alarm.ring()))
    queue._alarm.asleep = True
    for item in items(5):
        queue.put(item)
    assert len(rung) == 1
