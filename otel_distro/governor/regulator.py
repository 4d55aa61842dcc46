"""Decides how much is left out: a pure function of time and of what telemetry has cost."""

import math
from typing import Final, NamedTuple

from otel_distro.governor.state import EVERYTHING, METRICS_ONLY

# With one level less the cost is expected to be at most so much of the budget.
_ROOM: Final = 0.8
# What is spent now is at most so much of the budget, whatever is expected.
_CALM: Final = 0.6
# Where the expectation speaks against it, calm has to last so many times longer.
_DOUBT: Final = 10


class Pace(NamedTuple):
    """How quickly it decides, in seconds.

    Attributes:
        look_s: Between two looks.
        smooth_s: The time constant of the smoothed share.
        over_s: Over the budget for so long, a level more is left out.
        calm_s: Calm for so long, a level less is; doubled each time that this was too early.
        longest_s: The longest that it waits for a level less.
    """

    look_s: float = 5
    smooth_s: float = 10
    over_s: float = 15
    calm_s: float = 60
    longest_s: float = 3600


PACE: Final = Pace()


class Regulator:
    """Keeps the share of a processor that telemetry takes within a budget.

    A level more is left out after the share was over the budget for some time; a level less after
    it was well below for longer. What a level saves is learned when it is entered, so that it is
    left only where the budget can be expected to hold.

    Attributes:
        budget: Of the processor time that the process may use, from 0 to 1.
        level: 0, everything, to 4, metrics only.
        share: What telemetry takes, smoothed; since the last change of level.
    """

    def __init__(self, budget: float, pace: Pace = PACE) -> None:
        self.budget = budget
        self.level = EVERYTHING
        self.share = 0.0
        self._pace = pace
        self._calm_s = pace.calm_s
        self._last: tuple[float, float] | None = None
        self._settled = False
        self._over_since: float | None = None
        self._calm_since: float | None = None
        self._relaxed_at = -math.inf
        self._is_relaxing = False
        # The share that made it enter each level, and what was left of it there.
        self._entered = [0.0] * (METRICS_ONLY + 1)
        self._left = [0.0] * (METRICS_ONLY + 1)

    def look(self, now: float, spent_s: float) -> int:
        """Return the level from now on.

        Args:
            now: Monotonic time in seconds.
            spent_s: Of processor time that telemetry took so far, as a part of what the process
                may use.
        """
        if self._last is None:
            self._last = now, spent_s
        elapsed = now - self._last[0]
        if elapsed < self._pace.look_s:
            return self.level
        self._measure(elapsed, spent_s - self._last[1])
        self._last = now, spent_s
        self._over_since = self._since(self._over_since, now, holds=self.share > self.budget)
        calm = self.share < self.budget * _CALM
        self._calm_since = self._since(self._calm_since, now, holds=calm)
        if _lasted(self._over_since, now, self._pace.over_s) and self.level < METRICS_ONLY:
            self._restrict(now)
        elif _lasted(self._calm_since, now, self._wait_s()) and self.level > EVERYTHING:
            self._relax(now)
        return self.level

    def _measure(self, elapsed: float, spent_s: float) -> None:
        share = max(0.0, spent_s) / elapsed
        if self._settled:
            share = self.share + (share - self.share) * -math.expm1(-elapsed / self._pace.smooth_s)
        elif self._left[self.level] == 0:
            self._left[self.level] = share
        self.share, self._settled = share, True

    @staticmethod
    def _since(since: float | None, now: float, *, holds: bool) -> float | None:
        return (now if since is None else since) if holds else None

    def _restrict(self, now: float) -> None:
        too_early = now - self._relaxed_at < self._calm_s
        self._calm_s = (
            min(self._calm_s * 2, self._pace.longest_s) if too_early else self._pace.calm_s
        )
        self._entered[self.level + 1], self._left[self.level + 1] = self.share, 0.0
        self._change(self.level + 1)

    def _relax(self, now: float) -> None:
        if self._is_relaxing:  # the last time was not too early
            self._calm_s = self._pace.calm_s
        self._relaxed_at = now
        self._change(self.level - 1)

    def _change(self, level: int) -> None:
        self._is_relaxing = level < self.level
        self.level = level
        self._settled = False
        self._over_since = self._calm_since = None

    def _wait_s(self) -> float:
        entered, left = self._entered[self.level], self._left[self.level]
        expected = self.share * (max(1.0, entered / left) if left else 1.0)
        if expected <= self.budget * _ROOM:
            return self._calm_s
        return min(self._calm_s * _DOUBT, self._pace.longest_s)


def _lasted(since: float | None, now: float, seconds: float) -> bool:
    return since is not None and now - since >= seconds
