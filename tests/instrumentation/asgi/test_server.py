"""Server instrumentation where frameworks differ, and where others would do harm."""

import asyncio
import gc
import time
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, StreamingResponse
from opentelemetry import propagate, trace
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from otel_distro.instrumentation.asgi import ServerMiddleware, attributes, server
from otel_distro.instrumentation.fastapi import FastAPIInstrumentor
from otel_distro.instrumentation.starlette import StarletteInstrumentor
from otel_distro.providers.sdk import MeterProvider as LeanMeterProvider

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def middleware(telemetry):
    def middleware(app, **options):
        return ServerMiddleware(
            app,
            tracer_provider=telemetry.tracer_provider,
            meter_provider=telemetry.meter_provider,
            **options,
        )

    return middleware


async def plain(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def test_any_asgi_application_has_its_span_and_measurement(middleware, telemetry, call):
    assert call(middleware(plain), "/x").text == "hello"
    assert telemetry.server_span.name == "GET"
    assert telemetry.server_span.attributes["url.path"] == "/x"
    (point,) = telemetry.points("http.server.request.duration")
    assert point.count == 1


def test_an_application_that_has_answered_already_is_instrumented(instrument, telemetry, call):
    app = FastAPI()
    app.get("/items/{item}")(lambda item: item)
    call(app, "/items/1")
    instrument()
    call(app, "/items/2")
    assert [span.name for span in telemetry.spans] == ["GET /items/{item}"]


@pytest.fixture
def starlette(telemetry):
    instrumentor = StarletteInstrumentor()
    instrumentor.instrument(
        skip_dep_check=True,
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
    )
    yield telemetry
    instrumentor.uninstrument()


def test_starlette_is_as_fastapi(starlette, call):
    async def answer(request):
        task = BackgroundTask(lambda: None)
        return PlainTextResponse(request.path_params["item"], background=task)

    inner = Starlette(routes=[Route("/items/{item}", answer)])
    app = Starlette(routes=[Mount("/in", inner)])
    assert call(app, "/in/items/7").text == "7"
    assert starlette.server_span.name == "GET /in/items/{item}"
    (task,) = (span for span in starlette.spans if span.kind is SpanKind.INTERNAL)
    assert task.parent.span_id == starlette.server_span.context.span_id


def test_both_instrumentors_together_report_a_request_once(starlette, instrument, call):
    instrument()
    app = FastAPI()

    @app.get("/items/{item}")
    def answer(item):
        return JSONResponse(item, background=BackgroundTask(lambda: None))

    call(app, "/items/7")
    assert [span.kind for span in starlette.spans].count(SpanKind.SERVER) == 1
    assert len(starlette.spans) == 2


def test_background_tasks_are_traced_as_long_as_anybody_wants_it(starlette, instrument, call):
    instrument().uninstrument()
    app = FastAPI()
    app.get("/")(lambda: JSONResponse(1, background=BackgroundTask(lambda: None)))
    call(app, "/")
    assert len(starlette.spans) == 2


def answering(body, **options):
    app = FastAPI()
    app.get("/")(lambda: StreamingResponse(body(), **options))
    return app


async def parts():
    yield b"one"
    yield b"two"


def test_a_stream_says_when_it_began_and_is_no_latency(instrumented, call):
    call(answering(parts), "/")
    waited = instrumented.server_span.attributes["blipee.http.response.time_to_first_byte"]
    span = instrumented.server_span
    assert 0 < waited <= (span.end_time - span.start_time) / 1e9
    assert instrumented.points("http.server.request.duration") == []
    assert instrumented.points("api.response_time") == []
    assert {point.value for point in instrumented.points("api.requests")} == {0, 1}


def test_parts_of_a_known_length_are_no_stream(instrumented, call):
    call(answering(parts, headers={"content-length": "6"}), "/")
    assert "blipee.http.response.time_to_first_byte" not in instrumented.server_span.attributes
    assert len(instrumented.points("http.server.request.duration")) == 1


def test_streams_are_latency_where_that_is_asked_for(instrument, telemetry, call):
    instrument(streams_in_latency=True)
    call(answering(parts), "/")
    assert len(telemetry.points("http.server.request.duration")) == 1


def test_the_span_of_a_stream_ends_with_its_last_byte_and_not_before(instrumented, call):
    during = []

    async def parts():
        yield b"one"
        during.append(list(instrumented.spans))
        yield b"two"

    call(answering(parts), "/")
    assert during == [[]]
    assert len(instrumented.spans) == 1


def test_a_span_ends_before_the_background_task_that_follows(instrumented, call):
    ended = []
    app = FastAPI()

    @app.get("/")
    def answer():
        return JSONResponse(1, background=BackgroundTask(lambda: ended.append(instrumented.spans)))

    call(app, "/")
    assert [span.kind for span in ended[0]] == [SpanKind.SERVER]


@pytest.mark.parametrize("status", [200, 400, 503])
def test_an_unhandled_exception_is_recorded_whatever_its_handler_answers(
    status, instrumented, call
):
    app = FastAPI()

    @app.exception_handler(Exception)
    def handler(_request, _error):
        return JSONResponse("sorry", status)

    @app.get("/")
    def raises():
        raise LookupError("nothing there")

    assert call(app, "/").status_code == status
    span = instrumented.server_span
    (event,) = span.events
    assert event.attributes["exception.type"] == "LookupError"
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["http.response.status_code"] == status
    assert span.attributes["error.type"] == ("503" if status == 503 else "LookupError")


def test_the_span_is_current_in_the_handler_of_last_resort(instrumented, call):
    seen = []
    app = FastAPI()

    @app.exception_handler(Exception)
    def handler(_request, _error):
        seen.append(trace.get_current_span().get_span_context().span_id)
        return JSONResponse("sorry", 500)

    @app.get("/")
    def raises():
        raise LookupError

    call(app, "/")
    assert seen == [instrumented.server_span.context.span_id]


class ByRoute(Sampler):
    def __init__(self):
        self.seen = []

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, *_more):
        self.seen.append((name, attributes.get("http.route")))
        return SamplingResult(Decision.DROP)

    def get_description(self):
        return "by route"


def test_a_sampler_of_ones_own_sees_the_route(instrument, telemetry, call):
    telemetry.tracer_provider.sampler = sampler = ByRoute()
    instrument()
    app = FastAPI()
    app.get("/items/{item}")(lambda item: item)
    call(app, "/items/7")
    assert sampler.seen == [("GET /items/{item}", "/items/{item}")]
    assert telemetry.spans == ()


@pytest.mark.parametrize(
    ("header", "goes_on"),
    [
        (TRACEPARENT, True),
        (TRACEPARENT.replace("-01", "-00"), True),
        (f" {TRACEPARENT} ", True),
        (TRACEPARENT.upper(), False),
        (TRACEPARENT.replace("00-", "ff-", 1), False),
        (TRACEPARENT.replace("00-", "01-", 1) + "-more", True),
        (TRACEPARENT + "-more", False),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", False),
        (f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01", False),
        ("nonsense", False),
    ],
)
def test_traceparent_is_read_as_the_propagator_reads_it(header, goes_on):
    from otel_distro.instrumentation.asgi.parent import context_of_caller

    headers = {b"traceparent": header.encode()}
    found = context_of_caller({"headers": list(headers.items())}, headers, trace.Context())
    expected = propagate.extract({"traceparent": header})
    span = trace.get_current_span(found).get_span_context()
    assert span == trace.get_current_span(expected).get_span_context()
    assert span.is_valid is goes_on


def test_a_propagator_that_raises_costs_the_parent_only(instrumented, call, monkeypatch, said):
    class Raises(TraceContextTextMapPropagator):
        def extract(self, *_arguments, **_more):
            raise RuntimeError("no")

    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", Raises())
    app = FastAPI()
    app.get("/")(lambda: 1)
    call(app, "/", headers={"traceparent": TRACEPARENT})
    assert instrumented.server_span.parent is None
    assert len(said()) == 1


class Odd:
    """Stands where something else is expected, and raises whatever is done to it."""

    def __getattr__(self, name):
        raise RuntimeError(name)


ODD_SCOPES = {
    "no headers": {"headers": None},
    "headers as a generator": {"headers": ((name, b"x") for name in (b"host", b"a"))},
    "headers as text": {"headers": [("host", "service")]},
    "no scheme": {"scheme": None},
    "no server": {"server": None},
    "an odd server": {"server": Odd()},
    "an odd client": {"client": Odd()},
    "a Unix socket": {"server": ("/run/app.sock", None), "client": None},
    "a query that is no UTF-8": {"query_string": b"\xff=\xfe"},
    "a host that is none": {"headers": [(b"host", b"[::1:80")]},
    "an odd method": {"method": "\xff"},
}


@pytest.mark.parametrize("case", ODD_SCOPES)
def test_an_odd_request_is_answered_as_without_us(case, middleware, telemetry):
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "scheme": "http",
        "http_version": "1.1",
        "query_string": b"",
        "headers": [],
        "server": ("service", 80),
        "client": ("client", 1),
    } | ODD_SCOPES[case]
    sent = []

    async def send(message):
        sent.append(message["type"])

    asyncio.run(middleware(plain, excluded_urls="health")(scope, None, send))
    assert sent == ["http.response.start", "http.response.body"]
    reported = case not in {"an odd server", "an odd client"}
    assert len(telemetry.spans) == reported


def test_a_fault_of_ours_while_a_response_is_sent_is_one_line(
    middleware, telemetry, call, monkeypatch, said
):
    def fails(*_arguments):
        raise RuntimeError("a fault")

    monkeypatch.setattr("otel_distro.instrumentation.asgi.exchange.route_of", fails)
    monkeypatch.setattr("otel_distro.instrumentation.asgi.exchange.size", fails)
    app = FastAPI()
    app.get("/")(lambda: "fine")
    wrapped = middleware(app)
    assert [call(wrapped, "/").text for _ in range(3)] == ['"fine"'] * 3
    assert len(said()) == 2
    assert [point.value for point in telemetry.points("api.active_connections")] == [0]


CAPTURED = {
    "by name": ({"SERVER_REQUEST": "x-a"}, {"http.request.header.x_a": ("1", "2")}),
    "by pattern, one hidden": (
        {"SERVER_REQUEST": "X-.*", "SANITIZE_FIELDS": "x-b"},
        {"http.request.header.x_a": ("1", "2"), "http.request.header.x_b": ("[REDACTED]",)},
    ),
    "of the response": (
        {"SERVER_RESPONSE": "content-type"},
        {"http.response.header.content_type": ("application/json",)},
    ),
    "a bad pattern": ({"SERVER_REQUEST": "x-("}, {}),
    "hidden by a bad pattern": (
        {"SERVER_REQUEST": "x-a", "SANITIZE_FIELDS": "("},
        {"http.request.header.x_a": ("[REDACTED]", "[REDACTED]")},
    ),
}


@pytest.mark.parametrize("case", CAPTURED)
def test_headers_are_captured_as_the_standard_variables_say(
    case, monkeypatch, instrument, telemetry, call
):
    variables, expected = CAPTURED[case]
    for name, value in variables.items():
        monkeypatch.setenv(f"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_{name}", value)
    instrument()
    app = FastAPI()
    app.get("/")(lambda: 1)
    call(app, "/", headers=[("x-a", "1"), ("x-a", "2"), ("x-b", "secret")])
    found = telemetry.server_span.attributes
    assert {name: value for name, value in found.items() if ".header." in name} == expected


def test_the_governor_leaves_out_what_only_helps_to_debug(instrumented, call, monkeypatch):
    monkeypatch.setattr(server.state, "level", 1)
    app = FastAPI()
    app.get("/items/{item}")(lambda item: item)
    call(app, "/items/7?q=1")
    found = set(instrumented.server_span.attributes)
    debug = {"url.query", "user_agent.original", "network.protocol.version", "client.port"}
    assert not found & debug
    assert {"http.route", "url.path", "http.response.status_code"} <= found


def test_uninstrument_leaves_what_somebody_else_has_put_over_it(telemetry):
    instrumentor = FastAPIInstrumentor()
    original = FastAPI.__call__
    instrumentor.instrument(skip_dep_check=True)
    ours = FastAPI.__call__

    async def theirs(app, scope, receive, send):
        await ours(app, scope, receive, send)

    try:
        FastAPI.__call__ = theirs
        instrumentor.uninstrument()
        assert FastAPI.__call__ is theirs
    finally:
        FastAPI.__call__ = original


def series(server, count):
    for number in range(count):
        yield server.measurements.answered(("GET", "http", "1.1", f"/{number}", 200, None))


@pytest.fixture
def lean():
    reader = InMemoryMetricReader()
    provider = LeanMeterProvider(metric_readers=[reader], shutdown_on_exit=False)

    def counted():
        data = reader.get_metrics_data()
        return sum(
            point.count
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == "http.server.request.duration"
            for point in metric.data.data_points
        )

    yield provider, counted
    provider.shutdown()


def test_no_request_is_lost_however_many_series_there_are(lean):
    provider, counted = lean
    reporting = server.Server(None, provider, "")
    for _ in range(3):
        for answered in series(reporting, 2_100):
            answered.add((0.1, None, None, 1, None))
    assert counted() == 3 * 2_100


def test_no_request_is_lost_where_the_instrumentation_goes(lean):
    provider, counted = lean
    reporting = server.Server(None, provider, "")
    for _ in range(100):
        next(series(reporting, 1)).add((0.1, None, None, 1, None))
    del reporting
    gc.collect()
    assert counted() == 100


def test_what_a_thread_holds_up_is_given_up_before_it_fills_the_memory(lean, said):
    provider, _ = lean
    answered = next(series(server.Server(None, provider, ""), 1))
    answered.add((0.1, None, None, 1, None))
    answered._settling.acquire()
    for _ in range(30_000):
        answered.add((0.1, None, None, 1, None))
    assert len(answered._rows) < 15_000
    assert len(said()) == 1


def test_what_reporting_takes_is_told_to_the_governor(middleware, call, monkeypatch):
    told = []
    monkeypatch.setattr(server, "_cost", SimpleNamespace(due=lambda: True, took=told.append))

    def burn(*_arguments):
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass

    monkeypatch.setattr("otel_distro.instrumentation.asgi.exchange.route_of", burn)
    call(middleware(plain), "/")
    assert told[0] >= 0.02


def test_what_clients_say_is_kept_only_if_it_is_short(middleware, call):
    attributes._common.clear()
    for length in (10, 1_000):
        call(middleware(plain), "/", headers={"user-agent": "x" * length})
    assert [len(key[5]) for key in attributes._common] == [10]


@pytest.mark.parametrize(
    ("pattern", "excluded"),
    [
        ("^https?://[^/]+/a", {"/a", "/a/b"}),
        ("^https?://[^/]+/a|/b$", {"/a", "/a/b", "/b", "/x/b"}),
        ("^https?://[^/]+/(a|b)$", {"/a", "/b"}),
        ("/b$", {"/b", "/a/b", "/x/b"}),
        (r"^https?://[^/]+/\(|/b$", {"/b", "/a/b", "/x/b"}),
        ("service/a", {"/a", "/a/b"}),
    ],
)
def test_excluded_urls_are_searched_for_the_whole_pattern(
    pattern, excluded, middleware, telemetry, call
):
    app = middleware(plain, excluded_urls=pattern)
    paths = ("/a", "/b", "/a/b", "/x/b", "/c")
    for path in paths:
        call(app, path)
    reported = {span.attributes["url.path"] for span in telemetry.spans}
    assert reported == set(paths) - excluded
