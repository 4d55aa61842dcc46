"""How full connection pools are, how long they are waited for, and what that is called."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_distro.instruments.recorder import Attributes

if TYPE_CHECKING:
    from otel_distro.instrumentation.database.instruments import Instruments

POOL_NAME: Final = "db.client.connection.pool.name"
STATE: Final = "db.client.connection.state"


class Reading(NamedTuple):
    """A pool at one moment.

    Attributes:
        name: Of the pool; several pools of one name are added up.
        used: Connections that the application has.
        idle: Connections that are open and waiting; None where the pool keeps none.
        most: Connections that it may open; None where there is no limit.
    """

    name: str
    used: int
    idle: int | None = None
    most: int | None = None


PoolSource = Callable[[], Iterable[Reading]]
_Values = Iterator[tuple[float, Attributes]]


def active(label: str, readings: Iterable[Reading]) -> _Values:
    """Yield the connections in use of each pool."""
    return _summed(label, ((one.name, one.used) for one in readings))


def limits(label: str, readings: Iterable[Reading]) -> _Values:
    """Yield how many connections each pool that has a limit may open."""
    return _summed(label, ((one.name, one.most) for one in readings))


def states(readings: Iterable[Reading]) -> _Values:
    """Yield the connections of each pool by what they are doing."""
    known = list(readings)
    for state, counts in (
        ("used", ((one.name, one.used) for one in known)),
        ("idle", ((one.name, one.idle) for one in known)),
    ):
        for value, attributes in _summed(POOL_NAME, counts):
            yield value, {**attributes, STATE: state}


def _summed(label: str, counts: Iterable[tuple[str, int | None]]) -> _Values:
    totals: dict[str, int] = {}
    for name, count in counts:
        if count is not None:
            totals[name] = totals.get(name, 0) + max(count, 0)
    return ((total, {label: name}) for name, total in totals.items())


class Waits:
    """Measures how long connections are waited for."""

    def __init__(self, instruments: "Instruments") -> None:
        self._instruments = instruments

    def begin(self, pool: str) -> None:
        """Make a pool's series begin at zero: `rate()` needs to see the first increase."""
        with suppress(Exception):
            self._instruments.pending.add(0, {POOL_NAME: pool})
            self._instruments.timeouts.add(0, {POOL_NAME: pool})

    @contextmanager
    def waiting(
        self, name: Callable[[], str], timeout: type[Exception], *, at_hand: bool = False
    ) -> Iterator[None]:
        """Measure the block, in which a connection is waited for.

        Args:
            name: Returns the pool's name; asked again afterwards, when more may be known.
            timeout: What is raised when the wait was in vain.
            at_hand: The request need not wait, so it is not pending: two measurements less.
        """
        pending = None if at_hand else {POOL_NAME: name()}
        self._pending(1, pending)
        start = time.perf_counter()
        try:
            yield
        except timeout:
            with suppress(Exception):
                self._instruments.timeouts.add(1, {POOL_NAME: name()})
            raise
        else:
            elapsed = time.perf_counter() - start
            with suppress(Exception):
                self._instruments.wait_s.record(elapsed, {POOL_NAME: name()})
        finally:
            self._pending(-1, pending)

    def _pending(self, change: int, attributes: dict[str, str] | None) -> None:
        if attributes is not None:
            with suppress(Exception):
                self._instruments.pending.add(change, attributes)
