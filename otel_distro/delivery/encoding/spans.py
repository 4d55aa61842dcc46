"""Spans as OTLP.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
"""

import struct
from collections.abc import Callable, Iterable
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import DEFAULT_TRACE_STATE, SpanKind

from otel_distro.delivery.encoding.attributes import Attributes
from otel_distro.delivery.encoding.fields import fixed32, fixed64, identifier, text, uint32
from otel_distro.delivery.encoding.grouping import MAX_BYTES, Encoded, Grouping
from otel_distro.delivery.encoding.texts import Texts
from otel_distro.delivery.encoding.wire import LENGTH, length_delimited, tag, varint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, Status, TraceState

_read: Final = attrgetter(
    "name",
    "context",
    "parent",
    "kind",
    "start_time",
    "end_time",
    "attributes",
    "dropped_attributes",
    "events",
    "dropped_events",
    "links",
    "dropped_links",
    "status",
    "resource",
    "instrumentation_scope",
)
# The same of the SDK's own spans, without their locks, copies and properties: these are half of
# what a span costs. A subclass may have overridden the properties.
_OF_THE_SDK: Final = (
    "_name",
    "_context",
    "_parent",
    "_kind",
    "_start_time",
    "_end_time",
    "_attributes._dict",
    "_attributes.dropped",
    "_events._dq",
    "_events.dropped",
    "_links._dq",
    "_links.dropped",
    "_status",
    "_resource",
    "_instrumentation_scope",
)
_readers: Final[dict[type, Callable[[Any], tuple[Any, ...]]]] = {}

_IS_REMOTE_IS_KNOWN: Final = 0x100
_IS_REMOTE: Final = 0x200
_FLAGS: Final = fixed32(16, _IS_REMOTE_IS_KNOWN)
_FLAGS_OF_REMOTE: Final = fixed32(16, _IS_REMOTE_IS_KNOWN | _IS_REMOTE)
_ERROR: Final = 2
# By their code: the field, and whether it says that the span failed.
_STATUSES: Final = {
    code: (length_delimited(15, uint32(3, code)), code == _ERROR) for code in range(_ERROR + 1)
}
_read_status: Final = attrgetter("_status_code._value_", "_description")
_KINDS: Final[dict[object, bytes]] = {kind.value: uint32(6, kind.value + 1) for kind in SpanKind}

_BEFORE_TRACE_ID: Final = tag(1, LENGTH) + varint(16)
_BEFORE_SPAN_ID: Final = tag(2, LENGTH) + varint(8)

_names: Final = Texts(5)
_event_names: Final = Texts(2)
_attributes: Final = Attributes(9)
_event_attributes: Final = Attributes(3)
_link_attributes: Final = Attributes(4)
_start_and_end: Final = struct.Struct("<BQBQ").pack


def encode_spans(spans: "Sequence[ReadableSpan]", max_bytes: int = MAX_BYTES) -> Encoded:
    """Encode spans into chunks of at most `max_bytes`. Never raises."""
    _know_class_of_the_sdk()
    grouping = Grouping(max_bytes)
    for span in spans:
        try:
            try:
                fields = _readers.get(type(span), _read)(span)
            except AttributeError:  # Made by hand, or by another version of the SDK.
                fields = _read(span)
            _add(grouping, *fields)
        except Exception:  # noqa: BLE001 - a span of a third party may raise anything
            grouping.unencodable += 1
    return grouping.encoded()


def read_by(kind: type, *names: str) -> None:
    """Have spans of exactly that class read by the names of attributes, in the order of `_read`.

    None of them may be a property that others override.
    """
    _readers[kind] = attrgetter(*names)


@cache
def _know_class_of_the_sdk() -> None:
    # Looked up once: `__del__` emits when the interpreter imports nothing any more.
    from opentelemetry.sdk.trace import ReadableSpan as OfTheSdk

    read_by(OfTheSdk, *_OF_THE_SDK)


def _add(  # noqa: PLR0913, PLR0917 - a span has that many fields
    grouping: Grouping,
    name: object,
    context: "SpanContext | None",
    parent: "SpanContext | None",
    kind: object,
    start: int,
    end: int,
    attributes: "Mapping[str, object] | None",
    dropped_attributes: int,
    events: "Sequence[Event]",
    dropped_events: int,
    links: "Sequence[Link]",
    dropped_links: int,
    status: "Status | None",
    resource: "Resource | None",
    scope: "InstrumentationScope | None",
) -> None:
    try:
        # The context is a tuple: its properties would cost as much again as all of this.
        trace_id, span_id, _, _, state, _ = context  # type: ignore[misc]
        fields = [
            _BEFORE_TRACE_ID,
            trace_id.to_bytes(16, "big"),
            _BEFORE_SPAN_ID,
            span_id.to_bytes(8, "big"),
        ]
        if state is not DEFAULT_TRACE_STATE:
            fields.append(text(3, _header(state)))
    except (TypeError, ValueError, AttributeError, OverflowError):
        fields = [_ids_of_a_bad_one(context)]
    try:
        times = _start_and_end(0x39, start, 0x41, end)
    except Exception:  # noqa: BLE001 - not ended, before 1970, or no number at all
        times = fixed64(7, start) + fixed64(8, end)
    try:
        code, description = _read_status(status)
        status_field, failed = _STATUSES[code] if description is None else _status(status)
    except Exception:  # noqa: BLE001 - there is none, or one of a third party
        status_field, failed = _status(status)
    fields += (
        _FLAGS if parent is None else _parent(parent),
        _names.field(name),
        _KINDS.get(getattr(kind, "_value_", None), b""),
        times,
        _attributes.encode(attributes),
        status_field,
    )
    if events:
        dropped_events += _extend(fields, _event, events)
    if links:
        dropped_links += _extend(fields, _link, links)
    if dropped_attributes or dropped_events or dropped_links:
        fields.append(uint32(10, dropped_attributes))
        fields.append(uint32(12, dropped_events))
        fields.append(uint32(14, dropped_links))
    grouping.add(resource, scope, b"".join(fields), errors=failed)


def _ids_of_a_bad_one(context: "SpanContext | None") -> bytes:
    if context is None:
        return b""
    return identifier(1, context.trace_id, 16) + identifier(2, context.span_id, 8)


def _header(state: "TraceState") -> str:
    return ",".join(f"{key}={value}" for key, value in state.items())


def _parent(parent: "SpanContext") -> bytes:
    return identifier(4, parent.span_id, 8) + (_FLAGS_OF_REMOTE if parent.is_remote else _FLAGS)


def _status(status: "Status | None") -> tuple[bytes, bool]:
    """Return the field, and whether it says that the span failed."""
    if status is None:
        return b"", False
    code: int = getattr(status.status_code, "_value_", 0)
    try:
        description = status.description
    except Exception:  # noqa: BLE001 - as in `encode_spans`
        description = None
    if description is None:
        return _STATUSES.get(code, (b"", False))
    return length_delimited(15, text(2, description) + uint32(3, code)), code == _ERROR


def _extend(fields: list[bytes], encode: Callable[[Any], bytes], items: Iterable[object]) -> int:
    """Add what `items` are encoded to, and return how many cannot be."""
    bad = 0
    for item in items:
        try:
            fields.append(encode(item))
        except Exception:  # noqa: BLE001 - the span is worth more than one of its events
            bad += 1
    return bad


def _event(event: "Event") -> bytes:
    fields = (
        fixed64(1, event.timestamp),
        _event_names.field(event.name),
        _event_attributes.encode(event.attributes),
        uint32(4, event.dropped_attributes),
    )
    return length_delimited(11, b"".join(fields))


def _link(link: "Link") -> bytes:
    context = link.context
    fields = (
        identifier(1, context.trace_id, 16),
        identifier(2, context.span_id, 8),
        _link_attributes.encode(link.attributes),
        uint32(5, link.dropped_attributes),
        fixed32(6, _IS_REMOTE_IS_KNOWN | (_IS_REMOTE if context.is_remote else 0)),
    )
    return length_delimited(13, b"".join(fields))
