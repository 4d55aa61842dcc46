"""One file of the spool: encoded records in the order they came, each with a mark of its state."""

import errno
import os
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from otel_distro.delivery.encoding import Chunk
from otel_distro.delivery.signal import SIGNALS, Signal
from otel_distro.delivery.spool.clock import boot_clock, boot_id
from otel_distro.delivery.spool.layout import (
    DONE,
    FILE,
    LARGEST,
    MAGIC,
    MARK,
    NEW,
    RECORD,
    STATE_AT,
    VERSION,
    Place,
    checksum_of,
    is_likely,
    parse_header,
)


class Segment:
    """An open segment file. Not thread-safe.

    Attributes:
        pending: Telemetry records in it that are not done.
        is_foreign: Whether another process wrote it: nothing is added then.
        first_s: When the first of them was written, on this machine's boot clock.
        written_s: When the last of them was.
        read_to: Offset up to which it was read back.
        damaged: Bytes in it that make no sense.
    """

    def __init__(self, path: Path, fd: int, signal: Signal) -> None:
        self.path = path
        self.signal: Signal = signal
        self.size = 0
        self.pending = 0
        self.is_foreign = False
        self.damaged = 0
        self.first_s = self.written_s = boot_clock()
        self.read_to = FILE.size
        self._fd = fd
        self._boot_id = boot_id()

    @classmethod
    def create(cls, path: Path, signal: Signal) -> "Segment":
        """Make a new file. Raises `OSError`."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        segment = cls(path, fd, signal)
        try:
            segment._write(FILE.pack(MAGIC, VERSION, SIGNALS.index(signal), 0, boot_id()))
        except OSError:
            segment.remove()
            raise
        return segment

    @classmethod
    def open(cls, path: Path) -> "Segment":
        """Open what another process left.

        Raises:
            OSError: It cannot be opened, or is another user's.
            UnreadableSegmentError: It is no file of this format and version.
        """
        if path.lstat().st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "it belongs to another user")
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            signal, booted = parse_header(os.pread(fd, FILE.size, 0), path.name)
            segment = cls(path, fd, signal)
            segment._boot_id = booted
            segment.is_foreign = True
            segment._survey()
        except BaseException:
            os.close(fd)
            raise
        return segment

    @property
    def start(self) -> int:
        """Offset of the first record."""
        return FILE.size

    @property
    def is_linked(self) -> bool:
        """Whether the file still has a name: somebody may have removed it."""
        return self.path.exists() if self._fd < 0 else os.fstat(self._fd).st_nlink > 0

    @property
    def unwritten_for_s(self) -> float:
        """Seconds since it was last written."""
        return max(0.0, boot_clock() - self.written_s)

    def append(self, chunk: Chunk, *, fsync: bool = False, age_s: float = 0.0) -> int:
        """Write a chunk of some age; return its offset.

        Raises `OSError`, and then nothing was added.
        """
        head = RECORD.pack(
            MARK,
            NEW,
            int(chunk.errors),
            len(chunk.resource),
            len(chunk.scopes),
            chunk.count,
            time.time() - age_s,
            boot_clock() - age_s,
            0,
        )
        checksum = checksum_of(head, chunk.resource, chunk.scopes)
        offset = self.size
        self._write(head[:-4] + checksum + chunk.resource + chunk.scopes)
        if fsync:
            self._confirm(offset)
        self.pending += chunk.count
        self.written_s = boot_clock()
        return offset

    def _survey(self) -> None:
        self.size = offset = FILE.size
        now = boot_clock()
        for place in self._all_places(FILE.size):
            self._note_damage(offset, place.offset)
            self.size = offset = place.offset + place.size
            if place.state != DONE:
                # They are in the order in which they were written.
                self.written_s = now - place.age_s
                if not self.pending:
                    self.first_s = self.written_s
                self.pending += place.count
        self._note_damage(offset, os.fstat(self._file()).st_size)

    def _note_damage(self, offset: int, end: int) -> None:
        """Note that nothing between these makes sense, apart perhaps from how much it was."""
        self.damaged += end - offset
        if end - offset >= RECORD.size:
            mark, state, _, resource, scopes, count, *_ = self._head(offset)
            if mark == MARK and state != DONE and is_likely(resource, scopes, count):
                self.pending += count

    def read(self, place: Place) -> Chunk | None:
        """Return the chunk; None where its bytes are not what was written."""
        record = os.pread(self._file(), place.size, place.offset)
        if len(record) < place.size:
            return None
        head, payload = record[: RECORD.size], record[RECORD.size :]
        _, _, flags, resource, _, count, _, _, checksum = RECORD.unpack(head)
        if checksum_of(head, payload) != struct.pack("<I", checksum):
            return None
        return Chunk(payload[:resource], payload[resource:], count, bool(flags & 1))

    def places(self, offset: int) -> Iterator[Place]:
        """Return what is not done, from `offset` on. What makes no sense is passed over."""
        return (place for place in self._all_places(offset) if place.state != DONE)

    def _all_places(self, offset: int) -> Iterator[Place]:
        end = os.fstat(self._file()).st_size
        while offset + RECORD.size <= end:
            place = self._place(offset, end)
            if place is None or not self._is_sound(place, end):
                place = self._next_place(offset, end)
            if place is None:
                return
            yield place
            offset = place.offset + place.size

    def _place(self, offset: int, end: int) -> Place | None:
        mark, state, flags, resource, scopes, count, wall, booted, _ = self._head(offset)
        size = RECORD.size + resource + scopes
        if mark != MARK or offset + size > end or not is_likely(resource, scopes, count):
            return None
        return Place(offset, size, count, bool(flags & 1), state, self._age(wall, booted))

    def _is_sound(self, place: Place, end: int) -> bool:
        """Return whether another record follows, or the end; else the size may be wrong."""
        after = place.offset + place.size
        return (
            after == end
            or os.pread(self._file(), len(MARK), after) == MARK
            or self.read(place) is not None
        )

    def _next_place(self, offset: int, end: int) -> Place | None:
        """Return the next record that is whole, after one that makes no sense."""
        rest = os.pread(self._file(), min(end - offset, LARGEST), offset)
        at = rest.find(MARK, 1)
        while 0 <= at <= len(rest) - RECORD.size:
            place = self._place(offset + at, end)
            # Any two bytes may look like a mark.
            if place is not None and self.read(place) is not None:
                return place
            at = rest.find(MARK, at + 1)
        return None

    def _head(self, offset: int) -> tuple[bytes, int, int, int, int, int, float, float, int]:
        return RECORD.unpack(os.pread(self._file(), RECORD.size, offset))

    def mark(self, offset: int, state: int) -> None:
        """Change the state of the chunk at `offset`. Raises `OSError`."""
        os.pwrite(self._file(), bytes((state,)), offset + STATE_AT)

    def settle(self, offset: int, count: int) -> None:
        """Mark a chunk of `count` records as done."""
        self.pending -= count
        with suppress(OSError):  # it is sent again then, by whoever finds the file
            self.mark(offset, DONE)

    def reset(self) -> None:
        """Begin anew: all of it is done."""
        with suppress(OSError):
            os.ftruncate(self._file(), FILE.size)
            self.size = FILE.size

    def remove(self) -> None:
        """Close and delete the file."""
        self.close()
        with suppress(OSError):
            self.path.unlink()

    def _file(self) -> int:
        """Return the open file. Raises `OSError`."""
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        return self._fd

    def close(self) -> None:
        """Close the file, until it is used again. A second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)

    def _confirm(self, offset: int) -> None:
        try:
            os.fdatasync(self._file())
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, offset)
            self.size = offset
            raise

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                written = os.pwrite(self._file(), view, self.size + len(data) - len(view))
                view = view[written:]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, self.size)
            raise
        self.size += len(data)

    def _age(self, wall: float, booted: float) -> float:
        # A clock that was set says nothing about age; the one since boot does, within one boot.
        if self._boot_id == boot_id() and any(self._boot_id):
            return max(0.0, boot_clock() - booted)
        return max(0.0, time.time() - wall)
