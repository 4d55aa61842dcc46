"""What became of every record."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(eq=False, repr=False, slots=True)
class Account:
    """What became of the records of one signal.

    `created + adopted == exported + spooled + in flight + dropped`, always.

    Attributes:
        created: Records that were handed over by this process.
        adopted: Records found in the spool of a process that has ended.
        exported: Records the endpoint has acknowledged.
        dropped: Records that are lost, by reason.
        resent: Records that were sent again although the endpoint may have had them: only the
            acknowledgement was lost. Each is at most a duplicate.
    """

    created: int = 0
    adopted: int = 0
    exported: int = 0
    resent: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])

    def drop(self, reason: str, count: int) -> None:
        """Count records as lost."""
        if count:
            self.dropped[reason] += count


class Balance(NamedTuple):
    """An account at one moment, with what is still on its way.

    Attributes:
        queued: Records not yet encoded.
        capacity: How many may be queued; 0 where there is no queue.
        in_flight: Records encoded and on their way, the queued ones among them.
        spooled: Records waiting for an endpoint that did not take them.
    """

    created: int
    adopted: int
    exported: int
    resent: int
    dropped: dict[str, int]
    queued: int
    capacity: int
    in_flight: int
    spooled: int

    @property
    def lost(self) -> int:
        """Records dropped, for whatever reason."""
        return sum(self.dropped.values())

    @property
    def difference(self) -> int:
        """What does not add up: 0, or a fault of ours."""
        came = self.created + self.adopted
        return came - (self.exported + self.spooled + self.in_flight + self.lost)
