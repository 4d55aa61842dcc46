"""The folder of the spool, shared by processes: who owns what, and what was left behind.

    <spool>/<service>/<process>/lock                    held (flock) as long as the process lives
    <spool>/<service>/<process>/traces-00000001.otlp    segments
    <spool>/quarantine/                                 what could not be read

The kernel lets go of a lock when its process ends, however it ends. Whoever gets the lock of a
folder then owns what is in it.
"""

import fcntl
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_distro.delivery.signal import Signal
from otel_distro.delivery.spool.layout import UnreadableSegmentError
from otel_distro.delivery.spool.segment import Segment

SUFFIX: Final = ".otlp"
_LOCK: Final = "lock"
_QUARANTINE: Final = "quarantine"
_MAKING: Final = ".making-"
# Files, half of the spool's bound at most.
_MOST_ASIDE: Final = 16


class UnusableFolderError(Exception):
    """The spool cannot be there; the message says why and what to do."""


@dataclass(slots=True)
class ProcessFolder:
    """The segments of one process, locked by us.

    Attributes:
        path: Where it is.
    """

    path: Path
    _lock: int

    def lock(self) -> None:
        """Lock a folder that nobody else knows. Raises `OSError`."""
        self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def new_segment(self, signal: Signal, number: int) -> Segment:
        """Make a file for records. Raises `OSError`."""
        return Segment.create(self.path / f"{signal}-{number:08}{SUFFIX}", signal)

    @property
    def is_there(self) -> bool:
        """Whether the folder was not removed under us."""
        return self.path.is_dir()

    def remove_if_empty(self) -> None:
        """Let go of the folder, and delete it unless there are segments in it."""
        with suppress(OSError):
            if self.is_empty:
                (self.path / _LOCK).unlink(missing_ok=True)
                self.path.rmdir()
        self.forget()

    @property
    def is_empty(self) -> bool:
        """Whether no segment is in it, as far as can be seen."""
        try:
            return not any(self.path.glob(f"*{SUFFIX}"))
        except OSError:
            return False

    def forget(self) -> None:
        """Let go of the folder, and of nothing else: after a fork the lock is the parent's too."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            with suppress(OSError):
                os.close(lock)


class SpoolFolder:
    """The part of the spool that belongs to one service."""

    def __init__(self, root: Path, service: str) -> None:
        self.root = root
        self.path = root / (re.sub(r"[^A-Za-z0-9._-]", "_", service).strip(".") or "unknown")

    def create(self) -> ProcessFolder:
        """Make this process' own folder.

        Raises:
            UnusableFolderError: It cannot be made, or is not safe to use.
        """
        _own_directory(self.root)
        _own_directory(self.path)
        # The folder of the spool may be anybody's choice (/tmp, a mounted disk); below it, ours.
        if self.path.stat().st_uid != os.geteuid():
            raise UnusableFolderError(f"{self.path} belongs to another user; remove it")
        name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        making, path = self.path / f"{_MAKING}{name}", self.path / name
        folder = ProcessFolder(making, -1)
        try:
            making.mkdir(mode=0o700)
            folder.lock()
            # Only now can it be found: nobody sees a folder whose lock is not yet held.
            making.rename(path)
        except OSError as error:
            folder.remove_if_empty()
            raise UnusableFolderError(_reason(error, making)) from error
        folder.path = path
        return folder

    def adopt(self) -> Iterator[ProcessFolder]:
        """Take over the folders of processes that have ended, oldest first."""
        for path in self.process_folders():
            folder = take_over(path)
            if folder is not None:
                yield folder

    def open_segments(
        self, folder: ProcessFolder
    ) -> tuple[list[Segment], list[tuple[Path, str]], list[str]]:
        """Open what is in an adopted folder.

        Returns:
            The segments; files that make no sense, each with a reason; and why others could not
            be opened.
        """
        segments, unreadable, problems = [], [], []
        try:
            paths = sorted(folder.path.glob(f"*{SUFFIX}"))
        except OSError as error:  # no more files may be open
            return [], [], [_reason(error, folder.path)]
        for path in paths:
            try:
                segments.append(Segment.open(path))
            except UnreadableSegmentError as error:
                unreadable.append((path, str(error)))
            except OSError as error:
                problems.append(_reason(error, path))
        return segments, unreadable, problems

    def quarantine(self, path: Path) -> Path | None:
        """Move a file out of the way, for a person to look at; return where it is now.

        The oldest that were put there before make room for it. None where it had to be deleted.
        """
        aside = self.root / _QUARANTINE
        target = aside / f"{path.parent.name}-{path.name}"
        try:
            aside.mkdir(mode=0o700, exist_ok=True)
            path.rename(target)
        except OSError:
            with suppress(OSError):
                path.unlink()
            return None
        for old in sorted(aside.glob(f"*{SUFFIX}"), key=_age_of)[:-_MOST_ASIDE]:
            if old != target:
                with suppress(OSError):
                    old.unlink()
        return target

    def used_bytes(self) -> int:
        """Bytes the whole spool takes, of all services and processes, what is set aside too."""
        used = 0
        for folder, _, files in os.walk(self.root):
            for name in files:
                with suppress(OSError):
                    used += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - hot
        return used

    def process_folders(self) -> list[Path]:
        """Return the folders of all processes, running or not, oldest first."""
        try:
            entries = [
                Path(entry.path)
                for entry in os.scandir(self.path)
                if entry.is_dir(follow_symlinks=False)
                and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
                and not entry.name.startswith(".")
            ]
        except OSError:
            return []
        return sorted(entries, key=_age_of)


def take_over(path: Path) -> ProcessFolder | None:
    """Take over a process' folder, if it has ended and nobody else has."""
    try:
        # Made anew where somebody has removed it: what is there would be nobody's for ever.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(path / _LOCK, flags, 0o600)
    except OSError:
        # Removed by its owner just now, or by somebody who knew better.
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have finished with the folder while we were getting here.
        if os.fstat(lock).st_nlink > 0:
            return ProcessFolder(path, lock)
    except OSError:
        pass
    os.close(lock)
    return None


def services(root: Path) -> list[SpoolFolder]:
    """Return the part of each service that has left something."""
    with suppress(OSError):
        return [
            SpoolFolder(root, path.name)
            for path in sorted(root.iterdir())
            if path.is_dir() and path.name != _QUARANTINE
        ]
    return []


def _own_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise UnusableFolderError(_reason(error, path)) from error
    if not stat.S_ISDIR(found.st_mode):
        raise UnusableFolderError(f"{path} is a link or a file; name the folder itself")
    if found.st_uid not in {os.geteuid(), 0}:
        raise UnusableFolderError(f"{path} belongs to another user; name a folder of your own")


def _age_of(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _reason(error: OSError, path: Path) -> str:
    return f"{path}: {(error.strerror or str(error)).lower()}"
