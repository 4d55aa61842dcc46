"""What is measured: figures of rounds, their median, minimum and spread."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

# Said of a contestant whose figures are those of an instrumentation that did not work.
MISSING: Final = "**spans are missing**"


@dataclass(frozen=True)
class Figure:
    """One quantity, from every round, in the unit of its column."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.rounds)

    @property
    def minimum(self) -> float:
        """Of the rounds: what it costs where nothing else runs."""
        return min(self.rounds)

    @property
    def spread(self) -> float:
        """Half of what lies between the quartiles."""
        if len(self.rounds) < 2:
            return 0
        low, _, high = statistics.quantiles(self.rounds, n=4, method="inclusive")
        return (high - low) / 2

    def over(self, bare: "Figure") -> "Figure":
        """Return what is beyond `bare`, round by round: both of a round saw the same minute."""
        pairs = zip(self.rounds, bare.rounds, strict=True)
        return Figure(tuple(mine - theirs for mine, theirs in pairs))


@dataclass(frozen=True)
class Line:
    """What was measured of one contestant under one condition.

    Attributes:
        measure: The group it belongs to: one table.
        row: The condition.
        contestant: Its name.
        figures: By column; a column's name ends with its unit.
        arrived: What came at the far side, or that it did not.
        problem: Why there are no figures.
    """

    measure: str
    row: str
    contestant: str
    figures: Mapping[str, Figure] = field(default_factory=dict)
    arrived: str = ""
    problem: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether all that was to arrive has; if not, its figures compare with nothing."""
        return MISSING not in self.arrived and not self.problem


def with_bare(
    figures: Mapping[str, Mapping[str, Figure]], columns: Mapping[str, str]
) -> dict[str, dict[str, Figure]]:
    """Return figures of contestants with columns added: what is over those of `bare`.

    Args:
        figures: By contestant and column.
        columns: By the name of a column, that of the added one.
    """
    bare = figures.get("bare")
    added: dict[str, dict[str, Figure]] = {}
    for name, mine in figures.items():
        added[name] = {}
        for column, own in mine.items():
            added[name][column] = own
            if bare is not None and name != "bare" and column in columns:
                added[name][columns[column]] = own.over(bare[column])
    return added
