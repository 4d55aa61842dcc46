"""The context of the caller, from the headers of a request.

Most requests have no such header, or exactly the one of W3C Trace Context: these two are read
here, all others by the global propagator.
"""

import re
from typing import Final

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagate import get_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Getter, TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otel_distro.instrumentation.asgi.messages import Headers, Scope
from otel_distro.notices import describe, notice

_traceparent: Final = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})").fullmatch
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16


def context_of_caller(scope: Scope, headers: Headers, current: Context) -> Context:
    """Return the current context with what the caller said of its own.

    Args:
        scope: Of the request.
        headers: The first of each name.
        current: The current context.
    """
    value = headers.get(b"traceparent")
    propagator = get_global_textmap()
    known, reads_w3c_only = _seen[0]
    if known is not propagator:
        reads_w3c_only = _look_at(propagator)
    if not reads_w3c_only or b"tracestate" in headers or b"baggage" in headers:
        return _extracted(propagator, scope, current)
    if value is None:
        return current
    said = _traceparent(value)
    if said is None or said[1] == _NO_TRACE or said[2] == _NO_SPAN:
        return _extracted(propagator, scope, current)
    caller = SpanContext(
        int(said[1], 16), int(said[2], 16), is_remote=True, trace_flags=TraceFlags(int(said[3], 16))
    )
    return set_span_in_context(NonRecordingSpan(caller), current)


def _extracted(propagator: TextMapPropagator, scope: Scope, current: Context) -> Context:
    try:
        return propagator.extract(scope, current, getter=_getter)
    except Exception as error:  # noqa: BLE001 - the propagator's, or the client's
        notice("propagator", f"the context of a caller is not taken over ({describe(error)}).")
        return current


# The global propagator that was looked at last, and what was found.
_seen: list[tuple[TextMapPropagator | None, bool]] = [(None, False)]


def _look_at(propagator: TextMapPropagator) -> bool:
    """Return whether a propagator reads the headers of W3C only, and trace context among them."""
    parts = (
        getattr(propagator, "_propagators", ())
        if isinstance(propagator, CompositePropagator)
        else (propagator,)
    )
    found = any(type(one) is TraceContextTextMapPropagator for one in parts) and all(
        isinstance(one, TraceContextTextMapPropagator | W3CBaggagePropagator) for one in parts
    )
    _seen[0] = propagator, found
    return found


class _HeadersGetter(Getter[Scope]):
    """Reads the headers of a scope, all of a name."""

    def get(self, carrier: Scope, key: str) -> list[str] | None:
        name = key.lower().encode("latin-1", "replace")
        found = [
            _text(value) for header, value in carrier.get("headers") or () if header.lower() == name
        ]
        return found or None

    def keys(self, carrier: Scope) -> list[str]:
        return [header.decode("latin-1") for header, _ in carrier.get("headers") or ()]


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")  # as HTTP has it: half a surrogate pair ends propagators


_getter: Final = _HeadersGetter()
