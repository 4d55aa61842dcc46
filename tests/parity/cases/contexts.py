"""Traces that come in and go on, sampling, suppression, and URLs that are left out."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fastapi
import httpx
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.propagators import TraceResponsePropagator
from opentelemetry.instrumentation.utils import (
    suppress_http_instrumentation,
    suppress_instrumentation,
)
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span

from parity.case import CALLER_SPAN, CALLER_TRACE, TRACEPARENT, Case, Probe
from parity.cases.applications import plain_asgi, shop, starlette_shop
from parity.cases.sockets import sockets
from parity.driver import Request, websocket


@contextmanager
def _in_a_span(provider: Any) -> Iterator[None]:
    with provider.get_tracer("outside").start_as_current_span("outside"):
        yield


@contextmanager
def _in_a_dropped_span(provider: Any) -> Iterator[None]:
    dropped = SpanContext(int(CALLER_TRACE, 16), int(CALLER_SPAN, 16), is_remote=False)
    with use_span(NonRecordingSpan(dropped)):
        yield


def _suppressed(_provider: Any) -> Any:
    return suppress_instrumentation()


def _suppressed_for_http(_provider: Any) -> Any:
    return suppress_http_instrumentation()


class _ByName(Sampler):
    """Decides by what is known when a span starts.

    Args:
        keeps: Whether the attributes go back to the SDK, which has no others than those.
    """

    def __init__(self, *, keeps: bool = True) -> None:
        self._keeps = keeps

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        *rest: Any,
        **options: Any,
    ) -> SamplingResult:
        """Sample one route."""
        wanted = name.startswith("GET ") and (attributes or {}).get("http.route")
        decision = Decision.RECORD_AND_SAMPLE if wanted == "/items/{item_id}" else Decision.DROP
        return SamplingResult(decision, attributes if self._keeps else None)

    def get_description(self) -> str:
        """Return a name."""
        return "by name"


class _Looks(Sampler):
    """Says on the span what it could decide by."""

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        *rest: Any,
        **options: Any,
    ) -> SamplingResult:
        """Sample everything."""
        seen = {"seen.name": name, "seen.attributes": sorted(attributes or ())}
        return SamplingResult(Decision.RECORD_AND_SAMPLE, {**(attributes or {}), **seen})

    def get_description(self) -> str:
        """Return a name."""
        return "looks"


def calling(probe: Probe) -> Any:
    """Return an application that calls another one of its process."""
    app, other = fastapi.FastAPI(), shop(probe)

    @app.get("/ask")
    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(other)) as client:
            return (await client.get("http://other/items/7")).json()

    return app


def two(probe: Probe) -> Any:
    """Return two applications side by side."""
    one, other = shop(probe), fastapi.FastAPI()
    other.get("/others/{name}")(lambda name: name)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (other if scope["path"].startswith("/others") else one)(scope, receive, send)

    return app


def forgetful(probe: Probe) -> Any:
    """Return an application that leaves a span, and baggage, in its context."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        probe(f"handler of {scope['path']}")
        context.attach(baggage.set_baggage("left", "behind"))
        context.attach(trace.set_span_in_context(trace.get_tracer("x").start_span("left")))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    return app


def measured(probe: Probe) -> Any:
    """Return an application that looks at the requests that are active."""
    app = fastapi.FastAPI()

    @app.get("/")
    async def look():
        for metric in probe.telemetry.metrics():
            if metric.name == "http.server.active_requests":
                probe.facts["active while it runs"] = [
                    (point.value, sorted(point.attributes.items()))
                    for point in metric.data.data_points
                ]
        return "ok"

    return app


def _item(*headers: tuple[bytes, bytes], **options: Any) -> Request:
    return Request(path="/items/7", headers=headers, **options)


def _parent(value: bytes) -> tuple[bytes, bytes]:
    return (b"traceparent", value)


_ITEM = _item()
_CALLED = _item(_parent(TRACEPARENT))
_INVALID = {
    "with another version": TRACEPARENT.replace(b"00-", b"01-", 1) + b"-more",
    "with version ff": TRACEPARENT.replace(b"00-", b"ff-", 1),
    "with ids of zeros": b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01",
    "in capital letters": TRACEPARENT.upper(),
    "that is too short": TRACEPARENT[:-4],
    "that is empty": b"",
    "that is not UTF-8": b"\xff\xfe",
    "with spaces around": b" " + TRACEPARENT + b" ",
    "with other flags": TRACEPARENT[:-2] + b"ff",
}


def _excluded(name: str, urls: str, request: Request, **options: Any) -> Case:
    return Case(f"excluded: {name}", shop, request, excluded_urls=urls, **options)


CASES = [
    Case("called", shop, _CALLED, on_the_wire=True),
    Case(
        "called and not sampled",
        shop,
        _item(_parent(TRACEPARENT[:-1] + b"0")),
        sampler=ParentBased(ALWAYS_OFF),
    ),
    Case("called and sampled, unlike the root", shop, _CALLED, sampler=ParentBased(ALWAYS_OFF)),
    Case("called with a state", shop, _item(_parent(TRACEPARENT), (b"tracestate", b"a=1,b=2"))),
    Case(
        "called with two states",
        shop,
        _item(_parent(TRACEPARENT), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")),
    ),
    Case("called with a state alone", shop, _item((b"tracestate", b"a=1"))),
    Case("called with a bad state", shop, _item(_parent(TRACEPARENT), (b"tracestate", b"=;,,"))),
    Case(
        "called with baggage", shop, _item(_parent(TRACEPARENT), (b"baggage", b"user=7,plan=a%20b"))
    ),
    Case("called with baggage alone", shop, _item((b"baggage", b"user=7"))),
    Case("called with two baggages", shop, _item((b"baggage", b"a=1"), (b"baggage", b"b=2"))),
    Case("called with baggage that is not UTF-8", shop, _item((b"baggage", b"a=1,b=\xe9"))),
    Case(
        "called with a state that is not UTF-8",
        shop,
        _item(_parent(TRACEPARENT), (b"tracestate", b"a=1,b=\xe9")),
    ),
    Case("called by two", shop, _item(_parent(TRACEPARENT), _parent(TRACEPARENT[:-4] + b"8-01"))),
    Case("called in capital names", shop, _item((b"Traceparent", TRACEPARENT))),
    *(
        Case(f"called by a parent {name}", shop, _item(_parent(value)))
        for name, value in _INVALID.items()
    ),
    Case("called, and then not", shop, _CALLED, then=(_ITEM,)),
    Case("socket: called", sockets, websocket("/closes/1000", headers=(_parent(TRACEPARENT),))),
    Case("Starlette: called", starlette_shop, _CALLED, kind="starlette"),
    Case("plain ASGI: called", plain_asgi, _CALLED, kind="asgi"),
    Case("sampled never", shop, _ITEM, sampler=ALWAYS_OFF, on_the_wire=True),
    Case("sampled never, raises", shop, Request(path="/raises/1"), sampler=ALWAYS_OFF),
    Case("sampled by name", shop, _ITEM, sampler=_ByName()),
    Case("sampled by what keeps no attributes", shop, _ITEM, sampler=_ByName(keeps=False)),
    Case("sampled by name, and not", shop, Request(path="/answers/200"), sampler=_ByName()),
    Case("sampled by what a sampler sees", shop, _CALLED, sampler=_Looks()),
    Case("calls another application", calling, Request(path="/ask"), on_the_wire=True),
    Case(
        "two applications", two, _ITEM, then=(Request(path="/others/me"), _ITEM), on_the_wire=True
    ),
    Case("leaves its context", forgetful, Request(), then=(Request(path="/next"),), kind="asgi"),
    Case("inside a span", shop, _ITEM, around=_in_a_span),
    Case("inside a span, and called", shop, _CALLED, around=_in_a_span),
    Case("inside a span, raises", shop, Request(path="/raises/1"), around=_in_a_span),
    Case("inside a span that is not sampled", shop, _ITEM, around=_in_a_dropped_span),
    Case("socket: inside a span", sockets, websocket("/closes/1000"), around=_in_a_span),
    Case("suppressed", shop, _ITEM, around=_suppressed),
    Case("suppressed for HTTP", shop, _ITEM, around=_suppressed_for_http),
    Case("suppressed, raises", shop, Request(path="/raises/1"), around=_suppressed),
    Case("socket: suppressed", sockets, websocket("/closes/1000"), around=_suppressed),
    Case(
        "with the trace in the answer",
        shop,
        _ITEM,
        response_propagator=TraceResponsePropagator(),
        changes_answer=True,
    ),
    Case(
        "with the trace in the answer, raises",
        shop,
        Request(path="/raises/1"),
        response_propagator=TraceResponsePropagator(),
        changes_answer=True,
    ),
    Case("active while it runs", measured, Request()),
    _excluded("none", "", _ITEM),
    _excluded("one", "items", _ITEM),
    _excluded("another", "health,metrics", _ITEM),
    _excluded("by a pattern", "^http://service/items/[0-9]+$", _ITEM),
    _excluded("by host", "^http://other/", _item(host=b"other")),
    _excluded("by a query", "secret", _item(query=b"secret")),
    _excluded("raises", "raises", Request(path="/raises/1")),
    _excluded("then not", "items", _ITEM, then=(Request(path="/answers/200"),)),
    _excluded(
        "behind a proxy",
        "^http://service/pre/items",
        Request(path="/pre/items/7", root_path="/pre"),
    ),
    _excluded(
        "without its host header",
        "^http://service:8000/",
        _item(host=None, server=("service", 8000)),
    ),
    Case("excluded: a socket", sockets, websocket("/closes/1000"), excluded_urls="closes"),
    Case(
        "excluded: for FastAPI",
        shop,
        _ITEM,
        variables={"OTEL_PYTHON_FASTAPI_EXCLUDED_URLS": "items"},
    ),
    Case("excluded: for all", shop, _ITEM, variables={"OTEL_PYTHON_EXCLUDED_URLS": "items"}),
    Case(
        "excluded: for all but FastAPI",
        shop,
        _ITEM,
        variables={"OTEL_PYTHON_EXCLUDED_URLS": "items", "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS": "no"},
    ),
]
