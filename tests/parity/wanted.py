"""What a wanted difference is, and which of them explains a fact that differs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from parity.case import Case
from parity.cases import CASES
from parity.comparison import differences
from parity.sides import Run, run

_BY_NAME = {case.name: case for case in CASES}


@dataclass(frozen=True)
class Difference:
    """One difference from upstream, with its reason.

    Attributes:
        title: What differs, in one line.
        reason: Why ours is so.
        facts: Patterns of the facts that differ; each is found in at least one of the cases.
        cases: Names or patterns; in each case that matches, at least one of the facts differs.
        ours: By case: facts that the specification demands, and their values.
        varies: Whether the values depend on the machine, and are not in the document.
    """

    title: str
    reason: str
    facts: tuple[str, ...]
    cases: tuple[str, ...]
    ours: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    varies: bool = False

    def explains(self, case: str, fact: str) -> bool:
        """Return whether this is one of its facts in one of its cases."""
        return matches(case, self.cases) and matches(fact, self.facts)


def matches(text: str, patterns: Iterable[str]) -> bool:
    """Return whether one of the patterns is that of the text."""
    return any(fnmatchcase(text, pattern) for pattern in patterns)


@cache
def ran(name: str, side: str) -> Run:
    """Return what a side does with a case, which is run once."""
    return run(_BY_NAME[name], side)


def found(case: Case) -> dict[str, tuple[Any, Any]]:
    """Return the facts that differ in a case."""
    return differences(ran(case.name, "upstream").facts, ran(case.name, "ours").facts)


def explained(
    facts: Iterable[str], case: str, wanted: Sequence[Difference]
) -> Iterator[tuple[str, Difference | None]]:
    """Yield each fact with the first difference of the list that explains it."""
    for fact in facts:
        yield fact, next((one for one in wanted if one.explains(case, fact)), None)
