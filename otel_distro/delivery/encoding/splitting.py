"""What to do with a chunk that the other side finds too large: halve it, or cut its texts.

Rare, so with protobuf's own classes, which are loaded when they are first needed.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from otel_distro.delivery.encoding.chunk import Chunk
from otel_distro.delivery.encoding.values import TRUNCATED
from otel_distro.delivery.encoding.wire import length_delimited
from otel_distro.delivery.signal import Signal

Message: TypeAlias = Any  # protobuf's, and the lists of them: they come without types

_SCOPES: Final[dict[Signal, str]] = {
    "traces": "scope_spans",
    "logs": "scope_logs",
    "metrics": "scope_metrics",
}
_RECORDS: Final[dict[Signal, str]] = {
    "traces": "spans",
    "logs": "log_records",
    "metrics": "metrics",
}
_MARK: Final = TRUNCATED.encode()
_SHORTEST: Final = 64  # bytes; ids, and most names and keys, are shorter and never cut


def halve(chunk: Chunk, signal: Signal) -> tuple[Chunk, Chunk]:
    """Split a chunk of two or more records (of metrics: data points), in their order."""
    first, second = _decoded(chunk, signal), _decoded(chunk, signal)
    count = sum(map(len, _records(first, signal)))
    middle = count // 2
    _keep(first, signal, 0, middle)
    _keep(second, signal, middle, count)
    return (
        Chunk(chunk.resource, _scopes(first, signal), middle, chunk.errors),
        Chunk(chunk.resource, _scopes(second, signal), count - middle, chunk.errors),
    )


def truncate(chunk: Chunk, signal: Signal, max_bytes: int) -> Chunk:
    """Cut the longest texts and bytes of a chunk, so that its size is at most `max_bytes`.

    What is cut may be anything, in the resource too, and ends with `…[truncated]` then. Where too
    many short texts are what makes it large, it stays too large.
    """
    if chunk.size <= max_bytes:
        return chunk
    message = _decoded(chunk, signal)
    texts = list(_texts(message))
    limit = _limit([len(text) for _, _, text in texts], message.ByteSize() - max_bytes)
    for holder, field, text in texts:
        if len(text) > limit:
            _cut(holder, field, text[: limit - len(_MARK)])
    scopes = _scopes(message, signal)
    message.ClearField(_SCOPES[signal])
    return Chunk(message.SerializeToString(), scopes, chunk.count, chunk.errors)


def _decoded(chunk: Chunk, signal: Signal) -> Message:
    fields = chunk.resource + chunk.scopes
    match signal:
        case "traces":
            from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

            return ResourceSpans.FromString(fields)
        case "logs":
            from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs

            return ResourceLogs.FromString(fields)
        case "metrics":
            from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics

            return ResourceMetrics.FromString(fields)


def _records(message: Message, signal: Signal) -> Iterator[Message]:
    """Yield the lists of records of each scope, or of data points of each metric."""
    for scope in getattr(message, _SCOPES[signal]):
        records = getattr(scope, _RECORDS[signal])
        if signal == "metrics":
            yield from map(_points, records)
        else:
            yield records


def _points(metric: Message) -> Message:
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind else []


def _keep(message: Message, signal: Signal, start: int, end: int) -> None:
    """Take out all records but those from `start` to `end`, and what is empty then."""
    position = 0
    for records in _records(message, signal):
        count = len(records)
        del records[max(end - position, 0) :]
        del records[: max(start - position, 0)]
        position += count
    scopes = getattr(message, _SCOPES[signal])
    for scope in scopes if signal == "metrics" else ():
        _discard(scope.metrics, [not _points(metric) for metric in scope.metrics])
    _discard(scopes, [not getattr(scope, _RECORDS[signal]) for scope in scopes])


def _discard(messages: Message, unwanted: list[bool]) -> None:
    for index in reversed(range(len(unwanted))):
        if unwanted[index]:
            del messages[index]


def _scopes(message: Message, signal: Signal) -> bytes:
    return b"".join(
        length_delimited(2, scope.SerializeToString())
        for scope in getattr(message, _SCOPES[signal])
    )


def _texts(message: Message) -> Iterator[tuple[Message, str, bytes]]:
    """Yield each text and bytes in a message, however deep, with what holds it in which field."""
    for field, value in message.ListFields():
        if isinstance(value, str):
            yield message, field.name, value.encode()
        elif isinstance(value, bytes):
            yield message, field.name, value
        elif field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                yield from _texts(inner)


def _cut(message: Message, field: str, kept: bytes) -> None:
    as_text = isinstance(getattr(message, field), str)
    setattr(message, field, kept.decode(errors="ignore") + TRUNCATED if as_text else kept + _MARK)


def _limit(sizes: list[int], excess: int) -> int:
    """Return what size the larger ones must be cut to, so that `excess` bytes are gone."""
    sizes = sorted(sizes, reverse=True)
    together = 0
    for count, (size, next_size) in enumerate(zip(sizes, [*sizes[1:], 0], strict=True), 1):
        together += size
        limit = (together - excess) // count
        if limit >= next_size:
            return max(limit, _SHORTEST)
    return _SHORTEST
