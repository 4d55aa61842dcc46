"""Encodes what is queued and writes it ahead, every so often: one thread for all signals."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from otel_distro.delivery.alarm import Alarm
from otel_distro.delivery.encoding import Encoded
from otel_distro.delivery.lane import Lane
from otel_distro.delivery.patching import own_cpu_seconds
from otel_distro.delivery.queue import RecordQueue
from otel_distro.delivery.reasons import QUEUE_FULL, STOPPED, UNENCODABLE

# Records that are encoded together. Many: each write lets go of the interpreter's lock, and gets
# it back from a busy application only after 5 ms (`sys.getswitchinterval`).
_TOGETHER: Final = 4096

Encode = Callable[[Sequence[Any]], Encoded]


@dataclass(slots=True)
class Source:
    """A queue and where its records go.

    Attributes:
        encoding: Records taken from the queue that are not yet in the lane.
    """

    queue: RecordQueue[Any]
    encode: Encode
    lane: Lane
    encoding: int = 0


class Writer:
    """Moves records from the queues to the lanes.

    Attributes:
        served: The last of the requests (see `request`) that was met.
        cpu_seconds: What its thread has used of a processor.
        look: Called after each round; returns how many seconds the next may be away at most where
            there is nothing to do, None for any number.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        lock: threading.Lock,
        alarm: Alarm,
        window_s: float,
        added: Callable[[], None],
    ) -> None:
        self.sources = sources
        self.served = 0
        self.cpu_seconds = 0.0
        self.look: Callable[[], float | None] = _never
        self._lock = lock
        self._alarm = alarm
        self._window_s = window_s
        self._added = added
        self._requested = 0
        self._stopping = False
        self._idle_s: float | None = None

    def run(self) -> None:
        """Write until told to stop."""
        while not self._stopping:
            self._wait()
            self.drain()
            self.cpu_seconds = own_cpu_seconds()
            self._idle_s = self.look()
        self.drain()

    def request(self) -> int:
        """Ask for what is queued now to be written at once; return the number of the request."""
        self._requested += 1
        self._alarm.ring()
        return self._requested

    def stop(self) -> None:
        """Have `run` end after what is queued now."""
        self._stopping = True
        self._alarm.ring()

    def drain(self) -> None:
        """Encode and write all that is queued."""
        requested = self._requested
        for source in self.sources:
            # Not what comes meanwhile: a flood of one signal would hold up the other, and `served`.
            waiting = len(source.queue)
            while (moved := self._move(source)) and moved < waiting:
                waiting -= moved
        self.served = requested

    def discard(self) -> None:
        """Drop what is queued: there is nobody left to send it."""
        with self._lock:
            for source in self.sources:
                account = source.lane.account
                count = len(source.queue.take(source.queue.capacity))
                evicted = source.queue.take_evicted()
                account.created += count + evicted
                account.drop(STOPPED, count)
                account.drop(QUEUE_FULL, evicted)

    def _wait(self) -> None:
        if not self._is_urgent() and not any(len(source.queue) for source in self.sources):
            self._alarm.asleep = True
            # Again: what came before the flag was up has not rung.
            if not any(len(source.queue) for source in self.sources) and not self._is_urgent():
                self._alarm.sleep(self._idle_s)
            self._alarm.asleep = False
        if not self._is_urgent():
            self._alarm.sleep(self._window_s)

    def _is_urgent(self) -> bool:
        return (
            self._stopping
            or self._requested > self.served
            or any(source.queue.is_urgent for source in self.sources)
        )

    def _move(self, source: Source) -> int:
        """Move some records of a queue; return how many."""
        lane, account = source.lane, source.lane.account
        with self._lock:
            records = source.queue.take(min(_TOGETHER, lane.batching.max_export_batch_size))
            evicted = source.queue.take_evicted()
            source.encoding += len(records)
            account.created += len(records) + evicted
            account.drop(QUEUE_FULL, evicted)
        if not records:
            return 0
        chunks = source.encode(records).chunks
        with self._lock:
            tell = any([lane.add(chunk) for chunk in chunks])  # noqa: C419 - each is added
            source.encoding -= len(records)
            account.drop(UNENCODABLE, len(records) - sum(chunk.count for chunk in chunks))
        if tell:
            self._added()
        return len(records)


def _never() -> None:
    """Ask for no round of its own."""
