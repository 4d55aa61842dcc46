"""Whatever happens, in whatever order: the accounts add up, and nothing that was written is lost.

Endpoints that fail in every way, disks that refuse, processes that die, orphans that are found.
"""

import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from core_parts import (
    ACCEPTED,
    AWAY,
    HANGS,
    REFUSED,
    TOO_LARGE,
    Disk,
    Killed,
    Parts,
    items,
    numbers_of,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from otel_distro.delivery import lane
from otel_distro.delivery.spool import spool
from otel_distro.delivery.transport import Accepted, Unavailable

SIGNALS = st.sampled_from(["traces", "logs"])
OUTCOMES = st.sampled_from(
    [
        ACCEPTED,
        ACCEPTED,
        Accepted(2, "no room"),
        AWAY,
        HANGS,
        Unavailable("busy", after_s=7.0),
        Unavailable("no token", slowly=True),
        REFUSED,
        TOO_LARGE,
    ]
)
# More than memory holds, and segments that are soon full.
MEMORY, MEMORY_ONLY, SEGMENT, SPOOL = 1500, 3000, 700, 12_000


class Delivery(RuleBasedStateMachine):
    """Processes, one after the other, on one folder."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="blipee-otel-machine-"))
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(lane, "_MEMORY", MEMORY)
        self.patch.setattr(lane, "_MEMORY_ONLY", MEMORY_ONLY)
        self.patch.setattr(spool, "_SMALLEST_SEGMENT", SEGMENT)
        self.disk = Disk(self.patch)
        self.made = []
        self.put_numbers = {"traces": set(), "logs": set()}
        self.gone_with_memory = {"traces": set(), "logs": set()}
        self.lost = Counter()
        self.arrived = {"traces": [], "logs": []}
        self.perhaps = {"traces": set(), "logs": set()}
        self.resent = Counter()

    @initialize(with_spool=st.booleans(), tight=st.booleans())
    def begin(self, with_spool, tight):
        self.spool = {"max_bytes": SPOOL} if tight else {}
        self.root = self.folder if with_spool else None
        self.now = self.process()

    def process(self):
        self.made.append(Parts(self.root, spool=self.spool, max_queue_size=64))
        return self.made[-1]

    @rule(
        signal=SIGNALS,
        count=st.integers(1, 30),
        size=st.sampled_from([0, 0, 40, 300, 2500]),
        failed=st.booleans(),
        at_once=st.booleans(),
    )
    def put(self, signal, count, size, failed, at_once):
        numbers = self.now.put(items(count, size=size, failed=failed), signal)
        self.put_numbers[signal] |= set(numbers)
        if at_once:
            self.now.writer.drain()

    @rule()
    def write(self):
        self.now.writer.drain()

    @rule(of_traces=OUTCOMES, of_logs=OUTCOMES, later=st.booleans())
    def send(self, of_traces, of_logs, later):
        if later:
            self.now.time_passes()
        for signal, outcome in ("traces", of_traces), ("logs", of_logs):
            self.now.sent[signal].script.append(outcome)
        self.now.sender.send_due()
        for transport in self.now.sent.values():
            transport.script.clear()

    @rule(most_bytes=st.sampled_from([200, 600, 5000, float("inf")]))
    def endpoint_is_narrow(self, most_bytes):
        for transport in self.now.sent.values():
            transport.most_bytes = most_bytes

    @rule(full=st.booleans())
    def disk_is_full(self, full):
        self.disk.is_full = full
        if self.root:
            self.now.engine.spool._failed_until = 0.0

    @precondition(lambda self: self.root)
    @rule()
    def look_for_orphans(self):
        self.now.adopt()

    @rule(in_a_request=st.booleans())
    def die(self, in_a_request):
        """The process ends at any moment; the next one takes over what it wrote."""
        if in_a_request:
            for transport in self.now.sent.values():
                transport.script.append(Killed())
            self.now.time_passes()
            with suppress(Killed):
                self.now.sender.send_due()
        self._account_for_memory()
        self.now.die()
        self._take_over()

    @rule()
    def stop(self):
        """The process ends as it should: what the spool does not take is counted."""
        self.now.writer.drain()
        self.now.engine.give_up()
        self.now.adds_up()
        self._count(self.now)
        self.now.engine.close()
        self._take_over(counted=True)

    def _account_for_memory(self):
        for signal, queue in self.now.queues.items():
            unwritten = self.now.unwritten(signal)
            unwritten |= {item.number for item in queue.take(100_000)}
            self.lost[signal] += queue.take_evicted()
            self.gone_with_memory[signal] |= unwritten - set(self.now.sent[signal].arrived)

    def _take_over(self, *, counted=False):
        before, narrow = self.now, self.now.sent["logs"].most_bytes
        if not counted:
            self._count(before)
        self.now = self.process()
        self.endpoint_is_narrow(narrow)
        if self.root:
            self.now.adopt()
            for signal, one in before.lanes.items():
                if signal != "metrics":
                    written = sum(load.chunk.count for load in one._fresh.loads if load.stored)
                    assert self.now.balance(signal).adopted == self.waited[signal] + written

    def _count(self, process):
        """Remember what this process did; `waited` is what it leaves in the spool."""
        self.waited = {}
        for signal, transport in process.sent.items():
            account = process.engine.accounts[signal]
            self.arrived[signal] += transport.arrived
            self.perhaps[signal] |= transport.perhaps
            self.lost[signal] += sum(account.dropped.values())
            self.resent[signal] += account.resent
            self.waited[signal] = process.balance(signal).spooled

    @invariant()
    def it_adds_up(self):
        self.now.adds_up()

    def teardown(self):
        try:
            if hasattr(self, "now"):
                self._deliver_the_rest()
        finally:
            for one in self.made:
                one.engine.abandon()
            self.patch.undo()
            shutil.rmtree(self.folder)

    def _deliver_the_rest(self):
        self.disk.is_full = False
        self.now.writer.drain()
        if self.root:
            self.now.adopt()
        self.endpoint_is_narrow(float("inf"))
        self.now.send()
        self.now.adds_up()
        self._count(self.now)
        for signal, put in self.put_numbers.items():
            assert self.now.lanes[signal].is_empty
            times = Counter(self.arrived[signal])
            assert set(times) <= put
            doubled = {number for number, count in times.items() if count > 1}
            assert doubled <= self.perhaps[signal]
            assert sum(times.values()) - len(times) <= self.resent[signal]
            missing = put - set(times) - self.gone_with_memory[signal]
            # What was dropped may have arrived before, without an answer.
            assert len(missing) <= self.lost[signal] <= len(missing) + len(self.perhaps[signal])


Delivery.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, print_blob=True
)
TestDelivery = Delivery.TestCase


def test_the_numbers_of_a_chunk_are_those_of_its_records(parts):
    process = parts()
    numbers = process.write(items(3))
    (load,) = process.lanes["logs"]._fresh.loads
    assert numbers_of(load.chunk, "logs") == numbers
