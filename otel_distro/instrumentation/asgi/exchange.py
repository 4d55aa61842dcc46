"""A request and its response, from the first byte to the last."""

import sys
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.instrumentation.propagators import get_global_response_propagator
from opentelemetry.propagators.textmap import Setter
from opentelemetry.trace import Span, Status, StatusCode, set_span_in_context

from otel_distro.governor import state
from otel_distro.instrumentation.asgi.measurements import Series
from otel_distro.instrumentation.asgi.messages import Headers, Message, Scope, Send
from otel_distro.instrumentation.asgi.names import rename
from otel_distro.instrumentation.asgi.routes import route_of
from otel_distro.instrumentation.exceptions import (
    record_on,
    report_unhandled,
    say_fault,
    type_name,
)

if TYPE_CHECKING:
    from otel_distro.instrumentation.asgi.server import Server

_SERVER_ERROR: Final = 500
_SECOND: Final = 1_000_000_000
_FAILED: Final = Status(StatusCode.ERROR)


class Exchange:
    """Stands before the server's `send`, and reports when the response is complete.

    Where an exception may be behind the response, that is only when the application has
    returned: the exception passes by after the last byte.

    Attributes:
        context: With the span in it.
        status: Of the response; None before it has begun.
        is_over: Whether the request has been reported.
        cost: What reporting has taken so far, in seconds of the thread, where that is looked at.
    """

    status: int | None = None
    is_over = False
    cost: float | None = None
    _length: int | None = None
    # Since the request began, in seconds.
    _first_byte: float | None = None
    _last_byte: float | None = None
    _trailers = False

    def __init__(  # noqa: PLR0913, PLR0917 - what there is to know of a request
        self,
        server: "Server",
        app: object,
        scope: Scope,
        send: Send,
        headers: Headers,
        method: str,
        span: Span,
        context: Context,
        started_ns: int,
        started: float,
    ) -> None:
        self._server = server
        self._scope = scope
        self._send = send
        self._headers = headers
        self._method = method
        self._span = span
        self.context = context
        self._started_ns = started_ns
        self._started = started
        # Routing changes it, in mounted applications beyond recognition.
        self._before = {**scope, "app": app}
        # Of a caller that calls this application while it handles one.
        self._elsewhere = sys.exc_info()[1]
        self._active = active = server.measurements.active(method, scope.get("scheme"))
        active[0].value += 1
        active[1].value += 1

    async def send(self, message: Message) -> None:
        """Send a message of the application's."""
        kind = message["type"]
        if kind == "http.response.start":
            try:
                self._begin(message)
            except Exception as fault:  # noqa: BLE001 - the application goes on
                say_fault("what a response says", fault)
            await self._send(message)
            return
        if kind == "http.response.body":
            if message.get("more_body"):
                if self._length is None and self._first_byte is None:
                    self._first_byte = perf_counter() - self._started
                await self._send(message)
                return
            is_last = not self._trailers
        else:
            is_last = kind == "http.response.trailers" and not message.get("more_trailers")
        await self._send(message)
        if is_last:
            self._last_byte = perf_counter() - self._started
            # An exception may come after a server's error, and after what answers one.
            status = self.status
            if (
                status is not None
                and status < _SERVER_ERROR
                and sys.exc_info()[1] is self._elsewhere
            ):
                self.end()

    def _begin(self, message: Message) -> None:
        self.status = message["status"]
        if message.get("trailers"):
            self._trailers = True
        headers = message.get("headers") or ()
        for name, value in headers:
            if name == b"content-length":
                self._length = size(value)
                break
        captured = self._server.response_headers
        if captured is not None and state.level < 1 and self._span.is_recording():
            self._span.set_attributes(captured.read(headers))
        propagator = get_global_response_propagator()  # type: ignore[no-untyped-call]
        if propagator is not None:
            propagator.inject(message, set_span_in_context(self._span, Context()), setter=_setter)

    def fail(self, error: Exception) -> None:
        """Report what the application did not handle."""
        report_unhandled(error, self._server.meter_provider)
        self.end(error)

    def end(self, error: Exception | None = None) -> None:
        """Report the request, once. It ended with the last byte, if there was one."""
        if self.is_over:
            return
        self.is_over = True
        began = 0.0 if self.cost is None else thread_time()
        try:
            self._report(error)
        except Exception as fault:  # noqa: BLE001 - the application goes on
            say_fault("the report of a request", fault)
        active = self._active
        active[0].value -= 1
        active[1].value -= 1
        if self.cost is not None:
            self.cost += thread_time() - began

    def _report(self, error: Exception | None) -> None:
        scope = self._scope
        span = self._span
        status = self.status
        seconds = self._last_byte
        if seconds is None:
            seconds = perf_counter() - self._started
        route = route_of(scope, self._before)
        error_type = None
        if status is not None and status >= _SERVER_ERROR:
            error_type = str(status)
        elif error is not None:
            error_type = type_name(error)
        if span.is_recording():
            self._describe(span, route, error_type, error)
            span.end(self._started_ns + int(seconds * _SECOND))
        self._measure(
            (
                self._method,
                scope.get("scheme"),
                scope.get("http_version"),
                route,
                status,
                error_type,
            ),
            seconds,
        )

    def _measure(self, series: Series, seconds: float) -> None:
        span_context = self._span.get_span_context()
        received = self._headers.get(b"content-length")
        row = (
            seconds,
            self._length,
            None if received is None else size(received),
            self._started_ns,
            span_context if span_context.trace_flags & 1 else None,
        )
        server = self._server
        answered = server.measurements.answered(series)
        # Nobody has said how long a stream is to be. One that fails is no latency either, but the
        # failures are counted there, too.
        if self._first_byte is None or series[5] is not None or server.streams_in_latency:
            answered.add(row)
        else:
            answered.add_stream(row)

    def _describe(
        self, span: Span, route: str | None, error_type: str | None, error: Exception | None
    ) -> None:
        """Add what is known only now."""
        if route is not None:
            rename(span, self._method, route)
            span.set_attribute("http.route", route)
        if self.status is not None:
            span.set_attribute("http.response.status_code", self.status)
        if self._first_byte is not None:
            span.set_attribute("blipee.http.response.time_to_first_byte", self._first_byte)
        if error_type is not None:
            span.set_attribute("error.type", error_type)
            if error is None:
                span.set_status(_FAILED)
            else:
                record_on(span, error)


def size(value: bytes) -> int | None:
    """Return the number in a `content-length`; None for what is none."""
    # Not int() alone: it takes "1_0" and " +10", too.
    return int(value) if value.isdigit() and len(value) < 19 else None  # noqa: PLR2004 - of an int64


class _HeadersSetter(Setter[Message]):
    def set(self, carrier: Message, key: str, value: str) -> None:
        headers = list(carrier.get("headers") or ())
        headers.append((key.lower().encode("latin-1"), value.encode("latin-1")))
        carrier["headers"] = headers


_setter: Final = _HeadersSetter()
