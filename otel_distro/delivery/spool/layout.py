r"""The bytes of a file of the spool.

    file    = header record*
    header  = "BLIPEEOTEL" version:u16 signal:u8 reserved:u8 boot_id:16
    record  = "\xb1\x5e" state:u8 flags:u8 resource:u32 scopes:u32 count:u32 wall:f64 boot:f64
              checksum:u32 resource-bytes scopes-bytes

Little-endian. The checksum (CRC-32) covers everything but the state, which is the one byte that
changes. The bytes are OTLP protobuf as it is sent, so that replaying decodes nothing.
"""

import struct
import zlib
from typing import Final, NamedTuple

from otel_distro.delivery.encoding import Chunk
from otel_distro.delivery.signal import SIGNALS, Signal

VERSION: Final = 1
FILE: Final = struct.Struct("<10sHBB16s")
MAGIC: Final = b"BLIPEEOTEL"
RECORD: Final = struct.Struct("<2sBBIIIddI")
MARK: Final = b"\xb1\x5e"
STATE_AT: Final = 2
_CHECKED: Final = slice(3, RECORD.size - 4)
LARGEST: Final = 1 << 30

# One flipped bit makes nothing DONE; what is neither is taken for NEW.
NEW: Final = 0
TRIED: Final = 1
DONE: Final = 0xFF


class UnreadableSegmentError(Exception):
    """The file is none of ours, or of a version that we do not know."""


class Place(NamedTuple):
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
    count: int  # type: ignore[assignment]  # a method of tuples
    errors: bool
    state: int
    age_s: float


def parse_header(header: bytes, name: str) -> tuple[Signal, bytes]:
    """Return a file's signal and the boot it was begun in. Raises `UnreadableSegmentError`."""
    if len(header) < FILE.size:
        raise UnreadableSegmentError("its header is cut off")
    magic, version, signal, _, booted = FILE.unpack(header)
    if magic != MAGIC:
        raise UnreadableSegmentError("it is no spool file")
    if version != VERSION:
        raise UnreadableSegmentError(f"it is of version {version}, not {VERSION}")
    # Said twice, so that no flipped bit sends spans where logs go.
    if signal >= len(SIGNALS) or not name.startswith(SIGNALS[signal]):
        raise UnreadableSegmentError("its header is damaged")
    return SIGNALS[signal], booted


def record_size(chunk: Chunk) -> int:
    """Return how many bytes a chunk takes in a file."""
    return RECORD.size + chunk.size


def is_likely(resource: int, scopes: int, count: int) -> bool:
    """Return whether the sizes of a record can be those of one."""
    # Each telemetry record has two bytes at least.
    return resource + scopes <= LARGEST and count * 2 <= scopes


def checksum_of(head: bytes, *payload: bytes) -> bytes:
    """Return the checksum of a record, as it stands in the file."""
    checksum = zlib.crc32(head[_CHECKED])
    for part in payload:
        checksum = zlib.crc32(part, checksum)
    return struct.pack("<I", checksum)
