"""Measures what telemetry costs, has less of it made where that is too much, and says so."""

import math
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final

from otel_distro.governor import state
from otel_distro.governor.regulator import PACE, Pace, Regulator
from otel_distro.notices import describe, notice

SETTING: Final = "BLIPEE_OTEL_CPU_BUDGET"

# What each level leaves out, beyond what the one before does.
_LEFT_OUT: Final = {
    state.WITHOUT_DEBUG_ATTRIBUTES: "attributes for debugging",
    state.WITHOUT_DATABASE_SPANS: "spans of database statements",
    state.SAMPLED: "nine of ten traces that begin here, but for spans that fail,",
    state.METRICS_ONLY: "all spans",
}


class Governor:
    """Keeps telemetry within its budget. No method raises or waits.

    Args:
        budget: Of the processor time that the process may use, from 0 to 1.
        spent: Returns what telemetry has used of processors so far, in seconds.
        processors: What the process may use of processors; telemetry's part is of one at most,
            as Python runs on one at a time.
        changed: Called with each new level.
        pace: How quickly it decides.
    """

    def __init__(
        self,
        budget: float,
        spent: Callable[[], float],
        processors: float = 1.0,
        changed: Callable[[int], None] = lambda _level: None,
        pace: Pace = PACE,
    ) -> None:
        self._budget = budget
        self._spent = spent
        self._processors = min(1.0, processors)
        self._changed = changed
        self._pace = pace
        self._steps = 0
        self._look_at: float
        self._begin()
        if hasattr(os, "register_at_fork"):
            begin_again = weakref.WeakMethod(self._begin_again)
            os.register_at_fork(after_in_child=lambda: (again := begin_again()) and again())

    @property
    def share(self) -> float:
        """What telemetry takes of the processor time that the process may use, from 0 to 1."""
        return self._regulator.share

    def look(self) -> float | None:
        """Measure, and decide if it is time to.

        Returns:
            Within how many seconds to look again, also where nothing else is to be done; None for
            whenever there is.
        """
        if time.monotonic() >= self._look_at and self._looking.acquire(blocking=False):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - a fault of ours
                self._look_at = math.inf
                self._apply(state.EVERYTHING)
                notice("governor", f"the cost of telemetry is not governed ({describe(error)}).")
            finally:
                self._looking.release()
        return self._pace.look_s if state.level else None

    def _look(self) -> None:
        now = time.monotonic()
        self._look_at = now + self._pace.look_s
        regulator, before = self._regulator, self._regulator.level
        level = regulator.look(now, self._spent() / self._processors)
        if level != before:
            self._apply(level)
            self._say(before, level)

    def _apply(self, level: int) -> None:
        state.level = level
        self._changed(level)

    def _say(self, before: int, level: int) -> None:
        self._steps += 1
        takes = f"telemetry takes {100 * self.share:.2g} % of a processor"
        budget = f"its budget of {100 * self._budget:.3g} %"
        if level > before:
            text = (
                f"{takes}, more than {budget}: {_LEFT_OUT[level]} are left out from now on "
                f"(level {level} of {state.METRICS_ONLY}), until the load falls. A larger "
                f"{SETTING}, or less to record, keeps them."
            )
        else:
            text = (
                f"{takes}, well within {budget}: {_LEFT_OUT[before]} are back "
                f"(level {level} of {state.METRICS_ONLY})."
            )
        notice(f"governor {self._steps}", text)

    def _begin(self) -> None:
        self._looking = threading.Lock()
        self._look_at = -math.inf
        self._regulator = Regulator(self._budget, self._pace)

    def _begin_again(self) -> None:
        """Begin anew in a forked child, that has its own threads and its own load."""
        state.threads.clear()
        self._begin()
        self._apply(state.EVERYTHING)
