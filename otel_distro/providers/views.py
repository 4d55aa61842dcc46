"""Views that follow from the catalogue: buckets of others' instruments, and one name of two."""

from typing import Final

from opentelemetry.sdk.metrics.view import (
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    View,
)

from otel_distro.catalogue import CATALOGUE
from otel_distro.settings import MetricNames

# Upstream creates these with the SDK's default bounds, which end at 10 000 bytes.
_OTHERS: Final = ("http.server.request.body.size", "http.server.response.body.size")


def views(names: MetricNames) -> list[View]:
    """Return the views.

    Args:
        names: Of a measurement with two names, which are exported: both, the seed's (ours), or
            the semantic conventions'.
    """
    return [
        *(
            View(
                instrument_name=name,
                aggregation=ExplicitBucketHistogramAggregation(CATALOGUE[name].buckets),
            )
            for name in _OTHERS
        ),
        *(View(instrument_name=name, aggregation=DropAggregation()) for name in _dropped(names)),
    ]


def _dropped(names: MetricNames) -> set[str]:
    pairs = [(entry.name, entry.twin) for entry in CATALOGUE if entry.twin is not None]
    match names:
        case "both":
            return set()
        case "seed":
            return {twin for _, twin in pairs}
        case "semconv":
            return {name for name, _ in pairs}
