"""The encoded records of one signal: on their way in memory, or waiting in the spool."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otel_distro.delivery.batching import Batching
from otel_distro.delivery.encoding import Chunk
from otel_distro.delivery.ledger import Account
from otel_distro.delivery.reasons import MEMORY_FULL, NOT_STORED
from otel_distro.delivery.signal import Signal
from otel_distro.delivery.spool import NEW, TRIED, Spool, Stored

# Bytes of one request: gRPC servers take 4 MiB unless told otherwise.
MOST_BYTES: Final = 3_500_000
# Bytes that are held in memory: of what is also in the spool, until it is read back from there;
# of what the spool does not take, until it is dropped.
_MEMORY: Final = 8_000_000
_MEMORY_ONLY: Final = 16_000_000


@dataclass(eq=False, repr=False, slots=True)
class Load:
    """A chunk in memory.

    Attributes:
        stored: Where it is on disk, if it is.
        since: When it came, in seconds of the monotonic clock.
        number: How many came before it.
        tried: Whether it was sent and may have arrived.
    """

    chunk: Chunk
    stored: Stored | None
    since: float
    number: int = 0
    tried: bool = False


class _Held:
    """Loads in memory, counted."""

    def __init__(self) -> None:
        self.loads: deque[Load] = deque()
        self.size = 0
        self.records = 0

    def add(self, load: Load, *, first: bool = False) -> None:
        (self.loads.appendleft if first else self.loads.append)(load)
        self.size += load.chunk.size
        self.records += load.chunk.count

    def remove(self, load: Load) -> None:
        self.loads.remove(load)
        self.size -= load.chunk.size
        self.records -= load.chunk.count


class Lane:
    """What is encoded, in order. Not thread-safe: delivery holds its lock.

    Attributes:
        open: Whether the endpoint took what it was last sent. Else new records go to the spool
            straight away, and memory forgets them.
        limit: Bytes of the largest request the endpoint takes.
        in_hand: What was read back from the spool and is not settled.
        is_given_up: Whether nobody waits for the answer to what is being sent.
        sequence: How many chunks were ever added.
    """

    def __init__(
        self, signal: Signal, batching: Batching, spool: Spool | None, account: Account
    ) -> None:
        self.signal: Signal = signal
        self.batching = batching
        self.account = account
        self.open = True
        self.limit = MOST_BYTES
        self.in_hand: list[Load] = []
        self.is_given_up = False
        self.sequence = 0
        self._spool = spool
        self._fresh = _Held()
        self._being_sent: list[Load] = []
        self._fresh_first = True
        self._not_stored = False

    @property
    def on_the_way(self) -> int:
        """Records in memory, apart from those that were read back."""
        return self._fresh.records

    @property
    def spooled(self) -> int:
        """Records that wait on disk."""
        return self._spool.spooled(self.signal) if self._spool else 0

    @property
    def is_empty(self) -> bool:
        """Whether everything was delivered."""
        return not self._fresh.loads and not self.in_hand and not self.spooled

    def waits_for(self, sequence: int) -> bool:
        """Return whether something is not delivered that came up to then, or is spooled."""
        fresh = self._fresh.loads
        if self.in_hand or self.spooled:
            return True
        return bool(fresh) and fresh[0].number <= sequence

    @property
    def is_stored(self) -> bool:
        """Whether everything that is not delivered is on disk."""
        return all(load.stored for load in self._fresh.loads)

    def ready_at(self) -> float | None:
        """Return when there is something to send, in seconds of the monotonic clock, if ever."""
        if self.in_hand or self.spooled or self.on_the_way >= self.batching.enough:
            return 0.0
        fresh = self._fresh.loads
        return fresh[0].since + self.batching.schedule_delay_ms / 1000 if fresh else None

    def add(self, chunk: Chunk) -> bool:
        """Take a chunk. Return whether the sender should have another look when it is due."""
        self.sequence += 1
        forget = not self.open or self._fresh.size > _MEMORY
        stored = self._write(chunk, released=forget)
        if stored is None:
            self._not_stored = self._spool is not None
        elif self._not_stored:
            self._store_the_rest()
        if stored is None or not forget:
            self._fresh.add(Load(chunk, stored, time.monotonic(), self.sequence))
            self._forget_the_oldest()
        return len(self._fresh.loads) == 1 or self.on_the_way >= self.batching.enough or forget

    def next_batch(self) -> list[Load]:
        """Return what to send next: in turn the oldest of the spool, and what is fresh.

        As long as the endpoint takes nothing, a single chunk asks whether it does.
        """
        self._fresh_first = not self._fresh_first
        fresh = self._fresh.loads
        if fresh and (self._fresh_first or not self._take_in_hand()):
            batch = self._fitting(fresh)
        else:
            batch = self._fitting(self.in_hand) if self._take_in_hand() else []
        return batch if self.open else batch[:1]

    def sending(self, batch: list[Load]) -> None:
        """Note that a batch is being sent."""
        self.account.resent += sum(load.chunk.count for load in batch if load.tried)
        self._mark(batch, TRIED)
        self._being_sent = batch

    def settle(self, batch: list[Load]) -> None:
        """Have no more need of a batch: it was delivered, or dropped."""
        self._being_sent = []
        if self.in_hand and self.in_hand[0] is batch[0]:
            del self.in_hand[: len(batch)]
        else:
            for load in batch:
                self._fresh.remove(load)
        if self._spool:
            self._spool.settle(self.signal, (load.stored for load in batch if load.stored))
            if not self.in_hand:
                self._spool.put_down(self.signal)

    def put_back(self, batch: list[Load], *, perhaps_received: bool) -> None:
        """Keep a batch that was not delivered, and what came after it, for later."""
        self._being_sent = []
        if perhaps_received:
            for load in batch:
                load.tried = True
        else:
            self._mark([load for load in batch if not load.tried], NEW)
        self.open = False
        if self._spool:
            self._spool.release(self.signal)
            for load in [load for load in self._fresh.loads if load.stored]:
                self._fresh.remove(load)

    def widen(self) -> None:
        """Try larger requests again, little by little: what found them too large may be gone."""
        self.limit = min(MOST_BYTES, self.limit + self.limit // 32 + 64)

    def replace(self, load: Load, parts: list[Chunk]) -> None:
        """Send parts of a chunk instead of it."""
        new = [Load(part, None, load.since, load.number, load.tried) for part in parts]
        for one in new:
            self._store(one, released=False)
        self.settle([load])
        for one in reversed(new):
            self._fresh.add(one, first=True)
        self._fresh_first = False

    def give_up(self) -> None:
        """Leave all to the spool, and count as lost what it does not take."""
        self.open = False
        self.is_given_up = True
        for load in [load for load in self._fresh.loads if load.stored is None]:
            self._fresh.remove(load)
            if not self._store(load, released=True):
                self.account.drop(NOT_STORED, load.chunk.count)

    def _write(self, chunk: Chunk, *, released: bool) -> Stored | None:
        return self._spool.write(self.signal, chunk, released=released) if self._spool else None

    def _store_the_rest(self) -> None:
        """Write what the spool did not take while it could not be written."""
        for load in self._fresh.loads:
            if load.stored is None and not self._store(load, released=False):
                return
        self._not_stored = False

    def _store(self, load: Load, *, released: bool) -> bool:
        load.stored = self._write(load.chunk, released=released)
        if load.tried or load in self._being_sent:
            self._mark([load], TRIED)
        return load.stored is not None

    def _take_in_hand(self) -> bool:
        if not self.in_hand and self._spool:
            now = time.monotonic()
            most = self.batching.max_export_batch_size
            self.in_hand = [
                Load(one.chunk, one.stored, now, tried=one.tried)
                for one in self._spool.take(self.signal, most, self.limit)
            ]
        return bool(self.in_hand)

    def _fitting(self, loads: "deque[Load] | list[Load]") -> list[Load]:
        batch: list[Load] = []
        records, size = self.batching.max_export_batch_size, self.limit
        for load in loads:
            records -= load.chunk.count
            size -= load.chunk.size
            if batch and (records < 0 or size < 0):
                break
            batch.append(load)
        return batch

    def _forget_the_oldest(self) -> None:
        while self._fresh.size > _MEMORY_ONLY:
            # Failures go last, unless there is nothing else.
            load = next(self._may_go(errors=False), None) or next(self._may_go(errors=True), None)
            if load is None:
                return
            self._fresh.remove(load)
            self.account.drop(MEMORY_FULL, load.chunk.count)

    def _may_go(self, *, errors: bool) -> Iterator[Load]:
        """Yield what is in memory only, the oldest first. Seldom more than one is looked at."""
        sent = set(map(id, self._being_sent))
        for load in self._fresh.loads:
            if load.chunk.errors is errors and load.stored is None and id(load) not in sent:
                yield load

    def _mark(self, batch: list[Load], state: int) -> None:
        if self._spool:
            self._spool.mark((load.stored for load in batch if load.stored), state)
