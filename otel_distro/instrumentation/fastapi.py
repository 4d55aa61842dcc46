"""FastAPI: one server span for each request, with its route, from the outermost application."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Final

from fastapi import FastAPI
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import Status, StatusCode, get_current_span, get_tracer
from opentelemetry.util.http import ExcludeList, parse_excluded_urls, sanitize_method
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from otel_distro.instrumentation.exceptions import remember_context
from otel_distro.instrumentation.http_measurements import BothNames, request_failed
from otel_distro.instrumentation.routes import find_route
from otel_distro.instrumentation.stopping import flush_providers
from otel_distro.instrumentation.system import watch_event_loop
from otel_distro.instruments import api, errors
from otel_distro.logger import context
from otel_distro.notices import describe, notice
from otel_distro.version import __version__

# In the scope of a request that has its span: applications mounted below add none.
_SEEN: Final = "otel_distro.seen"
_LAST_WORDS: Final = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed"})
# Seconds a server waits for telemetry when it stops. What then remains is in the spool.
_PATIENCE_S: Final = 2.5


class FastAPIInstrumentor(BaseInstrumentor):
    """Instruments every FastAPI application that has not yet answered a request.

    The span and the metrics are those of upstream's ASGI middleware. Ours are: the application
    is not replaced by a subclass, so those made before and subclasses are covered; routes are
    resolved through mounts; a mounted application adds no second span and counts no request
    twice; FastAPI's built-in telemetry sees upstream's middleware and stays silent.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions that are supported."""
        return ("fastapi >= 0.92",)

    def _instrument(self, **kwargs: Any) -> None:
        options = {
            "excluded_urls": kwargs.get("excluded_urls", ""),
            "tracer_provider": kwargs.get("tracer_provider"),
            "meter_provider": kwargs.get("meter_provider"),
        }
        excluded = parse_excluded_urls(options["excluded_urls"])
        original = FastAPI.build_middleware_stack

        def build_middleware_stack(app: FastAPI) -> ASGIApp:
            return _Outermost(original(app), options, excluded)

        run_task = BackgroundTask.__call__

        async def traced_task(task: BackgroundTask) -> None:
            name = getattr(task.func, "__name__", type(task.func).__name__)
            tracer = get_tracer(__name__, __version__, options["tracer_provider"])
            with tracer.start_as_current_span(f"BackgroundTask {name}"):
                await run_task(task)

        self._originals = original, run_task
        FastAPI.build_middleware_stack = build_middleware_stack  # type: ignore[method-assign, assignment]
        BackgroundTask.__call__ = traced_task  # type: ignore[method-assign, assignment]

    def _uninstrument(self, **_kwargs: Any) -> None:
        original, run_task = self._originals
        FastAPI.build_middleware_stack = original  # type: ignore[method-assign]
        BackgroundTask.__call__ = run_task  # type: ignore[method-assign]


def _instrumented(stack: ASGIApp, options: Mapping[str, Any]) -> ASGIApp:
    provider = options["meter_provider"]
    if isinstance(stack, ServerErrorMiddleware):
        # Inside the handler of last resort: there the span is still open when it fails.
        stack.app = _RecordException(stack.app, provider)
    return OpenTelemetryMiddleware(
        stack,
        default_span_details=_span_details,
        exclude_spans=["send", "receive"],
        meter=BothNames(get_meter(__name__, __version__, provider), provider),
        **options,
    )


class _Outermost:
    """Sends a request through the instrumented stack once, however many applications it passes.

    FastAPI looks along `.app` for upstream's middleware, and adds no telemetry of its own
    where it finds it.
    """

    def __init__(self, stack: ASGIApp, options: Mapping[str, Any], excluded: ExcludeList) -> None:
        self._stack = stack
        self.app = _instrumented(stack, options)
        self._meter_provider: MeterProvider | None = options["meter_provider"]
        self._excluded = excluded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _SEEN in scope:
            await self._stack(scope, receive, send)
            return
        if scope["type"] == "lifespan":
            await self._stack(scope, receive, _flushing(send))
            return
        scope[_SEEN] = []
        # What the request says of itself ends with it, also where the server gives it no task
        # of its own.
        with context():
            await self._served(scope, receive, send)

    async def _served(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_failed.set(False)
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        watch_event_loop(self._meter_provider)
        root_path = scope.get("root_path")
        if root_path and scope["type"] == "http":
            # Upstream compares the whole path; a proxy's prefix hides that of a health check.
            below = scope["path"].removeprefix(root_path)
            if self._excluded.url_disabled(f"{scope.get('scheme', 'http')}://localhost{below}"):
                await self._stack(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with api.connection(type="websocket", provider=self._meter_provider):
            await self.app(scope, receive, send)


def _flushing(send: Send) -> Send:
    """Deliver all telemetry before a server hears that the application has stopped.

    Some (gunicorn's workers) are ended by a signal right after that, and Python has no say.
    """

    async def flush_and_send(message: Message) -> None:
        if message["type"] in _LAST_WORDS:
            await run_in_threadpool(flush_providers, _PATIENCE_S)
        await send(message)

    return flush_and_send


class _RecordException:
    """Records what the application did not handle on the span of the request, once.

    The span ends with the answer of the handler of last resort, before upstream sees the
    exception. Where no such answer follows, upstream records it.
    """

    def __init__(self, app: ASGIApp, meter_provider: MeterProvider | None) -> None:
        self.app = app
        self._meter_provider = meter_provider

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answered = scope["type"] != "http"

        async def watched_send(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except Exception as error:
            remember_context(error)
            request_failed.set(True)
            seen: list[BaseException] = scope.setdefault(_SEEN, [])
            if not any(error is one for one in seen):
                seen.append(error)
                self._report(error, answered=answered)
            raise

    def _report(self, error: Exception, *, answered: bool) -> None:
        errors.captured(error, handled=False, provider=self._meter_provider)
        span = get_current_span()
        if not answered and span.is_recording():
            with suppress(Exception):  # its text is the application's code
                span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, describe(error)))


def _span_details(scope: Scope) -> tuple[str, dict[str, str]]:
    """Return the span's name and `http.route`. Never raises: routing is the application's."""
    # A WebSocket has no method: its span is named by the route alone, as upstream means to.
    method = sanitize_method(scope["method"].strip()) if "method" in scope else ""
    if method == "_OTHER":
        method = "HTTP"
    try:
        route = find_route(scope)
    except Exception as error:  # noqa: BLE001 - custom routes may raise anything
        notice("http.route", f"http.route is missing: matching raised {describe(error)}.")
        route = None
    if route is None:
        return method or scope["type"], {}
    return f"{method} {route}".strip(), {"http.route": route}
