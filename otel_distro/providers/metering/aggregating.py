"""The way into the SDK's aggregations, many values at once.

What is private there is touched in this module only, and locks are taken in the SDK's order.
`trial` looks whether it is still the SDK that this was written for.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from random import sample
from time import time_ns
from typing import Any, Final

from opentelemetry.sdk.metrics import (
    AlignedHistogramBucketExemplarReservoir,
    SimpleFixedSizeExemplarReservoir,
)
from opentelemetry.sdk.metrics._internal import _view_instrument_match as matching
from opentelemetry.sdk.metrics._internal import aggregation as aggregations
from opentelemetry.sdk.metrics._internal import measurement as measurements
from opentelemetry.sdk.metrics._internal import view as viewing
from opentelemetry.trace import INVALID_SPAN_CONTEXT

from otel_distro.instruments.bound import Example, context_of
from otel_distro.notices import describe, notice

# ruff: noqa: SLF001, ANN401 - the SDK's private parts, which have no types

_Put = Callable[[Any, Sequence[float]], None]


def cleaned(attributes: Any) -> Mapping[str, Any]:
    """Return attributes as the SDK cleans those of a measurement."""
    nothing: Any = None
    return measurements.Measurement(0, 0, nothing, nothing, attributes).attributes or {}


def key_of(attributes: Mapping[str, Any]) -> Any:
    """Return what the SDK tells attribute sets apart by."""
    return matching._hash_attributes(attributes)


def put(  # noqa: PLR0913, PLR0917 - what there is to measurements
    storages: Iterable[Any],
    instrument: Any,
    attributes: Mapping[str, Any],
    key: Any,
    values: Sequence[float],
    candidates: list[Example],
) -> None:
    """Put values of one attribute set into the aggregations of all readers. Never raises.

    Args:
        storages: Of the readers.
        instrument: The SDK's.
        attributes: Cleaned.
        key: Of the attributes.
        values: In their order; int or float.
        candidates: For exemplars.
    """
    for storage in storages:
        try:
            for match in storage._get_or_init_view_instrument_match(instrument):
                _put_in_stream(match, attributes, key, values, candidates)
        except Exception as error:  # noqa: BLE001 - views and reservoirs are others'
            notice(
                f"aggregation {instrument.name}",
                f"measurements of {instrument.name} were lost: the SDK failed to aggregate "
                f"them ({describe(error)}).",
            )


def _put_in_stream(
    match: Any,
    attributes: Mapping[str, Any],
    key: Any,
    values: Sequence[float],
    candidates: list[Example],
) -> None:
    if type(match._aggregation) is aggregations._DropAggregation:
        return
    kept = match._view._attribute_keys
    point_attributes = attributes
    if kept is not None:
        point_attributes = {name: attributes[name] for name in attributes if name in kept}
        key = key_of(point_attributes)
    # A collection of deltas takes all aggregations away while it holds this lock.
    with match._lock:
        aggregation = match._get_or_create_aggregation(key, point_attributes)
        in_bulk = _IN_BULK.get(type(aggregation))
        if in_bulk is not None:
            with aggregation._lock:
                in_bulk(aggregation, values)
        else:
            for value in values:
                one = measurements.Measurement(
                    value, time_ns(), match._instrument, context_of(None), attributes
                )
                aggregation.aggregate(one, should_sample_exemplar=False)
        if candidates:
            _offer(aggregation, attributes, candidates)


def _add_to_sum(aggregation: Any, values: Sequence[float]) -> None:
    before = aggregation._value
    aggregation._value = sum(values, 0 if before is None else before)


def _set_last_value(aggregation: Any, values: Sequence[float]) -> None:
    aggregation._value = values[-1]


def _add_to_buckets(aggregation: Any, values: Sequence[float]) -> None:
    total = sum(values, aggregation._sum)  # first, as it may be more than a number can be
    counts = aggregation._value
    if counts is None:
        counts = aggregation._get_empty_bucket_counts()
    for bucket in map(bisect_left, repeat(aggregation._boundaries), values):
        counts[bucket] += 1
    aggregation._value = counts
    aggregation._sum = total
    if aggregation._record_min_max:
        aggregation._min = min(aggregation._min, *values)
        aggregation._max = max(aggregation._max, *values)


_IN_BULK: Final[dict[type, _Put]] = {
    aggregations._SumAggregation: _add_to_sum,
    aggregations._LastValueAggregation: _set_last_value,
    aggregations._ExplicitBucketHistogramAggregation: _add_to_buckets,
}


def _offer(aggregation: Any, attributes: Mapping[str, Any], candidates: list[Example]) -> None:
    reservoir = aggregation._reservoir
    if type(aggregation) is aggregations._ExponentialBucketHistogramAggregation:
        candidates = [one for one in candidates if one[0]]  # the SDK has no exemplars of zero
    if type(reservoir) is AlignedHistogramBucketExemplarReservoir:
        # It keeps the last of each bucket.
        bounds = reservoir._boundaries
        candidates = list({bisect_left(bounds, one[0]): one for one in candidates}.values())
    elif type(reservoir) is SimpleFixedSizeExemplarReservoir and len(candidates) > reservoir._size:
        # It keeps each with the same probability; as many as it has places for are as good.
        candidates = sample(candidates, reservoir._size)
    for value, time_unix_nano, span_context in candidates:
        known = span_context is not INVALID_SPAN_CONTEXT
        context = context_of(span_context if known else None)
        reservoir.offer(value, time_unix_nano, attributes, context)


def keeps_usual_exemplars(instrument: Any, views: Iterable[Any]) -> bool:
    """Return whether no view has the exemplars of an instrument kept in another way."""
    usual = viewing._default_reservoir_factory
    return all(
        view._exemplar_reservoir_factory is usual or not view._match(instrument) for view in views
    )
