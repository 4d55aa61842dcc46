"""Which span a measurement is an exemplar of, as the SDK's filters decide it."""

from collections.abc import Callable
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    TraceBasedExemplarFilter,
)
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, get_current_span

Exemplify = Callable[[Context | None], SpanContext | None]


def _sampled_span(context: Context | None) -> SpanContext | None:
    try:
        span_context = get_current_span(context or None).get_span_context()
    except Exception:  # noqa: BLE001 - contexts and spans are anyone's
        return None
    return span_context if span_context.trace_flags.sampled else None


def any_span(context: Context | None) -> SpanContext | None:
    """Return the span of a context, whatever it is."""
    try:
        return get_current_span(context or None).get_span_context()
    except Exception:  # noqa: BLE001 - as above
        return INVALID_SPAN_CONTEXT


# By the SDK's filter of exemplars: how a context is asked for the span of one.
FILTERS: Final[dict[type, Exemplify | None]] = {
    AlwaysOffExemplarFilter: None,
    AlwaysOnExemplarFilter: any_span,
    TraceBasedExemplarFilter: _sampled_span,
}
