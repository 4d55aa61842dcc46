"""A span that costs what it holds: one dictionary of attributes, no lock, and no copies.

Its methods may run in several threads at once, and be interrupted by themselves: by a signal
handler, or a finalizer. CPython changes threads, and calls those, where a function is called or
returns and where a loop begins anew. What stands between two such places is one step here: to look
whether the span has ended and to write into it; to look and to end it. Where a value is looked at
first, that is done before. Each write is a single operation of a dictionary or of the SDK's lists.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import time_ns
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace as trace_api
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace
from opentelemetry.sdk.trace import Event, EventBase, ReadableSpan, SpanLimits
from opentelemetry.trace import Link, Status, StatusCode
from opentelemetry.util.types import AnyValue, Attributes

from otel_distro.delivery.encoding.spans import read_by
from otel_distro.providers.tracing.failures import described, record_failure
from otel_distro.providers.tracing.values import PLAIN, copy_of_plain, put, put_all

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope

    from otel_distro.providers.isolation import SpanProcessors
    from otel_distro.providers.tracing.tracer import Tracer

_logger: Final = logging.getLogger(trace.__name__)
_UNSET: Final = Status(StatusCode.UNSET)
_NOTHING: Final[Sequence[Any]] = ()


class Span(trace.Span):
    """A span of the API that is recorded.

    `Tracer` makes it and sets its fields; those that seldom differ are the class's.

    Attributes:
        kept_if_failed: Whether it is delivered though it is not sampled, if its status is an
            error when it ends.
        count_end: What counts that the span has ended, if that is counted.
    """

    kept_if_failed = False
    count_end: Callable[[], None] | None = None

    _name: str
    _context: trace_api.SpanContext
    _parent: trace_api.SpanContext | None
    _kind: trace_api.SpanKind
    _start_time: int
    _attributes: dict[str, AnyValue]
    _resource: "Resource"
    _instrumentation_scope: "InstrumentationScope"
    _tracer: "Tracer"

    _end_time: int | None = None
    _status = _UNSET
    _events: Sequence[Event] = _NOTHING
    _links: Sequence[Link] = _NOTHING
    _dropped_attributes = 0
    _dropped_events = 0
    _dropped_links = 0
    _record_exception = True
    _set_status_on_exception = True

    def begin(  # noqa: PLR0913, PLR0917 - what a span has
        self,
        tracer: "Tracer",
        name: str,
        context: trace_api.SpanContext,
        parent: trace_api.SpanContext | None,
        kind: trace_api.SpanKind,
        attributes: Attributes,
        links: Sequence[Link] | None,
        start_time: int | None,
        owns_attributes: bool,  # noqa: FBT001 - as in `Tracer.start`
    ) -> None:
        """Take what a tracer says of a span that starts."""
        self._name = name
        self._context = context
        self._parent = parent
        self._kind = kind
        self._resource = tracer.resource
        self._instrumentation_scope = tracer.scope
        self._tracer = tracer
        if attributes is None:
            self._attributes = {}
        elif owns_attributes:
            self._attributes = attributes  # type: ignore[assignment] # it is a dictionary then
        else:
            plain = copy_of_plain(attributes, tracer.room)
            if plain is None:
                plain = {}
                self._dropped_attributes = put_all(plain, attributes, tracer.limits)
            self._attributes = plain
        if links:
            self._links = kept = self._new_links(links)
            self._dropped_links = kept.dropped
        self._start_time = time_ns() if start_time is None else start_time

    def say_of_exceptions(self, *, record: bool, set_status: bool) -> None:
        """Decide what an exception does that leaves `with span`."""
        self._record_exception = record
        self._set_status_on_exception = set_status

    def set_attribute(self, key: str, value: AnyValue) -> None:
        """Set an attribute. Of an ended span nothing is changed."""
        attributes = self._attributes
        if (
            type(value) in PLAIN
            and type(key) is str
            and key
            and len(attributes) < self._tracer.room
            and self._end_time is None
        ):
            if key in attributes:
                del attributes[key]  # the newest is the last
            attributes[key] = value
            return
        if self._end_time is not None:
            _logger.warning("Setting attribute on ended span.")
            return
        dropped = put(attributes, key, value, self._tracer.limits)
        self._dropped_attributes += dropped

    def set_attributes(self, attributes: Mapping[str, AnyValue]) -> None:
        """Set attributes. Of an ended span nothing is changed."""
        mine = self._attributes
        plain = copy_of_plain(attributes, self._tracer.room - len(mine))
        is_new = plain is not None and mine.keys().isdisjoint(plain)
        if self._end_time is not None:
            _logger.warning("Setting attribute on ended span.")
        elif is_new and plain is not None:
            mine |= plain
        else:
            dropped = put_all(mine, attributes, self._tracer.limits)
            self._dropped_attributes += dropped

    def take_attributes(self, attributes: dict[str, AnyValue]) -> None:
        """Make a dictionary the attributes of a span that has none yet, without a look at it.

        Nobody else may have it, and all in it must be `str`, `int`, `bool` or `float`.
        """
        if len(attributes) <= self._tracer.room:
            self._attributes = attributes
        else:
            self.set_attributes(attributes)

    def _add_event(self, event: EventBase) -> None:
        events: Any = self._events or vars(self).setdefault("_events", self._new_events())  # type: ignore[no-untyped-call]
        if self._end_time is None:
            events.append(event)
            self._dropped_events = events.dropped
        else:
            self._say_ended("_add_event")

    def _add_link(self, link: Link) -> None:
        links: Any = self._links or vars(self).setdefault("_links", self._new_links(()))
        if self._end_time is None:
            links.append(link)
            self._dropped_links = links.dropped
        else:
            self._say_ended("_add_link")

    def update_name(self, name: str) -> None:
        """Give the span another name, unless it has ended."""
        if self._end_time is None:
            self._name = name
        else:
            self._say_ended("update_name")

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status, unless the span has ended: OK remains, and UNSET changes nothing."""
        if self._end_time is not None:
            self._say_ended("set_status")
        elif isinstance(status, Status):
            if self._may_become(status.status_code):
                if description is not None:
                    _logger.warning(
                        "Description %s ignored. Use either `Status` or "
                        "`(StatusCode, Description)`",
                        description,
                    )
                self._status = status
        elif isinstance(status, StatusCode) and self._may_become(status):  # type: ignore[redundant-expr] # callers give anything
            self._status = Status(status, description)

    def _may_become(self, code: StatusCode) -> bool:
        is_final = self._status.status_code is StatusCode.OK
        return not is_final and code is not StatusCode.UNSET

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - the API's signature
    ) -> None:
        """Add an event that says what was raised, and where. Never raises."""
        said = described(exception, escaped=escaped)
        if attributes:
            with suppress(Exception):  # mappings are the application's, and may do anything
                said.update(attributes)
        self.add_event("exception", said, timestamp)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if exc_val is not None:
            record_failure(
                self,
                exc_val,
                record=self._record_exception,
                set_status=self._set_status_on_exception,
                escaped=True,
            )
        self.end()

    def start(
        self,
        start_time: int | None = None,  # noqa: ARG002 - the SDK's signature
        parent_context: "Context | None" = None,  # noqa: ARG002 - same
    ) -> None:
        """Do nothing: a tracer gives started spans only."""
        _logger.warning("Calling start() on a started span.")

    def end(self, end_time: int | None = None) -> None:
        """End the span, and hand it on. `end_time` is in nanoseconds since 1970."""
        now = time_ns() if end_time is None else end_time
        if self._end_time is not None:
            _logger.warning("Calling end() on an ended span.")
            return
        self._end_time = now
        if self.count_end is not None:
            self.count_end()
        processors = self._tracer.span_processor
        deliver = processors.deliver
        if deliver is None:
            processors.ended(self)
        elif self._context[3] & 1 or self.is_delivered:
            deliver(self)

    @property
    def is_delivered(self) -> bool:
        """Whether an ended span is sent: it is sampled, or kept and failed."""
        return bool(
            self._context.trace_flags & 1
            or (self.kept_if_failed and self._status.status_code is StatusCode.ERROR)
        )

    @property
    def attributes(self) -> Mapping[str, AnyValue]:
        """The attributes so far."""
        # Of a copy: who goes through them may set others meanwhile, and so may other threads.
        of_span = self._attributes
        return MappingProxyType(of_span if self._end_time is not None else of_span.copy())

    @property
    def dropped_attributes(self) -> int:
        """How many attributes were too many, or none at all."""
        return self._dropped_attributes

    # The SDK's names, for what of it is inherited here, and for those who know them.

    @property
    def _limits(self) -> SpanLimits:
        return self._tracer.limits

    @property
    def _span_processor(self) -> "SpanProcessors":  # type: ignore[override]
        return self._tracer.span_processor

    @property
    def _instrumentation_info(self) -> "InstrumentationInfo":  # type: ignore[override]
        return self._tracer.instrumentation_info

    def _readable_span(self) -> ReadableSpan:
        """Return the ended span as one of the SDK's, for processors of others."""
        return ReadableSpan(
            name=self._name,
            context=self._context,
            parent=self._parent,
            resource=self._resource,
            attributes=_of_the_sdk(self._attributes, self._dropped_attributes, self._limits),
            events=self._events,
            links=self._links,
            kind=self._kind,
            status=self._status,
            start_time=self._start_time,
            end_time=self._end_time,
            instrumentation_info=self._instrumentation_info,
            instrumentation_scope=self._instrumentation_scope,
        )

    @staticmethod
    def _say_ended(method: str) -> None:
        _logger.warning("Tried calling %s on an ended span.", method)


def _of_the_sdk(
    attributes: dict[str, AnyValue], dropped: int, limits: SpanLimits
) -> BoundedAttributes:
    made = BoundedAttributes(
        limits.max_span_attributes, None, True, limits.max_span_attribute_length
    )
    made._dict = attributes  # noqa: SLF001 - they are clean, and few enough
    made.dropped = dropped
    return made


read_by(
    Span,
    "_name",
    "_context",
    "_parent",
    "_kind",
    "_start_time",
    "_end_time",
    "_attributes",
    "_dropped_attributes",
    "_events",
    "_dropped_events",
    "_links",
    "_dropped_links",
    "_status",
    "_resource",
    "_instrumentation_scope",
)
