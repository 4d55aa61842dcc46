"""The files of the Collector's sending queues: what is damaged is put aside before it starts.

The Collector (0.159) opens them with bbolt 1.5, which ends the process on most kinds of damage, at
each start anew: `recreate` of its `file_storage` catches few (opentelemetry-collector-contrib
#48565). So the tree of pages is walked here as bbolt walks it; its format is in bbolt's
internal/common/page.go and meta.go.
"""

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

HEADER: Final = struct.Struct("<QHHI")  # id, flags, count, overflow
META: Final = struct.Struct("<IIIIQQQQQQ")
BRANCH_ELEMENT: Final = struct.Struct("<IIQ")  # position of the key, its size, page
LEAF_ELEMENT: Final = struct.Struct("<IIII")  # flags, position of the key, its size, the value's
BUCKET: Final = struct.Struct("<QQ")  # root page, sequence
BRANCH, LEAF = 1, 2
A_BUCKET: Final = 1
MAGIC, VERSION = 0xED0CDAED, 2
MIN_PAGE: Final = 1024
PREFIX: Final = "exporter_"
ASIDE: Final = ".damaged-"


class _DamagedError(Exception):
    """The file can't be read as a queue; the message says what was met first."""


class _Meta(NamedTuple):
    """A meta page: the root of the newest state, or of the one before."""

    magic: int
    version: int
    page_size: int
    flags: int
    root: int
    sequence: int
    freelist: int
    pages: int
    transaction: int
    checksum: int


@dataclass(frozen=True, slots=True)
class PutAside:
    """A damaged file, where it is now, and what is wrong with it."""

    file: Path
    now: Path
    damage: str


def put_aside_damaged(folder: Path) -> list[PutAside]:
    """Rename the damaged queues of a folder, so that the Collector starts with new ones.

    Those that a Collector has open are left alone.

    Raises:
        OSError: A file cannot be read or renamed.
    """
    moved = []
    for file in sorted(folder.glob(f"{PREFIX}*")):
        if ASIDE in file.name or file.suffix == ".backup":
            continue
        damage = damage_of(file)
        if damage is not None:
            now = file.with_name(f"{file.name}{ASIDE}{time.strftime('%Y%m%dT%H%M%S')}")
            file.rename(now)
            moved.append(PutAside(file, now, damage))
    return moved


def damage_of(file: Path) -> str | None:
    """Return what is wrong with a queue, None if the Collector can open it or has it open."""
    if not file.is_file():
        return "is not a file"
    with file.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as bbolt does
        except BlockingIOError:
            return None  # it changes while we look
        size = os.fstat(opened.fileno()).st_size
        if size == 0:
            return None  # the Collector makes a new queue of it
        with mmap.mmap(opened.fileno(), size, access=mmap.ACCESS_READ) as data:
            try:
                _Tree(data).check()
            except _DamagedError as damage:
                return str(damage)
    return None


class _Tree:
    """The tree of pages of one file."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._meta = _newest_meta(data)
        self._seen: set[int] = set()
        self._pages = self._meta.pages
        if self._pages * self._meta.page_size > len(data):
            raise _DamagedError(f"is cut off: {len(data)} bytes, of {self._pages} pages")

    def check(self) -> None:
        """Walk all that is reachable."""
        waiting: list[tuple[int, bytes | None, bytes | None]] = [(self._meta.root, None, None)]
        while waiting:
            page, lowest, limit = waiting.pop()
            waiting.extend(self._below(page, lowest, limit))

    def _below(
        self, page: int, lowest: bytes | None, limit: bytes | None
    ) -> Iterator[tuple[int, bytes | None, bytes | None]]:
        """Check a page, and return those that it points to, with the range of their keys."""
        kind, count, start, end = self._open(page)
        element = LEAF_ELEMENT if kind == LEAF else BRANCH_ELEMENT
        first = start + HEADER.size
        if first + count * element.size > end:
            raise _DamagedError(f"page {page} has more elements than room")
        keys: list[bytes] = []
        targets: list[int] = []
        for at in range(first, first + count * element.size, element.size):
            if kind == LEAF:
                flags, position, key_size, value_size = LEAF_ELEMENT.unpack_from(self._data, at)
            else:
                position, key_size, target = BRANCH_ELEMENT.unpack_from(self._data, at)
                flags, value_size = 0, 0
                targets.append(target)
            key = at + position
            if key + key_size + value_size > end:
                raise _DamagedError(f"page {page} points beyond itself")
            keys.append(self._data[key : key + key_size])
            if flags & A_BUCKET:
                yield from self._bucket(page, key + key_size, value_size)
        if not _in_order(keys, lowest, limit):
            raise _DamagedError(f"page {page} is out of order")
        yield from zip(targets, keys, [*keys[1:], limit], strict=False)

    def _open(self, page: int) -> tuple[int, int, int, int]:
        """Return the kind of a page, its number of elements, and where it starts and ends."""
        if not 1 < page < self._pages:
            raise _DamagedError(f"there is no page {page}")
        start = page * self._meta.page_size
        number, flags, count, overflow = HEADER.unpack_from(self._data, start)
        if number != page or flags not in (BRANCH, LEAF):
            raise _DamagedError(f"page {page} is something else")
        if flags == BRANCH and count == 0:
            raise _DamagedError(f"page {page} leads nowhere")
        if page + overflow >= self._pages:
            raise _DamagedError(f"page {page} does not end")
        covered = range(page, page + overflow + 1)
        if not self._seen.isdisjoint(covered):
            raise _DamagedError(f"page {page} is used twice")
        self._seen.update(covered)
        return flags, count, start, start + len(covered) * self._meta.page_size

    def _bucket(
        self, page: int, at: int, size: int
    ) -> Iterator[tuple[int, bytes | None, bytes | None]]:
        if size < BUCKET.size:
            raise _DamagedError(f"page {page} has a bucket without a head")
        root, _sequence = BUCKET.unpack_from(self._data, at)
        if root:  # else it is small, and lies here
            yield root, None, None


def _in_order(keys: list[bytes], lowest: bytes | None, limit: bytes | None) -> bool:
    """Return whether keys rise, from `lowest` on and below `limit`."""
    return all(earlier < later for earlier, later in pairwise(keys)) and not (
        keys
        and ((lowest is not None and keys[0] < lowest) or (limit is not None and keys[-1] >= limit))
    )


def _newest_meta(data: mmap.mmap) -> _Meta:
    # The first page has one, and so has the second, wherever that is: bbolt tries these sizes too.
    starts = (0, *(1024 << doubled for doubled in range(15)))
    valid = [meta for start in starts if (meta := _meta(data, start)) is not None]
    if not valid:
        raise _DamagedError("has no valid start")
    return max(valid, key=lambda meta: meta.transaction)


def _meta(data: mmap.mmap, start: int) -> _Meta | None:
    content = data[start + HEADER.size : start + HEADER.size + META.size]
    if len(content) < META.size:
        return None
    meta = _Meta._make(META.unpack(content))
    ours = (meta.magic, meta.version) == (MAGIC, VERSION)
    whole = meta.checksum == _fnv(content[: META.size - 8])
    return (
        meta
        if ours and whole and meta.page_size >= MIN_PAGE and start in (0, meta.page_size)
        else None
    )


def _fnv(data: bytes) -> int:
    """Return the 64-bit FNV-1a hash."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value
