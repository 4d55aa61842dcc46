"""The folder of one process in the spool: who owns it, and how it is taken over.

The kernel lets go of a lock when its process ends, however it ends. Whoever gets the lock of a
folder owns what is in it. It is the folder itself that is locked: a file for it could be removed
by whoever tidies up, and the folder of a living process would look like nobody's.
"""

import fcntl
import os
import re
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_distro.delivery.signal import Signal
from otel_distro.delivery.spool.segment import Segment

SUFFIX: Final = ".otlp"
# The process id, and what tells it from others of that id. Nothing else is ever touched.
NAME: Final = re.compile(r"[0-9]+-[0-9a-f]{8}")
_MAKING: Final = ".making-"
_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(eq=False, repr=False, slots=True)
class ProcessFolder:
    """The segments of one process, locked by us.

    Attributes:
        path: Where it is.
    """

    path: Path
    _lock: int

    @classmethod
    def create(cls, below: Path) -> "ProcessFolder":
        """Make this process' own folder. Raises `OSError`."""
        name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        making = below / f"{_MAKING}{name}"
        making.mkdir(mode=0o700)
        folder = cls(making, -1)
        try:
            folder._lock = os.open(making, _OPEN)
            fcntl.flock(folder._lock, fcntl.LOCK_EX)
            # Only now can it be found: nobody sees a folder whose lock is not yet held.
            folder.path = making.rename(below / name)
        except OSError:
            folder.remove_if_empty()
            raise
        return folder

    def new_segment(self, signal: Signal, number: int) -> Segment:
        """Make a file for records. Raises `OSError`."""
        return Segment.create(self.path / f"{signal}-{number:08}{SUFFIX}", signal)

    @property
    def is_there(self) -> bool:
        """Whether the folder was not removed under us."""
        return self.path.is_dir()

    @property
    def is_empty(self) -> bool:
        """Whether no segment is in it, as far as can be seen."""
        try:
            return not any(self.path.glob(f"*{SUFFIX}"))
        except OSError:
            return False

    def remove_if_empty(self) -> None:
        """Let go of the folder, and delete it unless there is something in it."""
        with suppress(OSError):
            self.path.rmdir()
        self.forget()

    def remove(self) -> None:
        """Delete the segments in it, and the folder."""
        for file in self.path.glob(f"*{SUFFIX}"):
            with suppress(OSError):
                file.unlink()
        self.remove_if_empty()

    def forget(self) -> None:
        """Let go of the folder, and of nothing else: after a fork the lock is the parent's too."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            with suppress(OSError):
                os.close(lock)


def take_over(path: Path) -> ProcessFolder | None:
    """Take over a process' folder, if it has ended and nobody else has."""
    try:
        lock = os.open(path, _OPEN)
    except OSError:  # removed by its owner just now
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have finished with the folder while we were getting here.
        if path.lstat().st_ino == os.fstat(lock).st_ino:
            return ProcessFolder(path, lock)
    except OSError:
        pass
    os.close(lock)
    return None
