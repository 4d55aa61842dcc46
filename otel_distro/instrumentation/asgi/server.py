"""One SERVER span and one measurement of each request, whatever happens to it.

Every request passes here, and each call in Python is a tenth of a microsecond and more: what most
requests need stands in one place, what few need is called.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span
"""

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter, thread_time, time_ns
from typing import Any, Final, Self, TypeVar

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanKind,
    TracerProvider,
    get_current_span,
    get_tracer,
    set_span_in_context,
)

from otel_distro.governor import state
from otel_distro.instrumentation.asgi.attributes import attributes_of, method_of
from otel_distro.instrumentation.asgi.captured_headers import CapturedHeaders
from otel_distro.instrumentation.asgi.exchange import Exchange
from otel_distro.instrumentation.asgi.excluded import ExcludedUrls
from otel_distro.instrumentation.asgi.lifespan import flushing
from otel_distro.instrumentation.asgi.measurements import Measurements
from otel_distro.instrumentation.asgi.messages import Headers, Receive, Scope, Send
from otel_distro.instrumentation.asgi.names import span_name
from otel_distro.instrumentation.asgi.parent import context_of_caller
from otel_distro.instrumentation.asgi.routes import route_that_fits
from otel_distro.instrumentation.asgi.websocket import WebSocket
from otel_distro.instrumentation.exceptions import say_fault
from otel_distro.instrumentation.system import watch_event_loop
from otel_distro.logger.fields import current_fields, replace_fields
from otel_distro.version import __version__

# In the scope of a request that is seen to: applications below do nothing more.
SEEN: Final = "otel_distro.seen"
_SERVER: Final = SpanKind.SERVER
_cost: Final = state.point("http.server")

A = TypeVar("A")
Answer = Callable[[A, Scope, Receive, Send], Awaitable[None]]


class Server:
    """What one instrumentation of applications has: a tracer, instruments and settings.

    Args:
        tracer_provider: The global one by default.
        meter_provider: The global one by default.
        excluded_urls: Regular expressions, separated by commas.
        streams_in_latency: Whether streams count in the histograms of latency.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        excluded_urls: str,
        *,
        streams_in_latency: bool = False,
    ) -> None:
        self.tracer = get_tracer("otel_distro.instrumentation.asgi", __version__, tracer_provider)
        self.meter_provider = meter_provider
        self.measurements = Measurements(meter_provider)
        self.response_headers = CapturedHeaders.of_responses() or None
        self.streams_in_latency = streams_in_latency
        self._request_headers = CapturedHeaders.of_requests() or None
        self._excluded = ExcludedUrls(excluded_urls) if excluded_urls else None
        self._is_new = True
        # Of our own provider: see `otel_distro.providers.tracing.Tracer`.
        self._is_lean = hasattr(self.tracer, "bounds")
        sampler = type(getattr(self.tracer, "sampler", None))
        self._sampler_is_anyones = not sampler.__module__.startswith("opentelemetry.sdk.trace.")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Return one with an instrumentor's options."""
        return cls(
            options.get("tracer_provider"),
            options.get("meter_provider"),
            options.get("excluded_urls") or "",
            streams_in_latency=bool(options.get("streams_in_latency")),
        )

    def reporting(self, answer: Answer[A], *, silence: str = SEEN) -> Answer[A]:
        """Return a function that has a request answered, and reports it.

        Args:
            answer: Answers a request to an application, its first argument.
            silence: A key of the scope where a framework looks whether it has telemetry already.
        """
        open_exchange = self._open

        async def report(app: A, scope: Scope, receive: Receive, send: Send) -> None:
            if SEEN in scope:
                await answer(app, scope, receive, send)
                return
            scope[SEEN] = True
            scope.setdefault(silence, None)
            used = thread_time() if _cost.due() else None
            try:
                if used is not None or self._is_new:
                    # A loop that answers its first request is one to watch. Others that come
                    # later are found by and by.
                    self._is_new = False
                    watch_event_loop(self.meter_provider)
                exchange = open_exchange(app, scope, send)
            except Exception as fault:  # noqa: BLE001 - the application goes on
                say_fault("the report of a request", fault)
                exchange = None
            if exchange is None:
                await answer(app, scope, receive, flushing(scope, send))
                return
            # What the request says of itself ends with it, also where the server gives it no
            # task of its own.
            fields = current_fields()
            token = attach(exchange.context)
            if used is not None:
                exchange.cost = thread_time() - used
            try:
                await answer(app, scope, receive, exchange.send)
            except Exception as error:
                exchange.fail(error)
                raise
            finally:
                if not exchange.is_over:
                    exchange.end()
                detach(token)
                replace_fields(fields)
                if exchange.cost is not None:
                    _cost.took(exchange.cost)

        return report

    def _open(self, app: object, scope: Scope, send: Send) -> Exchange | WebSocket | None:
        """Begin to report a request; return None where nothing is to be reported."""
        kind = scope["type"]
        if kind not in {"http", "websocket"}:
            return None
        started_ns = time_ns()
        started = perf_counter()
        headers = first_of_each(scope)
        current = get_current()
        excluded = self._excluded
        if (excluded is not None and excluded.has(app, scope, headers.get(b"host"))) or (
            current and not is_http_instrumentation_enabled()
        ):
            return None
        method = method_of(scope)
        if current and get_current_span(current).get_span_context().is_valid:
            # Called by another application of this process: the caller is known.
            kind_of_span, parent = SpanKind.INTERNAL, current
        else:
            kind_of_span, parent = _SERVER, context_of_caller(scope, headers, current)
        tracer: Any = self.tracer
        if self._is_lean and tracer.bounds is not None and not tracer.span_processor.watch:
            # Nobody looks at the attributes that a span begins with.
            span: Any = tracer.start(
                span_name(method), parent, kind_of_span, None, None, started_ns
            )
            if type(span) is not NonRecordingSpan:
                span.take_attributes(attributes_of(scope, headers, method))
        else:
            span = self._start_described(
                app, scope, headers, method, parent, kind_of_span, started_ns
            )
        if self._request_headers is not None and state.level < 1:
            span.set_attributes(self._request_headers.read(scope["headers"]))
        context = set_span_in_context(span, parent)
        if kind == "websocket":
            return WebSocket(self, app, scope, send, span, context)
        return Exchange(self, app, scope, send, headers, method, span, context, started_ns, started)

    def _start_described(  # noqa: PLR0913, PLR0917 - what a span begins with
        self,
        app: object,
        scope: Scope,
        headers: Headers,
        method: str,
        parent: Context,
        kind: SpanKind,
        started_ns: int,
    ) -> Span:
        """Start a span for samplers and processors that look at what it begins with."""
        attributes = attributes_of(scope, headers, method)
        # Matching routes a second time is dear, and the standard samplers do not look at them.
        route = route_that_fits({**scope, "app": app}) if self._sampler_is_anyones else None
        if route is not None:
            attributes["http.route"] = route
        name = span_name(method, route)
        span = self.tracer.start_span(name, parent, kind, attributes, start_time=started_ns)
        # Samplers may keep none of them.
        span.set_attributes(attributes)
        return span


def first_of_each(scope: Scope) -> Headers:
    """Return the headers by name, the first of each."""
    headers = scope.get("headers") or ()
    try:
        return dict(reversed(headers))
    except TypeError:  # any iterable will do for ASGI
        scope["headers"] = headers = list(headers)
        return dict(reversed(headers))
