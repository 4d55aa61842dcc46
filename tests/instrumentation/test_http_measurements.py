"""A request is measured once, and told under both names."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI, HTTPException, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse

from otel_distro.catalogue import CATALOGUE
from otel_distro.logger import set_context
from otel_distro.logger.fields import current_fields


def application(telemetry):
    """Answers well, badly and half; `app.active` is what was active during requests."""
    app = FastAPI()
    app.active = []

    def look():
        app.active.append(
            {
                name: {
                    tuple(sorted(point.attributes.values())): point.value
                    for point in telemetry.points(name)
                }
                for name in ("api.active_connections", "http.server.active_requests")
            }
        )

    @app.get("/items/{item}")
    @app.post("/items/{item}")
    async def item(item: str):
        look()
        return item

    @app.get("/raises")
    async def raises():
        look()
        raise RuntimeError("unhandled")

    @app.websocket("/live/{room}")
    async def live(websocket: WebSocket, room: str):
        await websocket.accept()
        look()
        if room == "broken":
            raise RuntimeError("unhandled")
        await websocket.send_text("hello")
        await websocket.close()

    app.get("/answers/{status}")(answer_with)
    app.get("/handled")(raise_handled)
    app.get("/breaks")(break_off)
    app.exception_handler(LookupError)(on_lookup_error)
    return app


async def answer_with(status: int):
    raise HTTPException(status)


async def raise_handled():
    raise LookupError("handled")


async def on_lookup_error(request, error):
    return PlainTextResponse("sorry", 404)


async def break_off():
    async def body():
        yield b"half"
        raise RuntimeError("no other half")

    return StreamingResponse(body())


def sums(telemetry, name, *labels):
    return {
        tuple(point.attributes.get(label) for label in labels): point.sum
        for point in telemetry.points(name)
    }


OURS = ("endpoint", "method", "status")
THEIRS = ("http.route", "http.request.method", "http.response.status_code")

REQUESTS = [
    ("GET", "/items/7", 200, ("/items/{item}", "GET", "success"), "/items/{item}"),
    ("POST", "/items/7?page=2", 200, ("/items/{item}", "POST", "success"), "/items/{item}"),
    ("DELETE", "/items/7", 405, ("/items/{item}", "DELETE", "success"), "/items/{item}"),
    ("BREW", "/items/7", 405, ("/items/{item}", "_OTHER", "success"), "/items/{item}"),
    ("GET", "/nothing/here", 404, ("<unmatched>", "GET", "success"), None),
    ("GET", "/answers/404", 404, ("/answers/{status}", "GET", "success"), "/answers/{status}"),
    ("GET", "/answers/422", 422, ("/answers/{status}", "GET", "success"), "/answers/{status}"),
    ("GET", "/answers/499", 499, ("/answers/{status}", "GET", "success"), "/answers/{status}"),
    ("GET", "/answers/500", 500, ("/answers/{status}", "GET", "error"), "/answers/{status}"),
    ("GET", "/answers/503", 503, ("/answers/{status}", "GET", "error"), "/answers/{status}"),
    ("GET", "/handled", 404, ("/handled", "GET", "success"), "/handled"),
    ("GET", "/raises", 500, ("/raises", "GET", "error"), "/raises"),
    ("GET", "/breaks", 200, ("/breaks", "GET", "error"), "/breaks"),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda case: f"{case[0]} {case[1]}")
def test_one_measurement_is_told_under_both_names(request_, instrumented, call):
    method, path, status, ours, route = request_
    assert call(application(instrumented), path, method).status_code == status
    ((own, ms),) = sums(instrumented, "api.response_time", *OURS).items()
    ((theirs, seconds),) = sums(instrumented, "http.server.request.duration", *THEIRS).items()
    assert own == ours
    assert theirs == (route, ours[1], status)
    # Not about: two readings of the clock would differ in the last digits.
    assert ms == seconds * 1000
    sibling = "success" if ours[2] == "error" else "error"
    assert {
        tuple(point.attributes[label] for label in OURS): point.value
        for point in instrumented.points("api.requests")
    } == {ours: 1, (*ours[:2], sibling): 0}


def test_the_sibling_begins_at_zero_once_and_the_counts_add_up(instrumented, call):
    app = application(instrumented)
    for _ in range(3):
        call(app, "/items/7")
    call(app, "/raises")
    assert {
        (point.attributes["endpoint"], point.attributes["status"]): point.value
        for point in instrumented.points("api.requests")
    } == {
        ("/items/{item}", "success"): 3,
        ("/items/{item}", "error"): 0,
        ("/raises", "success"): 0,
        ("/raises", "error"): 1,
    }


def test_unmatched_paths_are_one_series(instrumented, call):
    app = application(instrumented)
    for number in range(20):
        call(app, f"/scan/{number}.php")
    (point,) = instrumented.points("api.response_time")
    assert (point.attributes["endpoint"], point.count) == ("<unmatched>", 20)


@pytest.mark.parametrize("path", ["/items/7", "/raises"])
def test_a_request_is_an_active_connection_until_it_ends_whatever_its_end(path, instrumented, call):
    app = application(instrumented)
    call(app, path)
    call(app, path)
    assert (
        app.active
        == [
            {
                "api.active_connections": {("http",): 1},
                "http.server.active_requests": {("GET", "http"): 1},
            }
        ]
        * 2
    )
    assert [point.value for point in instrumented.points("api.active_connections")] == [0]
    assert [point.value for point in instrumented.points("http.server.active_requests")] == [0]


def test_a_websocket_is_an_active_connection_until_it_ends_whatever_its_end(instrumented, connect):
    app = application(instrumented)
    connect(app, "/live/lobby")
    with pytest.raises(RuntimeError, match="unhandled"):
        connect(app, "/live/broken")
    assert [seen["api.active_connections"] for seen in app.active] == [{("websocket",): 1}] * 2
    assert [
        (dict(point.attributes), point.value)
        for point in instrumented.points("api.active_connections")
    ] == [({"type": "websocket"}, 0)]
    # It is no request, and nothing waits for its answer.
    assert instrumented.points("api.requests") == []
    assert instrumented.points("api.response_time") == []


def test_a_cancelled_request_is_no_active_connection_any_more(instrumented):
    app = FastAPI()
    inside = asyncio.Event()

    @app.get("/slow")
    async def slow():
        inside.set()
        await asyncio.Event().wait()

    async def nothing(message=None):
        await asyncio.Event().wait()

    async def main():
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/slow",
            "query_string": b"",
            "headers": [],
            "scheme": "http",
            "server": ("service", 80),
        }
        request = asyncio.create_task(app(scope, nothing, nothing))
        await inside.wait()
        assert [point.value for point in instrumented.points("api.active_connections")] == [1]
        request.cancel()
        await asyncio.wait([request])

    asyncio.run(main())
    assert [point.value for point in instrumented.points("api.active_connections")] == [0]


@pytest.mark.parametrize("path", ["/items/7", "/raises", "/nothing/here"])
def test_both_histograms_lead_to_the_trace(path, instrumented, call):
    call(application(instrumented), path)
    trace_id = instrumented.server_span.context.trace_id
    # At one collection: each has the exemplars since the one before.
    (resource,) = instrumented._metrics.get_metrics_data().resource_metrics
    found = {
        metric.name: [
            (exemplar.trace_id, exemplar.value == getattr(point, "sum", None))
            for point in metric.data.data_points
            for exemplar in point.exemplars
        ]
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert found["api.response_time"] == [(trace_id, True)]
    assert found["http.server.request.duration"] == [(trace_id, True)]


@pytest.mark.parametrize("name", ["api.response_time", "http.server.request.duration"])
def test_buckets_are_those_of_the_catalogue(name, instrumented, call):
    call(application(instrumented), "/items/7")
    (point,) = instrumented.points(name)
    assert tuple(point.explicit_bounds) == CATALOGUE[name].buckets


def test_attributes_are_those_that_the_catalogue_declares(instrumented, call, connect):
    app = application(instrumented)
    call(app, "/items/7", "POST", content=b"{}")
    call(app, "/raises")
    connect(app, "/live/lobby")
    names = [entry.name for entry in CATALOGUE if entry.component == "api"]
    for name in names:
        points = instrumented.points(name)
        assert points, name
        for point in points:
            assert set(point.attributes) <= CATALOGUE[name].attribute_names


def test_a_mounted_application_is_counted_once(instrumented, call):
    app = FastAPI()
    app.mount("/v1", application(instrumented))
    call(app, "/v1/items/7")
    assert sums(instrumented, "api.response_time", "endpoint").keys() == {("/v1/items/{item}",)}
    (point,) = instrumented.points("api.response_time")
    assert point.count == 1


def test_a_request_made_while_an_exception_is_handled_is_no_error_for_that(
    instrument, telemetry, call
):
    app = FastAPI()
    app.get("/ok")(lambda: "ok")
    instrument()
    try:
        raise TimeoutError  # noqa: TRY301 - the case
    except TimeoutError:
        assert call(app, "/ok").status_code == 200
    statuses = {
        point.attributes["status"]: point.value for point in telemetry.points("api.requests")
    }
    assert statuses == {"success": 1, "error": 0}


def test_what_a_request_says_of_itself_ends_with_it(instrument, call):
    app = FastAPI()

    @app.get("/login/{user}")
    async def login(user: str):
        set_context(user_id=user)

    @app.get("/who")
    async def who():
        return dict(current_fields())

    instrument()

    async def both():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            await client.get("/login/alice")
            return (await client.get("/who")).json()

    assert asyncio.run(both()) == {}
