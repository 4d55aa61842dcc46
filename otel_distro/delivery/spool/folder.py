"""The folder of the spool, shared by processes and services.

    <spool>/<service>/<process>/traces-00000001.otlp    segments, of a process that holds its lock
    <spool>/quarantine/                                 what could not be read

The folder itself may be anybody's choice (/tmp, a mounted disk): what is in it and has not these
names is not looked at.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_distro.delivery.spool.layout import UnreadableSegmentError
from otel_distro.delivery.spool.process_folder import NAME, SUFFIX, ProcessFolder, take_over
from otel_distro.delivery.spool.segment import Segment

QUARANTINE: Final = "quarantine"
# Files, half of the spool's bound at most.
_MOST_ASIDE: Final = 16
_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class UnusableFolderError(Exception):
    """The spool cannot be there; the message says why and what to do."""


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
        _make_directory(self.root)
        _own_directory(self.path)
        try:
            return ProcessFolder.create(self.path)
        except OSError as error:
            raise UnusableFolderError(_reason(error, self.path)) from error

    def adopt(self) -> Iterator[ProcessFolder]:
        """Take over the folders of processes that have ended, oldest first."""
        for path in self.process_folders():
            folder = take_over(path)
            if folder is not None:
                yield folder

    def process_folders(self) -> list[Path]:
        """Return the folders of all processes, running or not, oldest first."""
        found = [path for path in _directories(self.path) if NAME.fullmatch(path.name)]
        return sorted(found, key=_age_of)

    def quarantine(self, path: Path) -> Path | None:
        """Move a file out of the way, for a person to look at; return where it is now.

        The oldest that were put there before make room for it. None where it had to be deleted.
        """
        aside = self.root / QUARANTINE
        target = aside / f"{path.parent.name}-{path.name}"
        try:
            _own_directory(aside)
            path.rename(target)
        except (OSError, UnusableFolderError):
            with suppress(OSError):
                path.unlink()
            return None
        for old in quarantined(self.root)[:-_MOST_ASIDE]:
            if old != target:
                with suppress(OSError):
                    old.unlink()
        return target


def open_segments(
    folder: ProcessFolder,
) -> tuple[list[Segment], list[tuple[Path, str]], list[Path]]:
    """Open what is in a folder that was taken over, and have each file rest.

    Returns:
        The segments; files that make no sense, each with a reason; and those of another user.

    Raises:
        OSError: A file cannot be opened now; another time it may.
    """
    segments: list[Segment] = []
    unreadable: list[tuple[Path, str]] = []
    foreign: list[Path] = []
    for path in sorted(folder.path.glob(f"*{SUFFIX}")):
        if path.lstat().st_size == 0:
            path.unlink()  # Its process was killed between making it and writing anything.
            continue
        try:
            segment = Segment.open(path)
        except UnreadableSegmentError as error:
            unreadable.append((path, str(error)))
        except PermissionError:
            foreign.append(path)
        else:
            # Many may be open at the same time, and the application needs files too.
            segment.close()
            segments.append(segment)
    return segments, unreadable, foreign


def services(root: Path) -> list[SpoolFolder]:
    """Return the part of each service that has left something."""
    return [
        SpoolFolder(root, path.name)
        for path in sorted(_directories(root))
        if path.name != QUARANTINE
    ]


def of_other_users(root: Path) -> int:
    """Return how many folders in the spool are another user's, and so not looked at."""
    with suppress(OSError):
        return sum(path.lstat().st_uid != os.geteuid() for path in root.iterdir())
    return 0


def quarantined(root: Path) -> list[Path]:
    """Return what was set aside, oldest first."""
    aside = root / QUARANTINE
    if aside not in _directories(root):
        return []
    return sorted(aside.glob(f"*{SUFFIX}"), key=_age_of)


def used_bytes(root: Path) -> int:
    """Return how many bytes the whole spool takes, of all services and processes."""
    used = 0
    for folder, _, files in os.walk(root):
        for name in files:
            if name.endswith(SUFFIX):
                with suppress(OSError):
                    used += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - hot
    return used


def _directories(path: Path) -> list[Path]:
    """Return the directories in a directory that are ours, and no links."""
    with suppress(OSError):
        return [
            path / entry.name
            for entry in os.scandir(path)
            if entry.is_dir(follow_symlinks=False)
            and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
        ]
    return []


def _own_directory(path: Path) -> None:
    found = _make_directory(path)
    if found.st_uid != os.geteuid():
        raise UnusableFolderError(
            f"{path} belongs to another user; give each user a folder of their own"
        )
    if found.st_mode & _OTHERS_MAY_WRITE:
        raise UnusableFolderError(f"others may write into {path}; chmod 700 it")


def _make_directory(path: Path) -> os.stat_result:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise UnusableFolderError(_reason(error, path)) from error
    if not stat.S_ISDIR(found.st_mode):
        raise UnusableFolderError(f"{path} is a link or a file; name the folder itself")
    if found.st_uid not in {os.geteuid(), 0}:
        raise UnusableFolderError(f"{path} belongs to another user; name a folder of your own")
    return found


def _age_of(path: Path) -> float:
    with suppress(OSError):
        return path.lstat().st_mtime
    return 0.0


def _reason(error: OSError, path: Path) -> str:
    return f"{path}: {(error.strerror or str(error)).lower()}"
