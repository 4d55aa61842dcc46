r"""One file of the spool: encoded records in the order they came, each with a mark of its state.

    file    = header record*
    header  = "BLIPEEOTEL" version:u16 signal:u8 reserved:u8 boot_id:16
    record  = "\xb1\x5e" state:u8 flags:u8 resource:u32 scopes:u32 count:u32 wall:f64 boot:f64
              checksum:u32 resource-bytes scopes-bytes

Little-endian. The checksum (CRC-32) covers everything but the state, which is the one byte that
changes. The bytes are OTLP protobuf as it is sent, so that replaying decodes nothing.
"""

import os
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_distro.delivery.encoding import Chunk
from otel_distro.delivery.signal import SIGNALS, Signal

VERSION: Final = 1
_FILE: Final = struct.Struct("<10sHBB16s")
_MAGIC: Final = b"BLIPEEOTEL"
_RECORD: Final = struct.Struct("<2sBBIIIddI")
_MARK: Final = b"\xb1\x5e"
_STATE_AT: Final = 2
_CHECKED: Final = slice(3, _RECORD.size - 4)
_LARGEST: Final = 1 << 30

NEW: Final = 0
TRIED: Final = 1
DONE: Final = 2


class UnreadableSegmentError(Exception):
    """The file is none of ours, or of a version that we do not know."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chunk is in a segment, and what is known of it without reading it.

    Attributes:
        offset: Of its record, in bytes from the start of the file.
        size: Bytes of the whole record.
        count: Telemetry records in it.
        errors: Whether these hold failures.
        state: NEW, TRIED (sent, no answer known) or DONE.
        age_s: Seconds since it was written.
    """

    offset: int
    size: int
    count: int
    errors: bool
    state: int
    age_s: float


class Segment:
    """An open segment file. Not thread-safe.

    Attributes:
        pending: Telemetry records in it that are not done.
        is_foreign: Whether another process wrote it: nothing is added then.
        written_s: When it was last written, on this machine's boot clock.
        damaged: Bytes at its end that cannot be read.
    """

    def __init__(self, path: Path, fd: int, signal: Signal) -> None:
        self.path = path
        self.signal: Signal = signal
        self.size = 0
        self.pending = 0
        self.is_foreign = False
        self.damaged = 0
        self.written_s = boot_clock()
        self._fd = fd
        self._boot_id = boot_id()

    @classmethod
    def create(cls, path: Path, signal: Signal) -> "Segment":
        """Make a new file. Raises `OSError`."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        segment = cls(path, fd, signal)
        try:
            segment._write(_FILE.pack(_MAGIC, VERSION, SIGNALS.index(signal), 0, boot_id()))
        except OSError:
            segment.remove()
            raise
        return segment

    @classmethod
    def open(cls, path: Path) -> "Segment":
        """Open what another process left. Raises `OSError` and `UnreadableSegmentError`."""
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            magic, version, signal, _, booted = _FILE.unpack(os.pread(fd, _FILE.size, 0))
        except struct.error:
            os.close(fd)
            raise UnreadableSegmentError("its header is cut off") from None
        if magic != _MAGIC or version != VERSION or signal >= len(SIGNALS):
            os.close(fd)
            raise UnreadableSegmentError(
                f"it is of version {version}" if magic == _MAGIC else "it is no spool file"
            )
        segment = cls(path, fd, SIGNALS[signal])
        segment._boot_id = booted
        segment.is_foreign = True
        segment._survey()
        return segment

    @property
    def start(self) -> int:
        """Offset of the first record."""
        return _FILE.size

    @property
    def is_linked(self) -> bool:
        """Whether the file still has a name: somebody may have removed it."""
        return os.fstat(self._fd).st_nlink > 0

    @property
    def unwritten_for_s(self) -> float:
        """Seconds since it was last written."""
        return max(0.0, boot_clock() - self.written_s)

    def append(self, chunk: Chunk, *, fsync: bool = False) -> int:
        """Write a chunk; return its offset. Raises `OSError`, and then nothing was added."""
        head = _RECORD.pack(
            _MARK,
            NEW,
            int(chunk.errors),
            len(chunk.resource),
            len(chunk.scopes),
            chunk.count,
            time.time(),
            boot_clock(),
            0,
        )
        checksum = _checksum(head, chunk.resource, chunk.scopes)
        offset = self.size
        self._write(head[:-4] + checksum + chunk.resource + chunk.scopes)
        if fsync:
            os.fdatasync(self._fd)
        self.pending += chunk.count
        self.written_s = boot_clock()
        return offset

    def _survey(self) -> None:
        self.size = _FILE.size
        for place in self.places(_FILE.size):
            self.size = place.offset + place.size
            self.pending += place.count
            # The last one is the youngest.
            self.written_s = boot_clock() - place.age_s
        self.damaged = os.fstat(self._fd).st_size - self.size

    def read(self, place: Place) -> Chunk | None:
        """Return the chunk; None where its bytes are not what was written."""
        record = os.pread(self._fd, place.size, place.offset)
        if len(record) < place.size:
            return None
        head, payload = record[: _RECORD.size], record[_RECORD.size :]
        _, _, flags, resource, _, count, _, _, checksum = _RECORD.unpack(head)
        if _checksum(head, payload) != struct.pack("<I", checksum):
            return None
        return Chunk(payload[:resource], payload[resource:], count, bool(flags & 1))

    def places(self, offset: int) -> Iterator[Place]:
        """Return what is not done, from `offset` on, up to the first record that makes no sense."""
        end = os.fstat(self._fd).st_size
        while offset + _RECORD.size <= end:
            head = os.pread(self._fd, _RECORD.size, offset)
            mark, state, flags, resource, scopes, count, wall, booted, _ = _RECORD.unpack(head)
            size = _RECORD.size + resource + scopes
            if mark != _MARK or size > _LARGEST or offset + size > end:
                return
            if state == DONE:
                self.size = max(self.size, offset + size)
            else:
                yield Place(offset, size, count, bool(flags & 1), state, self._age(wall, booted))
            offset += size

    def mark(self, offset: int, state: int) -> None:
        """Change the state of the chunk at `offset`. Raises `OSError`."""
        os.pwrite(self._fd, bytes((state,)), offset + _STATE_AT)

    def settle(self, offset: int, count: int) -> None:
        """Mark a chunk of `count` records as done."""
        self.pending -= count
        with suppress(OSError):  # it is sent again then, by whoever finds the file
            self.mark(offset, DONE)

    def reset(self) -> None:
        """Begin anew: all of it is done."""
        with suppress(OSError):
            os.ftruncate(self._fd, _FILE.size)
            self.size = _FILE.size

    def remove(self) -> None:
        """Close and delete the file."""
        self.close()
        with suppress(OSError):
            self.path.unlink()

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                written = os.pwrite(self._fd, view, self.size + len(data) - len(view))
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


def boot_clock() -> float:
    """Seconds since this machine was started, suspension included where it can be had."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


_boot_id: bytes | None = None


def boot_id() -> bytes:
    """Return what tells this boot of the machine from others; zeros where nothing does."""
    global _boot_id  # noqa: PLW0603 - it does not change while we run
    if _boot_id is None:
        try:
            text = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
            _boot_id = bytes.fromhex(text.strip().replace("-", ""))
        except (OSError, ValueError):
            _boot_id = b""
        _boot_id = _boot_id[:16].ljust(16, b"\0")
    return _boot_id


def _checksum(head: bytes, *payload: bytes) -> bytes:
    checksum = zlib.crc32(head[_CHECKED])
    for part in payload:
        checksum = zlib.crc32(part, checksum)
    return struct.pack("<I", checksum)
