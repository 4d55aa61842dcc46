"""Counters by outcome: each value that this can have exists from the first measurement on.

A counter that is born with a value loses that first increase in `rate()`, and a service without
errors has no error series to divide by: so the sibling starts at zero.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.metrics import MeterProvider

from otel_distro.instruments import recorder

STATUSES: Final = ("success", "error")
# As many as the specification's limit of attribute sets: beyond it siblings say nothing.
_MAX_SEEN: Final = 2000

_seen: dict[tuple[str, MeterProvider | None], set[tuple[str, ...]]] = {}


def count(  # noqa: PLR0913 - the last two say what nearly all have
    name: str,
    attributes: Mapping[str, str],
    outcome: str,
    provider: MeterProvider | None = None,
    *,
    attribute: str = "status",
    outcomes: Sequence[str] = STATUSES,
) -> None:
    """Add one to a counter of the catalogue.

    Args:
        name: Of the counter.
        attributes: Without the outcome.
        outcome: One of the outcomes.
        provider: Of the meter.
        attribute: Carries the outcome.
        outcomes: All that there are.
    """
    counter = recorder.counter(name, provider)
    seen = _seen.setdefault((name, provider), set())
    values = tuple(attributes.values())
    if values not in seen and len(seen) < _MAX_SEEN:
        seen.add(values)
        for sibling in outcomes:
            counter.add(0, {**attributes, attribute: sibling})
    counter.add(1, {**attributes, attribute: outcome})


def forget() -> None:
    """Start anew, for tests that replace the providers."""
    _seen.clear()
