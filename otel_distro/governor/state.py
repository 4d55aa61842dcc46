"""What the governor tells the hot paths (`level`), and what they tell it (`Point`).

    from otel_distro.governor import state

    POINT = state.point("http.server")

    due = POINT.due()
    began = thread_time() if due else 0.0
    ...  # the telemetry's own work
    if due:
        POINT.took(thread_time() - began)

Nothing here takes a lock or imports anything heavy: an occurrence costs some 50 ns. A race of two
threads loses a count, never more.
"""

from collections import deque
from typing import Final

EVERYTHING: Final = 0
WITHOUT_DEBUG_ATTRIBUTES: Final = 1
WITHOUT_DATABASE_SPANS: Final = 2
SAMPLED: Final = 3
METRICS_ONLY: Final = 4

level: int = EVERYTHING
"""How much is left out now, 0 to 4: read as `state.level`, written by the governor alone."""

# Prime, so that a workload with a rhythm of its own is not timed at the same beat each time.
_EVERY = 127
_KEPT = 16
# A timed one that a garbage collection fell into stands for 127: it counts as so many medians.
_OUTLIER = 4


class Point:
    """A place where telemetry works in the application's threads; it times each 127th occurrence.

    Time it with `time.thread_time`: another thread that had the interpreter is no cost of ours.
    """

    __slots__ = ("_counted", "_occurrences", "_recent", "_seconds")

    def __init__(self) -> None:
        self._occurrences = 0
        self._recent: deque[float] = deque(maxlen=_KEPT)
        self._counted = 0
        self._seconds = 0.0

    def due(self) -> bool:
        """Count one occurrence; True if this one is to be timed and told to `took`."""
        self._occurrences = occurrences = self._occurrences + 1
        return occurrences % _EVERY == 0

    def took(self, seconds: float) -> None:
        """Tell what a due occurrence cost, in seconds."""
        self._recent.append(seconds)

    def seconds(self) -> float:
        """Estimate what all occurrences cost so far; for the governor's thread alone."""
        occurrences = self._occurrences
        self._seconds += max(0, occurrences - self._counted) * self._mean()
        self._counted = occurrences
        return self._seconds

    def _mean(self) -> float:
        timed = sorted(self._recent.copy())
        if not timed:
            return 0.0
        most = timed[len(timed) // 2] * _OUTLIER
        return sum(min(seconds, most) for seconds in timed) / len(timed)


threads: Final[dict[str, float]] = {}
"""What each thread of the distribution's own has used of a processor so far, in seconds."""

_points: Final[dict[str, Point]] = {}


def point(name: str) -> Point:
    """Return the one point of this name, made on first use."""
    return _points.setdefault(name, Point())


def seconds() -> float:
    """Estimate what points and threads cost so far, in seconds; for the governor's thread alone."""
    points = sum(each.seconds() for each in tuple(_points.values()))
    return points + sum(tuple(threads.values()))
