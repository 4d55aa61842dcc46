"""Data points of metrics as OTLP. What raises here is one point that cannot be encoded.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto
"""

import struct
from typing import TYPE_CHECKING, Final

from otel_distro.delivery.encoding.attributes import Attributes
from otel_distro.delivery.encoding.fields import fixed64, identifier, uint32
from otel_distro.delivery.encoding.wire import (
    FIXED64,
    VARINT,
    length_delimited,
    pack_double,
    pack_sfixed64,
    tag,
    varint,
    zigzag,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics import Exemplar
    from opentelemetry.sdk.metrics.export import (
        Buckets,
        ExponentialHistogramDataPoint,
        HistogramDataPoint,
        NumberDataPoint,
    )

_attributes_1: Final = Attributes(1)
_attributes_7: Final = Attributes(7)
_attributes_9: Final = Attributes(9)
_filtered_attributes: Final = Attributes(7)
_INT64: Final = 2**63


def gauge_point(point: "NumberDataPoint") -> bytes:
    """Return the fields of a `NumberDataPoint` that has no start."""
    return (
        _attributes_7.encode(point.attributes)
        + fixed64(3, point.time_unix_nano)
        + _number(4, 6, point.value)
        + _exemplars(5, point.exemplars)
    )


def sum_point(point: "NumberDataPoint") -> bytes:
    """Return the fields of a `NumberDataPoint`."""
    return fixed64(2, point.start_time_unix_nano) + gauge_point(point)


def histogram_point(point: "HistogramDataPoint") -> bytes:
    """Return the fields of a `HistogramDataPoint`."""
    counts, bounds = point.bucket_counts, point.explicit_bounds
    return b"".join(
        (
            fixed64(2, point.start_time_unix_nano),
            fixed64(3, point.time_unix_nano),
            fixed64(4, point.count),
            _double(5, point.sum),
            length_delimited(6, struct.pack(f"<{len(counts)}Q", *counts)),
            length_delimited(7, struct.pack(f"<{len(bounds)}d", *bounds)),
            _exemplars(8, point.exemplars),
            _attributes_9.encode(point.attributes),
            _double(11, point.min),
            _double(12, point.max),
        )
    )


def exponential_point(point: "ExponentialHistogramDataPoint") -> bytes:
    """Return the fields of an `ExponentialHistogramDataPoint`."""
    return b"".join(
        (
            _attributes_1.encode(point.attributes),
            fixed64(2, point.start_time_unix_nano),
            fixed64(3, point.time_unix_nano),
            fixed64(4, point.count),
            _double(5, point.sum),
            _sint32(6, point.scale),
            fixed64(7, point.zero_count),
            _buckets(8, point.positive),
            _buckets(9, point.negative),
            uint32(10, point.flags),
            _exemplars(11, point.exemplars),
            _double(12, point.min),
            _double(13, point.max),
        )
    )


def _number(as_double: int, as_int: int, value: float) -> bytes:
    """Return a value in one of two fields: a whole number that 64 bits do not hold is a double."""
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return tag(as_int, FIXED64) + pack_sfixed64(value)
    return tag(as_double, FIXED64) + pack_double(value)


def _double(field: int, value: float | None) -> bytes:
    return b"" if value is None else tag(field, FIXED64) + pack_double(value)


def _sint32(field: int, value: int) -> bytes:
    return tag(field, VARINT) + varint(zigzag(value)) if value else b""


def _buckets(field: int, buckets: "Buckets") -> bytes:
    if not buckets.bucket_counts:
        return b""
    counts = b"".join(map(varint, buckets.bucket_counts))
    return length_delimited(field, _sint32(1, buckets.offset) + length_delimited(2, counts))


def _exemplars(field: int, exemplars: "Sequence[Exemplar]") -> bytes:
    fields = []
    for exemplar in exemplars:
        try:
            fields.append(length_delimited(field, _exemplar(exemplar)))
        except Exception:  # noqa: BLE001, S112 - the point is worth more than its example
            continue
    return b"".join(fields)


def _exemplar(exemplar: "Exemplar") -> bytes:
    fields = (
        _filtered_attributes.encode(exemplar.filtered_attributes),
        fixed64(2, exemplar.time_unix_nano),
        _number(3, 6, exemplar.value),
    )
    if exemplar.span_id is None or exemplar.trace_id is None:
        return b"".join(fields)
    ids = identifier(4, exemplar.span_id, 8) + identifier(5, exemplar.trace_id, 16)
    return b"".join(fields) + ids
