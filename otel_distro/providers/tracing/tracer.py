"""Tracers that start lean spans."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.context import Context
from opentelemetry.sdk import trace
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    DEFAULT_TRACE_STATE,
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    get_current_span,
)
from opentelemetry.trace import Span as AnySpan
from opentelemetry.util.types import Attributes

from otel_distro.providers.tracing.current import SPAN_KEY, current_context
from otel_distro.providers.tracing.decisions import ALL, RATIO_BITS, KeptIfFailed, bounds_of
from otel_distro.providers.tracing.ids import new_context, random_bits
from otel_distro.providers.tracing.scope import CurrentSpan
from otel_distro.providers.tracing.span import Span
from otel_distro.providers.tracing.values import room_for_plain

if TYPE_CHECKING:
    from otel_distro.providers.isolation import SpanProcessors

_SAMPLED: Final = TraceFlags.SAMPLED
_RANDOM: Final = TraceFlags.RANDOM_TRACE_ID
# All combinations of the two, by their value.
_FLAGS: Final = tuple(map(TraceFlags, range((_SAMPLED | _RANDOM) + 1)))
# Not by calling the class: the SDK's `__new__`, which is no more than this, is in Python.
_new: Final[Any] = object.__new__


def lean_tracer(tracer: trace.Tracer) -> "Tracer":
    """Make a tracer of the SDK's one of ours. It stays the object that its provider knows."""
    _learn(tracer)
    tracer.__class__ = Tracer
    return cast("Tracer", tracer)


def _learn(tracer: Any) -> None:  # noqa: ANN401 - one that is ours, or will be
    """Note what is the same for each span, until the sampler or the generator is replaced."""
    tracer.limits = tracer._span_limits  # noqa: SLF001 - the SDK's name
    tracer.room = room_for_plain(tracer.limits)
    tracer.scope = tracer._instrumentation_scope  # noqa: SLF001 - same
    tracer.is_measured = not isinstance(tracer._tracer_metrics, NoOpTracerMetrics)  # noqa: SLF001
    is_known = type(tracer.id_generator) is RandomIdGenerator and not tracer.is_measured
    tracer.bounds = bounds_of(tracer.sampler) if is_known else None


class Tracer(trace.Tracer):
    """A tracer of the API whose spans are lean. `lean_tracer` makes it.

    Attributes:
        room: How many attributes of a span are taken as they are, if they are plain.
        bounds: How the sampler decides; None where it, or the generator of ids, has to be asked.
        is_measured: Whether the SDK counts the spans that are started and ended.
    """

    span_processor: "SpanProcessors"
    limits: SpanLimits
    scope: InstrumentationScope
    room: int
    bounds: tuple[int, ...] | None
    is_measured: bool

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name in {"sampler", "id_generator"}:
            _learn(self)

    def start_as_current_span(  # type: ignore[override] # noqa: PLR0913, PLR0917 - the API's
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT001, FBT002 - the API's signature
        set_status_on_exception: bool = True,  # noqa: FBT001, FBT002 - same
        end_on_exit: bool = True,  # noqa: FBT001, FBT002 - same
    ) -> CurrentSpan:
        """Return what starts a span and makes it the current one: for `with`, or a decorator."""
        return CurrentSpan(
            self,
            (
                name,
                context,
                kind,
                attributes,
                links,
                start_time,
                record_exception,
                set_status_on_exception,
            ),
            end_on_exit,
        )

    def start_span(  # noqa: PLR0913, PLR0917 - the API's signature
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT001, FBT002 - the API's signature
        set_status_on_exception: bool = True,  # noqa: FBT001, FBT002 - same
    ) -> AnySpan:
        """Start a span, which does not become the current one."""
        span = self.start(name, context, kind, attributes, links, start_time)
        if type(span) is Span and not (record_exception and set_status_on_exception):
            span.say_of_exceptions(record=record_exception, set_status=set_status_on_exception)
        return span

    def start(  # noqa: PLR0913, PLR0917 - what a span has
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: Attributes,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        owns_attributes: bool = False,  # noqa: FBT001, FBT002 - by position is quicker
    ) -> AnySpan:
        """Start a span, for those who are in a hurry: `start_span` with one call less.

        With `owns_attributes` they are a dictionary that nobody else has, of `str`, `int`, `bool`
        and `float`. It becomes the span's own and is not looked at: a quarter of what a span costs.
        """
        current: Any = (current_context() if context is None else context).get(SPAN_KEY)
        parent = None if current is None else _context_of(current, context)
        if not self._tracer_config.is_enabled:
            return NonRecordingSpan(INVALID_SPAN_CONTEXT if current is None else parent)  # type: ignore[arg-type] # as the SDK does
        if parent is not None and not parent[5]:
            parent = None
        if self.bounds is None:
            return self._ask(name, context, kind, attributes, links, start_time, parent)
        if parent is None:
            trace_id = random_bits(128) or 1
            bound = self.bounds[0]
            flags = _RANDOM
            state = DEFAULT_TRACE_STATE
        else:
            trace_id, _, is_remote, of_parent, state, _ = parent
            bound = self.bounds[(3 if is_remote else 1) + (of_parent & _SAMPLED)]
            flags = of_parent & _RANDOM
        if bound != ALL and trace_id & RATIO_BITS >= bound:
            return NonRecordingSpan(new_context(trace_id, _FLAGS[flags], state))
        span: Span = _new(Span)
        span.begin(
            self,
            name,
            new_context(trace_id, _FLAGS[flags | _SAMPLED], state),
            parent,
            kind,
            attributes,
            links,
            start_time,
            owns_attributes,
        )
        if self.span_processor.watch:
            self.span_processor.on_start(span, parent_context=context)
        return span

    def _ask(  # noqa: PLR0913, PLR0917 - as `start`
        self,
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: Attributes,
        links: Sequence[Link] | None,
        start_time: int | None,
        parent: SpanContext | None,
    ) -> AnySpan:
        """Start a span as the SDK does, with what others say of it."""
        generator = self.id_generator
        if parent is None:
            trace_id = generator.generate_trace_id()
            is_random = generator.is_trace_id_random()
        else:
            trace_id = parent.trace_id
            is_random = bool(parent.trace_flags & _RANDOM)
        result = self.sampler.should_sample(context, trace_id, name, kind, attributes, links or ())
        decision = result.decision
        is_sampled = decision is Decision.RECORD_AND_SAMPLE
        of_span = SpanContext(
            trace_id,
            generator.generate_span_id(),
            is_remote=False,
            trace_flags=_FLAGS[_SAMPLED * is_sampled | _RANDOM * is_random],
            trace_state=result.trace_state,
        )
        count_end = self._tracer_metrics.start_span(parent, decision)
        if decision is Decision.DROP:
            return NonRecordingSpan(of_span)
        span: Span = _new(Span)
        span.begin(self, name, of_span, parent, kind, result.attributes, links, start_time, False)
        if isinstance(result, KeptIfFailed):
            span.kept_if_failed = True
        if self.is_measured:
            span.count_end = count_end
        if self.span_processor.watch:
            self.span_processor.on_start(span, parent_context=context)
        return span


def _context_of(current: Any, context: Context | None) -> SpanContext | None:  # noqa: ANN401 - anything
    """Return the span context of what is in a context, or in the current one, as its span."""
    kind = type(current)
    parent: SpanContext | None
    if kind is Span or kind is NonRecordingSpan:
        parent = current._context  # noqa: SLF001 - what both return, one call less
    else:
        parent = get_current_span(context).get_span_context()
    if type(parent) is not SpanContext and not isinstance(parent, SpanContext | None):
        raise TypeError("parent_span_context must be a SpanContext or None.")
    return parent
