"""The durable spool: what is on its way is on disk too; what cannot be delivered waits there."""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_distro.delivery.encoding import Chunk
from otel_distro.delivery.ledger import Account
from otel_distro.delivery.model import Notice, SpoolSettings
from otel_distro.delivery.reasons import EXPIRED, SPOOL_FULL
from otel_distro.delivery.signal import Signal
from otel_distro.delivery.spool.folder import (
    SpoolFolder,
    UnusableFolderError,
    open_segments,
    quarantined,
    services,
    used_bytes,
)
from otel_distro.delivery.spool.layout import record_size
from otel_distro.delivery.spool.process_folder import ProcessFolder
from otel_distro.delivery.spool.segment import Segment
from otel_distro.delivery.spool.shelf import Replayed, Shelf, Stored

# Files are open as long as they are needed: so many at most, where nothing can be delivered.
_SEGMENTS: Final = 32
_SMALLEST_SEGMENT: Final = 65_536
# Seconds until a disk that failed is tried again.
_PAUSE_S: Final = 5.0
# Seconds for which a look at the whole folder's size is good.
_LOOK_S: Final = 5.0
# Seconds between two looks for what is too old.
_EXPIRY_S: Final = 600.0
_MIB: Final = 1024 * 1024
# Folders of ended processes that are taken over at a time.
_MOST_ADOPTED: Final = 16


class Spool:
    """Files of this process, and of those it has taken over. Not thread-safe.

    Attributes:
        quarantined: Files that were damaged, or none of ours, and were set aside.
    """

    def __init__(
        self, settings: SpoolSettings, accounts: Mapping[Signal, Account], notice: Notice
    ) -> None:
        self.settings = settings
        self._accounts = accounts
        self._notice = notice
        self._folder = SpoolFolder(settings.root, settings.service)
        self._own: ProcessFolder | None = None
        self._adopted: list[ProcessFolder] = []
        self._number = 0
        self._shelves: Mapping[Signal, Shelf] = {
            signal: Shelf(
                signal, account, self._create_segment, settings.retention_s, self._set_aside
            )
            for signal, account in accounts.items()
        }
        self.quarantined = 0
        self._largest = max(settings.max_bytes // _SEGMENTS, _SMALLEST_SEGMENT)
        self._failed_until = 0.0
        self._expire_at = 0.0
        self._used = 0
        self._looked_at = float("-inf")

    def write(self, signal: Signal, chunk: Chunk, *, released: bool) -> Stored | None:
        """Write a chunk; None where the disk does not take it. Does not raise."""
        if time.monotonic() < self._failed_until:
            return None
        try:
            if not self._make_room(record_size(chunk)):
                return None
            stored = self._shelves[signal].write(
                chunk, released=released, largest=self._largest, fsync=self.settings.fsync
            )
        except (OSError, UnusableFolderError) as error:
            self._fail(error)
            return None
        self._used += record_size(chunk)
        return stored

    def try_again(self) -> None:
        """Have the next `write` try a disk that has failed."""
        self._failed_until = 0.0

    def release(self, signal: Signal) -> None:
        """Have what is on its way read back later: memory forgets it."""
        self._shelves[signal].release()

    def spooled(self, signal: Signal) -> int:
        """Return how many records wait on disk."""
        return self._shelves[signal].spooled

    def take(self, signal: Signal, most_records: int, most_bytes: int) -> list[Replayed]:
        """Read back the oldest that wait. In hand until `put_down`."""
        return self._shelves[signal].take(most_records, most_bytes)

    def put_down(self, signal: Signal) -> None:
        """End what `take` began."""
        self._shelves[signal].put_down()

    def settle(self, signal: Signal, stored: Iterable[Stored]) -> None:
        """Have no more need of these chunks."""
        for one in stored:
            self._shelves[signal].settle(one)

    def mark(self, stored: Iterable[Stored], state: int) -> None:
        """Note that chunks were sent (TRIED), or certainly did not arrive (NEW)."""
        for one in stored:
            with suppress(OSError):
                one.segment.mark(one.offset, state)

    @property
    def may_adopt(self) -> bool:
        """Whether there is room for more of what others left behind: each lock is an open file."""
        return len(self._adopted) < _MOST_ADOPTED

    def adopt(self, signals: Iterable[Signal]) -> None:
        """Take over what processes of this service left behind. Does not raise."""
        self._let_go_of_what_is_done()
        self._expire()
        found: list[Segment] = []
        if self.may_adopt:
            for folder in self._folder.adopt():
                found += self._open(folder)
                if not self.may_adopt:
                    break
        # Files are numbered in the order in which they were begun, in each process.
        found.sort(key=lambda segment: (segment.first_s, segment.path.name))
        for signal in signals:
            # What is of a signal that goes nowhere now is left where it is.
            of_signal = [segment for segment in found if segment.signal == signal]
            self._shelves[signal].adopt(of_signal)
            self._accounts[signal].adopted += sum(segment.pending for segment in of_signal)

    def _open(self, folder: ProcessFolder) -> list[Segment]:
        try:
            segments, unreadable, foreign = open_segments(folder)
        except OSError as error:
            folder.forget()
            self._notice("spool file", f"a spool file is left for later: {error}.")
            return []
        self._adopted.append(folder)
        for path, why in unreadable:
            self._quarantine(path, why)
        for path in foreign:
            self._notice("spool file", f"{path} belongs to another user and is left where it is.")
        return segments

    def _let_go_of_what_is_done(self) -> None:
        for folder in self._adopted[:]:
            if folder.is_empty:
                folder.remove_if_empty()
                self._adopted.remove(folder)

    def _expire(self) -> None:
        """Delete what was kept for long enough: here, of services that are gone, and set aside."""
        now = time.monotonic()
        if now < self._expire_at:
            return
        self._expire_at = now + _EXPIRY_S
        for shelf in self._shelves.values():
            shelf.expire()
        retention = self.settings.retention_s
        for service in services(self.settings.root):
            if service.path != self._folder.path:
                for folder in service.adopt():
                    self._drop_of_others(folder, EXPIRED, retention)
        for path in quarantined(self.settings.root):
            with suppress(OSError):
                if time.time() - path.lstat().st_mtime > retention:
                    path.unlink()

    def close(self) -> None:
        """Close all files. What remains is taken over by the next process of the service."""
        for shelf in self._shelves.values():
            shelf.close()
        for folder in (self._own, *self._adopted):
            if folder is not None:
                folder.remove_if_empty()
        self._own = None
        self._adopted.clear()

    def abandon(self) -> None:
        """Let go of files that are another process', without touching them."""
        for shelf in self._shelves.values():
            shelf.abandon()
        for folder in (self._own, *self._adopted):
            if folder is not None:
                folder.forget()

    def _set_aside(self, segment: Segment) -> None:
        segment.close()
        self._quarantine(segment.path, f"{segment.damaged:,} bytes of it are damaged")

    def _quarantine(self, path: Path, why: str) -> None:
        self.quarantined += 1
        where = self._folder.quarantine(path)
        self._notice(
            "spool quarantine",
            f"a spool file could not be read: {why}; it is "
            f"{f'kept as {where}' if where else 'deleted'}. Further ones are counted, not said.",
        )

    def _create_segment(self, signal: Signal) -> Segment:
        if self._own is not None and not self._own.is_there:
            self._own.forget()
            self._own = None
        if self._own is None:
            self._own = self._folder.create()
        self._number += 1
        return self._own.new_segment(signal, self._number)

    def _make_room(self, size: int) -> bool:
        bound = self.settings.max_bytes
        if self.used_bytes() + size > bound:
            self._looked_at = float("-inf")  # What was settled since the last look is gone.
        while self.used_bytes() + size > bound:
            freed = self._evict_of_others() or self._evict()
            if not freed:
                self._notice(
                    "spool full",
                    f"the spool {self.settings.root} is full ({bound / _MIB:.0f} MiB) of what "
                    "other processes hold; telemetry is kept in memory only.",
                )
                return False
            self._used -= freed
        return True

    def used_bytes(self) -> int:
        """Return how large the folder is, as of a few seconds ago."""
        now = time.monotonic()
        if now - self._looked_at > _LOOK_S:
            self._used = used_bytes(self.settings.root)
            self._looked_at = now
        return self._used

    def _evict(self) -> int:
        ages = {
            shelf: age for shelf in self._shelves.values() if (age := shelf.oldest_s) is not None
        }
        return min(ages, key=lambda shelf: ages[shelf]).evict() if ages else 0

    def _evict_of_others(self) -> int:
        """Delete what was set aside, or an ended process of another service left.

        Nobody may ever come for it.
        """
        for path in quarantined(self.settings.root):
            with suppress(OSError):
                size = path.lstat().st_size
                path.unlink()
                return size
        for service in services(self.settings.root):
            if service.path != self._folder.path:
                for folder in service.adopt():
                    if freed := self._drop_of_others(folder, SPOOL_FULL, 0.0):
                        return freed
        return 0

    def _drop_of_others(self, folder: ProcessFolder, reason: str, age_s: float) -> int:
        """Delete files of at least some age, and count them as lost here. Return their bytes."""
        freed = 0
        try:
            for segment in open_segments(folder)[0]:
                if segment.unwritten_for_s >= age_s:
                    account = self._accounts[segment.signal]
                    account.adopted += segment.pending
                    account.drop(reason, segment.pending)
                    freed += segment.size
                    segment.remove()
        except OSError:
            pass  # another time
        folder.remove_if_empty()
        return freed

    def _fail(self, error: Exception) -> None:
        self._failed_until = time.monotonic() + _PAUSE_S
        text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        self._notice(
            "spool",
            f"the spool {self.settings.root} cannot be written ({text}); what cannot be delivered "
            "is kept in memory only, until it can.",
        )
