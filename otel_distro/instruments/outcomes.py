"""Counters with a `status`: both of its values exist from the first measurement on.

A counter that is born with a value loses that first increase in `rate()`, and a service without
errors has no error series to divide by: so the sibling starts at zero.
"""

from collections.abc import Mapping
from typing import Final

from opentelemetry.metrics import MeterProvider

from otel_distro.instruments import recorder

STATUSES: Final = ("success", "error")
# As many as the specification's limit of attribute sets: beyond it siblings say nothing.
_MAX_SEEN: Final = 2000

_seen: set[tuple[object, ...]] = set()


def count(
    name: str, attributes: Mapping[str, str], status: str, provider: MeterProvider | None = None
) -> None:
    """Add one to a counter of the catalogue that has a `status`.

    Args:
        name: Of the counter.
        attributes: Without the status.
        status: success or error.
        provider: Of the meter.
    """
    counter = recorder.counter(name, provider)
    key = (name, provider, *attributes.values())
    if key not in _seen and len(_seen) < _MAX_SEEN:
        _seen.add(key)
        for sibling in STATUSES:
            counter.add(0, {**attributes, "status": sibling})
    counter.add(1, {**attributes, "status": status})


def forget() -> None:
    """Start anew, for tests that replace the providers."""
    _seen.clear()
