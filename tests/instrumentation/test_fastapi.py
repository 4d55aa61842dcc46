"""FastAPI under our instrumentor: one span and one count for each request, whatever happens."""

import asyncio
import functools

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException, WebSocket
from fastapi.responses import StreamingResponse
from opentelemetry.propagate import inject
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.trace import SpanKind, StatusCode
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware

STABLE_NAMES = {
    "http.request.method": "GET",
    "http.response.status_code": 200,
    "http.route": "/items/{item_id}",
    "network.protocol.version": "1.1",
    "url.path": "/items/7",
    "url.query": "page=2",
    "url.scheme": "http",
}


class OutOfStockError(Exception):
    pass


def application(**options):
    app = FastAPI(**options)

    @app.get("/items/{item_id}")
    def item(item_id: int):
        return item_id

    @app.get("/raises/{item_id}")
    def raises(item_id: int):
        raise OutOfStockError(f"item {item_id}")

    @app.get("/refuses/{status}")
    def refuses(status: int):
        raise HTTPException(status)

    @app.get("/breaks-off")
    def breaks_off():
        def parts():
            yield "a part"
            raise OutOfStockError("the rest")

        return StreamingResponse(parts())

    for path in ("/health", "/api/v1/health/ready", "/patients/health", "/healthy"):
        app.get(path)(lambda: "ok")
    return app


def mounted(levels=2):
    app = application()
    for _ in range(levels):
        outer = FastAPI()
        outer.mount("/in", app)
        app = outer
    return app


def exceptions(span):
    return [event for event in span.events if event.name == "exception"]


def test_a_request_is_one_server_span_with_stable_names(instrumented, call):
    call(application(), "/items/7?page=2")
    (span,) = instrumented.spans
    assert span.kind is SpanKind.SERVER
    assert span.name == "GET /items/{item_id}"
    assert dict(span.attributes).items() >= STABLE_NAMES.items()
    assert not {"http.method", "http.status_code", "http.target"} & span.attributes.keys()
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("levels", [1, 2, 5])
def test_a_request_through_mounted_applications_is_one_span_and_one_count(
    levels, instrumented, call
):
    assert call(mounted(levels), "/in" * levels + "/items/7").json() == 7
    route = "/in" * levels + "/items/{item_id}"
    (span,) = instrumented.spans
    assert span.attributes["http.route"] == route
    (point,) = instrumented.points()
    assert point.count == 1
    assert point.attributes["http.route"] == route
    assert point.attributes["http.response.status_code"] == 200


def test_the_trace_of_the_caller_goes_on(instrumented, call):
    headers = {}
    with instrumented.tracer_provider.get_tracer("caller").start_as_current_span("out") as out:
        inject(headers)
    call(application(), "/items/7", headers=headers)
    assert instrumented.server_span.parent.span_id == out.get_span_context().span_id


@pytest.mark.parametrize("prefix", ["", "/in", "/in/in"])
def test_an_exception_is_recorded_once_and_answered_with_500(prefix, instrumented, call):
    app = mounted(prefix.count("/in"))
    assert call(app, f"{prefix}/raises/1").status_code == 500
    (span,) = instrumented.spans
    (event,) = exceptions(span)
    assert event.attributes["exception.type"].endswith("OutOfStockError")
    assert event.attributes["exception.message"] == "item 1"
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["http.response.status_code"] == 500
    (point,) = instrumented.points()
    assert point.attributes["http.response.status_code"] == 500
    assert point.attributes["error.type"] == "500"
    assert point.attributes["http.route"] == f"{prefix}/raises/{{item_id}}"


def test_an_exception_below_a_middleware_of_the_application_is_recorded_once(instrumented, call):
    async def pass_on(request, call_next):
        return await call_next(request)

    app = application()
    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    assert call(app, "/raises/1").status_code == 500
    assert len(exceptions(instrumented.server_span)) == 1


def test_an_exception_that_cannot_be_printed_reaches_the_handler_of_last_resort(instrumented, call):
    class UnprintableError(Exception):
        def __str__(self):
            raise RuntimeError

    caught = []
    app = FastAPI()

    @app.exception_handler(Exception)
    def handle(request, error):
        caught.append(type(error))
        return StreamingResponse(iter(["sorry"]), status_code=500)

    @app.get("/")
    def fail():
        raise UnprintableError

    assert call(app, "/").status_code == 500
    assert caught == [UnprintableError]
    assert instrumented.server_span.status.status_code is StatusCode.ERROR


def test_an_answer_that_breaks_off_has_its_exception_once(instrumented, call):
    call(application(), "/breaks-off")
    span = instrumented.server_span
    assert len(exceptions(span)) == 1
    assert span.status.status_code is StatusCode.ERROR


def test_an_exception_that_the_application_handles_is_no_error(instrumented, call):
    app = application()

    @app.exception_handler(OutOfStockError)
    def handle(request, error):
        return StreamingResponse(iter(["sold out"]), status_code=409)

    assert call(app, "/raises/1").status_code == 409
    span = instrumented.server_span
    assert exceptions(span) == []
    assert span.status.status_code is StatusCode.UNSET


def test_a_handler_of_last_resort_keeps_the_exception_on_the_span(instrumented, call):
    app = application()

    @app.exception_handler(Exception)
    def handle(request, error):
        return StreamingResponse(iter(["sorry"]), status_code=503)

    assert call(app, "/raises/1").status_code == 503
    span = instrumented.server_span
    assert len(exceptions(span)) == 1
    assert span.attributes["http.response.status_code"] == 503
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(("status", "expected"), [(404, StatusCode.UNSET), (500, StatusCode.ERROR)])
def test_an_http_exception_is_a_status_and_no_exception(status, expected, instrumented, call):
    assert call(application(), f"/refuses/{status}").status_code == status
    span = instrumented.server_span
    assert exceptions(span) == []
    assert span.status.status_code is expected


@pytest.mark.parametrize(
    ("path", "reported"),
    [
        ("/health", False),
        ("/health?probe=1", False),
        ("/api/v1/health/ready", False),
        ("/patients/health", True),
        ("/healthy", True),
        ("/items/7?next=/health", True),
    ],
)
def test_probes_are_in_neither_spans_nor_metrics_and_what_looks_alike_is(
    path, reported, instrumented, call
):
    assert call(application(), path).status_code == 200
    assert len(instrumented.spans) == reported
    assert len(instrumented.points()) == reported
    assert len(instrumented.points("http.server.active_requests")) == reported


def test_a_probe_of_a_mounted_application_is_judged_by_its_whole_url(instrument, telemetry, call):
    instrument(excluded_urls="^http://service/in/health$")
    for path, reported in (("/in/health", 0), ("/in/healthy", 1)):
        assert call(mounted(1), path).status_code == 200
        assert len(telemetry.spans) == reported


def test_a_probe_below_the_root_path_of_a_proxy_is_none_of_both(instrumented, call):
    assert call(application(), "/pre/health", root_path="/pre").status_code == 200
    assert (instrumented.spans, instrumented.points()) == ((), [])
    assert call(application(), "/pre/items/7", root_path="/pre").status_code == 200
    assert len(instrumented.spans) == len(instrumented.points()) == 1


def test_an_application_made_before_is_instrumented(instrument, telemetry, call):
    app = application()
    instrument()
    call(app, "/items/7")
    assert len(telemetry.spans) == 1


def test_subclasses_are_instrumented_and_keep_their_own_stack(instrumented, call):
    class Ours(FastAPI):
        built = 0

        def build_middleware_stack(self):
            self.built += 1
            return super().build_middleware_stack()

    app = Ours()
    app.get("/")(lambda: "ok")
    assert call(app, "/").status_code == 200
    assert app.built == 1
    assert type(app) is Ours
    assert instrumented.server_span.name == "GET /"


def test_two_applications_report_each_their_own(instrumented, call):
    one, two = FastAPI(), FastAPI()
    one.get("/one")(lambda: 1)
    two.get("/two")(lambda: 2)
    call(one, "/one")
    call(two, "/two")
    assert [span.name for span in instrumented.spans] == ["GET /one", "GET /two"]
    assert sorted(point.attributes["http.route"] for point in instrumented.points()) == [
        "/one",
        "/two",
    ]


def test_one_application_that_calls_another_has_two_spans_in_one_trace(instrumented, call):
    inner, outer = application(), FastAPI()

    @outer.get("/ask")
    async def ask():
        headers = {}
        inject(headers)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(inner)) as client:
            return (await client.get("http://inner/items/7", headers=headers)).json()

    assert call(outer, "/ask").json() == 7
    first, second = instrumented.spans
    assert (first.name, second.name) == ("GET /items/{item_id}", "GET /ask")
    assert first.parent.span_id == second.context.span_id
    assert sum(point.count for point in instrumented.points()) == 2


def test_requests_at_once_do_not_mix(instrumented):
    app = FastAPI()

    @app.get("/{name}")
    async def wait(name: str):
        await asyncio.sleep(0)
        if name == "b":
            raise OutOfStockError(name)

    async def all_of_them():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            await asyncio.gather(*(client.get(f"/{name}") for name in "abc"))

    asyncio.run(all_of_them())
    found = {span.attributes["url.path"]: len(exceptions(span)) for span in instrumented.spans}
    assert found == {"/a": 0, "/b": 1, "/c": 0}


def test_after_uninstrument_new_applications_are_as_fastapi_made_them(instrument, telemetry, call):
    originals = FastAPI.build_middleware_stack, BackgroundTask.__call__
    instrument().uninstrument()
    assert (FastAPI.build_middleware_stack, BackgroundTask.__call__) == originals
    call(application(), "/items/7")
    assert telemetry.spans == ()


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda: None, "<lambda>"),
        (OutOfStockError, "OutOfStockError"),
        (functools.partial(int, 1), "partial"),
    ],
)
def test_a_background_task_is_a_span_of_the_requests_trace(function, name, instrumented, call):
    app = FastAPI()

    @app.get("/later")
    def later(tasks: BackgroundTasks):
        tasks.add_task(function)

    assert call(app, "/later").status_code == 200
    request = instrumented.server_span
    (task,) = (span for span in instrumented.spans if span is not request)
    assert task.name == f"BackgroundTask {name}"
    assert task.parent.span_id == request.context.span_id


def test_a_background_task_that_raises_has_its_exception_once_on_its_own_span(instrumented, call):
    def fail():
        raise OutOfStockError

    app = FastAPI()

    @app.get("/later")
    def later(tasks: BackgroundTasks):
        tasks.add_task(fail)

    assert call(app, "/later").status_code == 200
    request = instrumented.server_span
    (task,) = (span for span in instrumented.spans if span is not request)
    assert (len(exceptions(task)), len(exceptions(request))) == (1, 0)
    assert request.status.status_code is StatusCode.UNSET


def test_a_websocket_is_one_span_and_no_request_count(instrumented, connect):
    app = FastAPI()

    @app.websocket("/live/{room}")
    async def live(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())

    connect(app, "/live/1")
    (span,) = instrumented.spans
    assert span.kind is SpanKind.SERVER
    assert span.attributes["http.route"] == "/live/{room}"
    assert span.attributes["url.scheme"] == "ws"
    assert instrumented.points() == []


def test_a_websocket_that_raises_has_its_exception_once(instrumented, connect):
    app = FastAPI()

    @app.websocket("/live")
    async def live(websocket: WebSocket):
        await websocket.accept()
        raise OutOfStockError

    with pytest.raises(OutOfStockError):
        connect(app, "/live")
    (span,) = instrumented.spans
    assert len(exceptions(span)) == 1
    assert span.status.status_code is StatusCode.ERROR


def test_the_lifespan_runs_and_is_no_span(instrumented):
    ran = []

    async def lifespan(app):
        ran.append("up")
        yield
        ran.append("down")

    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    app = FastAPI(lifespan=lifespan)
    asyncio.run(app({"type": "lifespan", "app": app, "state": {}}, receive, send))
    assert ran == ["up", "down"]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert instrumented.spans == ()


@pytest.mark.parametrize("path", ["/items/7", "/raises/1", "/items/seven", "/in/items/7"])
def test_the_telemetry_that_fastapi_has_built_in_adds_nothing(path, instrument, telemetry, call):
    records = InMemoryLogRecordExporter()
    logger_provider = LoggerProvider()
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(records))
    own = {
        "tracer_provider": telemetry.tracer_provider,
        "meter_provider": telemetry.meter_provider,
        "logger_provider": logger_provider,
    }

    def requested():
        app = application(telemetry=own)
        app.mount("/in", application(telemetry=own))
        call(app, path)
        return len(telemetry.spans), sum(point.count for point in telemetry.points())

    # It is there, and would.
    spans, count = requested()
    assert spans > 1
    assert count == 1

    instrument()
    logged = len(records.get_finished_logs())
    assert requested() == (spans + 1, count + 1)
    assert len(records.get_finished_logs()) == logged
    logger_provider.shutdown()
