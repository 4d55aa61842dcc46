"""Records that wait to be encoded: the part of delivery that the application enters."""

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from otel_distro.delivery.alarm import Alarm

R = TypeVar("R")

# Records that go at once where the queue is full: one by one would cost each `put` a pop.
_EVICTED_TOGETHER: Final = 64


class RecordQueue(Generic[R]):
    """A bounded queue whose `put` takes no lock and never waits.

    Where it is full, the oldest records go, those with failures last. Whatever is done to its
    deques is a single atomic operation, so `put` may be interrupted by itself: by a signal
    handler or a finalizer.

    Attributes:
        capacity: How many records may wait.
    """

    __slots__ = (
        "_alarm",
        "_attend",
        "_evicted",
        "_is_failure",
        "_kept",
        "_records",
        "_wake_at",
        "capacity",
    )

    def __init__(
        self,
        *,
        capacity: int,
        wake_at: int,
        alarm: Alarm,
        attend: Callable[[], None],
        is_failure: Callable[[R], bool],
    ) -> None:
        self.capacity = capacity
        self._wake_at = min(wake_at, max(1, capacity // 2))
        self._alarm = alarm
        self._attend = attend
        self._is_failure = is_failure
        self._records: deque[R] = deque()
        self._kept: deque[R] = deque()
        self._evicted: deque[int] = deque()

    def put(self, record: R) -> None:
        """Add a record."""
        self._records.append(record)
        if self._alarm.asleep or len(self._records) >= self._wake_at:
            self._attend()
            if len(self._records) > self.capacity:
                self._evict()

    def __len__(self) -> int:
        """Return how many records wait."""
        return len(self._records) + len(self._kept)

    @property
    def is_urgent(self) -> bool:
        """Whether so many records wait that they should be taken now."""
        return len(self._records) >= self._wake_at

    def take(self, most: int) -> list[R]:
        """Remove and return the oldest records, at most so many."""
        taken: list[R] = []
        for waiting in (self._kept, self._records):
            try:
                while len(taken) < most:
                    taken.append(waiting.popleft())
            except IndexError:
                continue
        return taken

    def take_evicted(self) -> int:
        """Return how many records went for lack of room since the last call."""
        evicted = 0
        while self._evicted:
            evicted += self._evicted.popleft()
        return evicted

    def _evict(self) -> None:
        evicted = 0
        # Of a small queue not all: the record that is being put would be among them.
        for _ in range(min(_EVICTED_TOGETHER, 1 + self.capacity // 8)):
            try:
                record = self._records.popleft()
            except IndexError:
                break
            if self._is_failure(record) and len(self._kept) < self.capacity // 8:
                self._kept.append(record)
            else:
                evicted += 1
        self._evicted.append(evicted)
