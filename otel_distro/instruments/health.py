"""Outcomes of health checks."""

import time
from typing import Final, Literal

from otel_distro.instruments import recorder
from otel_distro.instruments.timed import Timed, never_raises

Status = Literal["healthy", "degraded", "unhealthy"]
_VALUES: Final[dict[Status, float]] = {"healthy": 1.0, "degraded": 0.5, "unhealthy": 0.0}


class Check:
    """A health check that is being made."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._started = time.perf_counter()
        self.status: Status = "healthy"

    def end(self, error: BaseException | None) -> None:
        """Record the outcome."""
        elapsed = (time.perf_counter() - self._started) * 1000
        report(self._name, "unhealthy" if error is not None else self.status, latency_ms=elapsed)


def check(name: str) -> Timed[Check]:
    """Measure a health check: `with health.check("database"): …`; raising is unhealthy."""
    return Timed(lambda: Check(name))


@never_raises
def report(name: str, status: Status, *, latency_ms: float) -> None:
    """Report the outcome of a check.

    Args:
        name: Of the check, of a bounded set.
        status: healthy, degraded or unhealthy.
        latency_ms: Milliseconds it took.
    """
    if status not in _VALUES:
        raise ValueError(f"the status {status!r:.40} is none of {', '.join(_VALUES)}")
    recorder.gauge("health.check.status").set(_VALUES[status], {"check": name})
    recorder.gauge("health.check.latency").set(latency_ms, {"check": name})
