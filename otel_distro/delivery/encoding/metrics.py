"""Metrics as OTLP.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_distro.delivery.encoding.fields import text, uint32
from otel_distro.delivery.encoding.grouping import MAX_BYTES, Encoded, Grouping
from otel_distro.delivery.encoding.points import (
    exponential_point,
    gauge_point,
    histogram_point,
    sum_point,
)
from otel_distro.delivery.encoding.wire import length_delimited

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import Metric, MetricsData, ScopeMetrics
    from opentelemetry.sdk.resources import Resource

_FRAME: Final = 6  # bytes of a tag and a length, at most
_MONOTONIC: Final = uint32(3, 1)


def encode_metrics(data: "MetricsData", max_bytes: int = MAX_BYTES) -> Encoded:
    """Encode metrics into chunks of at most `max_bytes`. Never raises.

    A metric that is larger becomes several of its name, each with some of its data points.
    """
    grouping = Grouping(max_bytes)
    for of_resource in data.resource_metrics:
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                try:
                    _add(metric, of_resource.resource, of_scope, grouping)
                except Exception:  # noqa: BLE001 - a producer of a third party may raise anything
                    grouping.unencodable += 1
    return grouping.encoded()


class _Form(NamedTuple):
    """How one kind of data is written.

    Attributes:
        field: Its number in a `Metric`.
        point: Gives the fields of one data point.
        rest: Its fields beside the data points.
    """

    field: int
    point: Callable[[Any], bytes]
    rest: bytes = b""


def _add(metric: "Metric", resource: "Resource", of_scope: "ScopeMetrics", to: Grouping) -> None:
    form = _form(metric.data)
    head = text(1, metric.name) + text(2, metric.description) + text(3, metric.unit)
    points: list[bytes] = []
    for point in metric.data.data_points:
        try:
            points.append(length_delimited(1, form.point(point)))
        except Exception:  # noqa: BLE001 - as above: a value that is no number, a count below 0
            to.unencodable += 1
    room = to.room(resource, of_scope.scope) - len(head) - len(form.rest) - _FRAME
    for some in _parts(points, room):
        record = head + length_delimited(form.field, b"".join(some) + form.rest)
        to.add_points(resource, of_scope.scope, record, len(some))


def _form(data: object) -> _Form:
    from opentelemetry.sdk.metrics.export import ExponentialHistogram, Gauge, Histogram, Sum

    match data:
        case Gauge():
            return _Form(5, gauge_point)
        case Sum():
            monotonic = _MONOTONIC if data.is_monotonic else b""
            return _Form(7, sum_point, uint32(2, data.aggregation_temporality) + monotonic)
        case Histogram():
            return _Form(9, histogram_point, uint32(2, data.aggregation_temporality))
        case ExponentialHistogram():
            return _Form(10, exponential_point, uint32(2, data.aggregation_temporality))
        case _:
            raise TypeError(type(data))


def _parts(points: list[bytes], room: int) -> Iterator[list[bytes]]:
    """Yield the points in parts of at most `room` bytes, or of one point."""
    part: list[bytes] = []
    size = 0
    for point in points:
        if part and size + len(point) > room:
            yield part
            part, size = [], 0
        part.append(point)
        size += len(point)
    if part:
        yield part
