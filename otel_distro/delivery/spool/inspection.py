"""What is in a spool, for people; and its end."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from otel_distro.delivery.signal import SIGNALS, Signal
from otel_distro.delivery.spool.clock import boot_clock
from otel_distro.delivery.spool.folder import SpoolFolder, quarantined, services
from otel_distro.delivery.spool.layout import UnreadableSegmentError
from otel_distro.delivery.spool.process_folder import SUFFIX, take_over
from otel_distro.delivery.spool.segment import Segment


@dataclass(frozen=True, slots=True)
class Left:
    """What one process has in the spool.

    Attributes:
        service: Whose process it is or was.
        process: Its folder's name: the process id and a random part.
        is_running: Whether the process lives and sees to it itself.
        records: Records that are not delivered.
        size: Bytes on disk.
        oldest_s: Age in seconds of its oldest record; 0 where there is none.
        unreadable: Files that make no sense.
    """

    service: str
    process: str
    is_running: bool
    records: Mapping[Signal, int]
    size: int
    oldest_s: float
    unreadable: int

    @property
    def total(self) -> int:
        """Records of all signals."""
        return sum(self.records.values())


def inspect(root: Path) -> list[Left]:
    """Return what each process has in a spool, oldest first in each service."""
    return [
        _look(service, path) for service in services(root) for path in service.process_folders()
    ]


def purge(root: Path, left: Iterable[Left]) -> int:
    """Delete what ended processes have left, and what was set aside. Return how many records."""
    for path in quarantined(root):
        with suppress(OSError):
            path.unlink()
    deleted = 0
    for one in left:
        folder = take_over(root / one.service / one.process)
        if folder is not None:
            folder.remove()
            deleted += one.total
    return deleted


def _look(service: SpoolFolder, path: Path) -> Left:
    records = dict.fromkeys(SIGNALS, 0)
    size = unreadable = 0
    oldest = 0.0
    for file in path.glob(f"*{SUFFIX}"):
        try:
            segment = Segment.open(file)
        except UnreadableSegmentError:
            unreadable += 1
        except OSError:  # delivered and removed just now
            continue
        else:
            records[segment.signal] += segment.pending
            if segment.pending:
                oldest = max(oldest, boot_clock() - segment.first_s)
            segment.close()
        with suppress(OSError):
            size += file.stat().st_size
    folder = take_over(path)
    if folder is not None:
        folder.forget()
    running = folder is None
    return Left(service.path.name, path.name, running, records, size, oldest, unreadable)
