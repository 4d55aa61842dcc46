"""Measuring at little cost: values wait in cells, and go into the SDK's aggregations together.

Storage, views, aggregations, temporality, limits and exemplars are the SDK's; only the way of a
synchronous instrument's values to them is ours.
"""

from typing import Any, Protocol, TypeVar

from opentelemetry.metrics import Instrument

from otel_distro.notices import describe, notice

T = TypeVar("T", bound=Instrument)


class Metering(Protocol):
    """What meters ask for each of their synchronous instruments."""

    def stand_before(self, instrument: T) -> T:
        """Return what measures for an instrument of the SDK: always the same."""

    def put_all(self) -> None:
        """Put in what is pending in all instruments."""


def take_over(provider: Any) -> Metering | None:  # noqa: ANN401 - its private parts
    """Let a meter provider of the SDK measure this way, before it has given out a meter.

    None where the SDK is not what this was written for, or the exemplar filter is someone's own:
    then the SDK's ordinary way is taken.
    """
    try:
        from otel_distro.providers.metering import takeover

        return takeover.take_over(provider)
    except Exception as error:  # noqa: BLE001 - whatever became of the SDK's private parts
        notice(
            "metering",
            f"the SDK aggregates in an unknown way ({describe(error)}): measurements are "
            "as they should be, and cost more.",
        )
        return None
