"""Which temporality and aggregation an OTLP metric exporter prefers.

Source: https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/
"""

from typing import Final

from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.metrics.view import (
    Aggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
)

from otel_distro.delivery.model import HistogramAggregation, Temporality

_INSTRUMENTS: Final = (
    Counter,
    UpDownCounter,
    Histogram,
    ObservableCounter,
    ObservableUpDownCounter,
    ObservableGauge,
)
_AS_DELTA: Final[dict[Temporality, tuple[type, ...]]] = {
    "cumulative": (),
    "delta": (Counter, ObservableCounter, Histogram),
    "lowmemory": (Counter, Histogram),
}


def temporalities(preference: Temporality) -> dict[type, AggregationTemporality]:
    """Return the temporality of each kind of instrument."""
    return {
        kind: AggregationTemporality.DELTA
        if kind in _AS_DELTA[preference]
        else AggregationTemporality.CUMULATIVE
        for kind in _INSTRUMENTS
    }


def aggregations(histogram: HistogramAggregation) -> dict[type, Aggregation]:
    """Return the aggregation of histograms."""
    if histogram == "base2_exponential_bucket_histogram":
        return {Histogram: ExponentialBucketHistogramAggregation()}
    return {Histogram: ExplicitBucketHistogramAggregation()}
