"""Counters by outcome: each value that this can have exists from the first measurement on.

A counter that is born with a value loses that first increase in `rate()`, and a service without
errors has no error series to divide by: so the sibling starts at zero.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.metrics import MeterProvider

from otel_distro.instruments import recorder
from otel_distro.instruments.bound import Bound, bind, sampled

STATUSES: Final = ("success", "error")
# As many as the specification's limit of attribute sets: beyond it siblings say nothing.
_MAX_BOUND: Final = 2000

_bound: dict[tuple[str, MeterProvider | None], dict[tuple[str, ...], Bound]] = {}


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
    counters = _bound.get((name, provider))
    if counters is None:
        counters = _bound.setdefault((name, provider), {})
    values = tuple(attributes.values())
    counter = counters.get((*values, outcome))
    if counter is None:
        instrument = recorder.counter(name, provider)
        if len(counters) < _MAX_BOUND:
            for sibling in outcomes:
                born = bind(instrument, {**attributes, attribute: sibling})
                born.add(0)
                counters[*values, sibling] = born
        counter = counters.get((*values, outcome)) or bind(
            instrument, {**attributes, attribute: outcome}
        )
    counter.add(1, sampled())


def forget() -> None:
    """Start anew, for tests that replace the providers."""
    _bound.clear()
