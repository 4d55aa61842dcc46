"""An application under a load, whose telemetry costs less at each level."""

from dataclasses import dataclass, field

from otel_distro.governor.regulator import Pace, Regulator


@dataclass
class Plant:
    """What telemetry takes at a load of 1, by level, and what it takes without any.

    Attributes:
        costs: Shares of a processor, the first at level 0.
        idle: Share that no level spares: collecting metrics.
        load: Now, from 0.
    """

    regulator: Regulator
    costs: tuple[float, ...]
    idle: float = 0.0
    load: float = 0.0
    now: float = 0.0
    spent: float = 0.0
    changes: list[tuple[float, int]] = field(default_factory=list)

    def share_at(self, level: int) -> float:
        return self.idle + self.load * self.costs[level]

    def run(self, seconds: float, load: float, step: float = 5.0) -> int:
        """Go on for some time under a load; return the level then."""
        self.load = load
        until = self.now + seconds
        while self.now < until:
            before = self.regulator.level
            self.now += step
            self.spent += step * self.share_at(before)
            if self.regulator.look(self.now, self.spent) != before:
                self.changes.append((self.now, self.regulator.level))
        return self.regulator.level


def plant(costs=(0.4, 0.3, 0.2, 0.05, 0.01), budget=0.05, idle=0.0, pace=None):
    return Plant(Regulator(budget, pace or Pace()), costs, idle)
