"""The segments of one signal: what is on its way, and what waits for better days."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from otel_distro.delivery.encoding import Chunk
from otel_distro.delivery.ledger import Account
from otel_distro.delivery.reasons import CORRUPT, EXPIRED, SPOOL_FULL
from otel_distro.delivery.signal import Signal
from otel_distro.delivery.spool.folder import UnusableFolderError
from otel_distro.delivery.spool.layout import TRIED, Place
from otel_distro.delivery.spool.segment import Segment

# Of a segment that has to go, the share of bytes that may be written again because they are
# failures.
_CARRIED: Final = 0.5


class Stored(NamedTuple):
    """Where a chunk is on disk."""

    segment: Segment
    offset: int
    count: int  # type: ignore[assignment]  # a method of tuples


class Replayed(NamedTuple):
    """A chunk that was read back.

    Attributes:
        tried: Whether it was sent before and its answer is not known.
    """

    chunk: Chunk
    stored: Stored
    tried: bool


class Shelf:
    """Segments of one signal. Not thread-safe: delivery holds its lock.

    What is on its way is in memory too and needs its segment only if the process dies. A
    segment is *released* when memory has forgotten it: its chunks are read back, oldest first.
    """

    def __init__(
        self,
        signal: Signal,
        account: Account,
        create: Callable[[Signal], Segment],
        retention_s: float,
        set_aside: Callable[[Segment], None],
    ) -> None:
        self.signal: Signal = signal
        self._create = create
        self._retention_s = retention_s
        self._account = account
        self._set_aside = set_aside
        self._on_the_way: list[Segment] = []
        self._released: deque[Segment] = deque()
        self._in_hand: Segment | None = None
        self._left = 0

    @property
    def spooled(self) -> int:
        """Records in released segments, or in what was released when it was closed."""
        return self._left + sum(segment.pending for segment in self._released)

    @property
    def oldest_s(self) -> float | None:
        """When the oldest segment that may go was begun; None where there is none."""
        return next((segment.first_s for segment in self._evictable()), None)

    def write(
        self, chunk: Chunk, *, released: bool, largest: int, fsync: bool, age_s: float = 0.0
    ) -> Stored:
        """Write a chunk. Raises `OSError` and `UnusableFolderError`."""
        segments = self._released if released else self._on_the_way
        target = segments[-1] if segments else None
        if target is None or target.is_foreign or target.size >= largest or not target.is_linked:
            target = self._create(self.signal)
            segments.append(target)
        return Stored(target, target.append(chunk, fsync=fsync, age_s=age_s), chunk.count)

    def release(self) -> None:
        """Forget what is on its way: from now on it is read back."""
        for segment in self._on_the_way:
            if segment.pending:
                last = self._released[-1] if self._released else None
                if last is not None and last is not self._in_hand and last.is_linked:
                    # An endpoint that comes and goes makes many of them.
                    last.close()
                self._released.append(segment)
            else:
                segment.remove()
        self._on_the_way.clear()

    def adopt(self, segments: list[Segment]) -> None:
        """Take what other processes left, in this order: it is older than what is here."""
        self._released.extendleft(reversed(segments))

    def take(self, most_records: int, most_bytes: int) -> list[Replayed]:
        """Read back the oldest released chunks. They are in hand until `put_down`."""
        while self._released:
            segment = self._released[0]
            try:
                taken = self._read(segment, most_records, most_bytes)
            except FileNotFoundError:
                taken = []
            except OSError:  # of a disk that fails, or no more files may be open: not now
                return []
            if taken:
                self._in_hand = segment
                return taken
            self._finish(segment)
        return []

    def put_down(self) -> None:
        """End what `take` began: its chunks are settled, or will be taken by somebody else."""
        segment, self._in_hand = self._in_hand, None
        if segment is not None and segment.pending == 0 and segment.read_to >= segment.size:
            self._finish(segment)

    def settle(self, stored: Stored) -> None:
        """Have no more need of a chunk."""
        segment = stored.segment
        segment.settle(stored.offset, stored.count)
        if segment.pending == 0 and segment in self._on_the_way:
            if segment is self._on_the_way[-1]:
                segment.reset()
            else:
                self._on_the_way.remove(segment)
                segment.remove()

    def expire(self) -> None:
        """Give up what nobody has taken for as long as it is kept."""
        while (
            segment := next(self._evictable(), None)
        ) is not None and segment.unwritten_for_s > self._retention_s:
            self.evict()

    def evict(self) -> int:
        """Give up the oldest segment, failures last. Return how many bytes that freed."""
        segment = next(self._evictable(), None)
        if segment is None:
            return 0
        self._released.remove(segment)
        reason = EXPIRED if segment.unwritten_for_s > self._retention_s else SPOOL_FULL
        kept, carried = self._carry_over(segment) if reason == SPOOL_FULL else (0, 0)
        self._account.drop(reason, segment.pending - kept)
        segment.remove()
        return segment.size - carried

    def close(self) -> None:
        """Close all files; delete those that nobody needs."""
        self._rescue()
        self._left = self.spooled
        for segment in (*self._released, *self._on_the_way):
            if segment.pending:
                segment.close()
            else:
                self._part_with(segment)
        self._released.clear()
        self._on_the_way.clear()

    def abandon(self) -> None:
        """Close all files and leave them as they are."""
        for segment in (*self._released, *self._on_the_way):
            segment.close()

    def _evictable(self) -> "filter[Segment]":
        return filter(lambda segment: segment is not self._in_hand, self._released)

    def _read(self, segment: Segment, most_records: int, most_bytes: int) -> list[Replayed]:
        taken: list[Replayed] = []
        for place in segment.places(segment.read_to):
            most_records -= place.count
            most_bytes -= place.size
            if taken and (most_records < 0 or most_bytes < 0):
                break
            segment.read_to = place.offset + place.size
            chunk = self._usable(segment, place)
            if chunk is not None:
                stored = Stored(segment, place.offset, place.count)
                taken.append(Replayed(chunk, stored, place.state == TRIED))
        return taken

    def _usable(self, segment: Segment, place: Place) -> Chunk | None:
        expired = place.age_s > self._retention_s
        chunk = None if expired else segment.read(place)
        if chunk is None:
            segment.settle(place.offset, place.count)
            self._account.drop(EXPIRED if expired else CORRUPT, place.count)
            segment.damaged += 0 if expired else place.size
        return chunk

    def _finish(self, segment: Segment) -> None:
        # What is still pending is known to be there, and cannot be read.
        self._account.drop(CORRUPT, segment.pending)
        self._released.remove(segment)
        self._part_with(segment)

    def _part_with(self, segment: Segment) -> None:
        if segment.damaged:
            self._set_aside(segment)
        else:
            segment.remove()

    def _rescue(self) -> None:
        """Write once more what is in files that somebody has removed: nobody would find it."""
        for segment in (*self._released, *self._on_the_way):
            if segment.pending and not segment.is_linked:
                # One that rests is gone with its name.
                with suppress(OSError, UnusableFolderError):
                    for place in segment.places(segment.start):
                        if self._write_again(segment, place):
                            segment.settle(place.offset, place.count)

    def _carry_over(self, segment: Segment) -> tuple[int, int]:
        """Write failures again. Return how many records, and bytes, that were."""
        kept = carried = 0
        room = int(segment.size * _CARRIED)
        for place in segment.places(segment.start):
            if not place.errors or carried + place.size > room:
                continue
            try:
                if not self._write_again(segment, place):
                    continue
            except (OSError, UnusableFolderError):
                break
            carried += place.size
            kept += place.count
        return kept, carried

    def _write_again(self, segment: Segment, place: Place) -> bool:
        """Write a chunk to another segment, as old and as tried as it is, if it can be read.

        Raises `OSError` and `UnusableFolderError`.
        """
        chunk = segment.read(place)
        if chunk is None:
            return False
        stored = self.write(
            chunk, released=True, largest=segment.size, fsync=False, age_s=place.age_s
        )
        if place.state == TRIED:
            stored.segment.mark(stored.offset, TRIED)
        return True
