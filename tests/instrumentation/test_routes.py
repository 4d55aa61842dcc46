"""The route of a request, through whatever was mounted, included or foreign."""

import warnings
from pathlib import Path

import flask
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.staticfiles import StaticFiles
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Match, Mount, Route, Router

from otel_distro.instrumentation.asgi import routes
from otel_distro.instrumentation.asgi.routes import find_route

with warnings.catch_warnings():
    # Starlette recommends another adapter; services have this one.
    warnings.simplefilter("ignore")
    from starlette.middleware.wsgi import WSGIMiddleware

HERE = Path(__file__)


def answer():
    return "ok"


async def starlette_answer(request):
    return PlainTextResponse("ok")


async def echo(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()


def flask_app():
    app = flask.Flask(__name__)
    app.add_url_rule("/report/<int:year>", view_func=lambda **found: str(found), endpoint="report")
    app.add_url_rule("/files/<path:name>", view_func=lambda name: name, endpoint="files")
    app.add_url_rule("/save", view_func=answer, endpoint="save", methods=["POST"])
    app.add_url_rule("/folder/", view_func=answer, endpoint="folder")
    return app


def application():
    app = FastAPI()
    admin = FastAPI()
    admin.get("/users/{user}")(answer)
    app.host("admin.example.org", admin)

    app.get("/")(answer)
    app.get("/items")(answer)
    app.get("/items/{item_id}")(answer)
    app.post("/items/{item_id}")(answer)
    app.get("/paths/{path:path}")(answer)
    app.websocket("/live/{room}")(echo)

    inner = APIRouter()
    inner.get("/meters/{meter}")(answer)
    inner.websocket("/live")(echo)
    outer = APIRouter(prefix="/buildings/{building}")
    outer.get("")(answer)
    outer.include_router(inner, prefix="/floors/{floor}")
    outer.host("inner.example.org", Router(routes=[Route("/h/{i}", starlette_answer)]))
    outer.mount("/mounted", Starlette(routes=[Route("/in/{router}", starlette_answer)]))
    app.include_router(outer, prefix="/v1")

    deep = FastAPI()
    deep.get("/leaf/{leaf}")(answer)
    sub = FastAPI()
    sub.get("/")(answer)
    sub.get("/users/{user}")(answer)
    sub.websocket("/live/{room}")(echo)
    sub.mount("/deep", deep)
    app.mount("/sub", sub)

    tenant = FastAPI()
    tenant.get("/sites/{site}")(answer)
    app.mount("/tenants/{tenant}", tenant)

    app.mount("/star", Starlette(routes=[Route("/n/{number:int}", starlette_answer)]))
    app.router.routes.append(Mount("/group", routes=[Route("/a/{b}", starlette_answer)]))
    app.mount("/router", Router(routes=[Route("/c/{d}", starlette_answer)]))
    app.mount("/static", StaticFiles(directory=HERE.parent))
    app.mount("/foreign", PlainTextResponse("ok"))
    app.mount("/legacy", WSGIMiddleware(flask_app()))
    return app


FOUND = (
    ("GET", "/", 200, "/"),
    ("GET", "/items", 200, "/items"),
    ("GET", "/items/7", 200, "/items/{item_id}"),
    ("POST", "/items/7", 200, "/items/{item_id}"),
    ("GET", "/items/7?page=2", 200, "/items/{item_id}"),
    ("GET", "/paths/a/b/c", 200, "/paths/{path:path}"),
    ("GET", "/v1/buildings/hq", 200, "/v1/buildings/{building}"),
    (
        "GET",
        "/v1/buildings/hq/floors/2/meters/9",
        200,
        "/v1/buildings/{building}/floors/{floor}/meters/{meter}",
    ),
    ("GET", "/v1/mounted/in/it", 200, "/v1/mounted/in/{router}"),
    ("GET", "/sub/", 200, "/sub/"),
    ("GET", "/sub/users/ada", 200, "/sub/users/{user}"),
    ("GET", "/sub/deep/leaf/1", 200, "/sub/deep/leaf/{leaf}"),
    ("GET", "/tenants/acme/sites/1", 200, "/tenants/{tenant}/sites/{site}"),
    ("GET", "/star/n/5", 200, "/star/n/{number:int}"),
    ("GET", "/group/a/1", 200, "/group/a/{b}"),
    ("GET", "/router/c/1", 200, "/router/c/{d}"),
    ("GET", f"/static/{HERE.name}", 200, "/static"),
    ("GET", "/static/missing.js", 404, "/static"),
    ("GET", "/foreign/any/thing", 200, "/foreign"),
    ("GET", "/legacy/report/2024", 200, "/legacy/report/<int:year>"),
    ("GET", "/legacy/files/a/b", 200, "/legacy/files/<path:name>"),
    ("POST", "/legacy/save", 200, "/legacy/save"),
    # wrong method: the route is right
    ("DELETE", "/items/7", 405, "/items/{item_id}"),
    ("DELETE", "/sub/users/ada", 405, "/sub/users/{user}"),
    ("PUT", "/v1/buildings/hq", 405, "/v1/buildings/{building}"),
    # Flask answers these itself, so the mount is all that is known
    ("GET", "/legacy/save", 405, "/legacy"),
    ("GET", "/legacy/report/soon", 404, "/legacy"),
    ("GET", "/legacy/folder", 308, "/legacy"),
    # nobody's
    ("GET", "/missing", 404, None),
    ("GET", "/items/", 307, None),
    ("GET", "/sub/missing", 404, None),
    ("GET", "/star/n/five", 404, None),
)


@pytest.mark.parametrize("case", FOUND, ids=lambda case: f"{case[0]} {case[1]}")
def test_the_route_is_the_template_that_answers(case, instrumented, call):
    method, path, status, route = case
    assert call(application(), path, method).status_code == status
    span = instrumented.server_span
    assert span.attributes.get("http.route") == route
    assert span.name == (f"{method} {route}" if route else method)


@pytest.mark.parametrize(
    ("host", "path", "route"),
    [
        ("admin.example.org", "/users/ada", "/users/{user}"),
        ("admin.example.org", "/items", None),
        ("www.example.org", "/users/ada", None),
        ("www.example.org", "/items", "/items"),
        ("inner.example.org", "/v1/h/1", "/v1/h/{i}"),
        ("inner.example.org", "/h/1", None),
    ],
)
def test_a_host_has_routes_of_its_own(host, path, route, instrumented, call):
    response = call(application(), path, host=host)
    assert response.status_code == (200 if route else 404)
    assert instrumented.server_span.attributes.get("http.route") == route


@pytest.mark.parametrize(
    ("path", "status", "route"),
    [
        ("/items", 200, "/items"),
        ("/report/2024", 200, "/report/<int:year>"),
        ("/files/a/b", 200, "/files/<path:name>"),
        ("/nowhere", 404, None),
    ],
)
def test_flask_below_the_root_takes_what_fastapi_does_not(path, status, route, instrumented, call):
    app = FastAPI()
    app.get("/items")(answer)
    app.mount("/", WSGIMiddleware(flask_app()))
    assert call(app, path).status_code == status
    assert instrumented.server_span.attributes.get("http.route") == route


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/live/1", "/live/{room}"),
        ("/v1/buildings/hq/floors/2/live", "/v1/buildings/{building}/floors/{floor}/live"),
        ("/sub/live/1", "/sub/live/{room}"),
    ],
)
def test_a_websocket_has_its_route(path, route, instrumented, connect):
    messages = connect(application(), path)
    assert [message["type"] for message in messages] == [
        "websocket.accept",
        "websocket.send",
        "websocket.close",
    ]
    assert instrumented.server_span.attributes["http.route"] == route


@pytest.mark.parametrize(
    ("own", "of_server", "path_and_route"),
    [
        ("/api", "", ("/items/7", "/items/{item_id}")),
        ("/api", "", ("/api/items/7", "/items/{item_id}")),
        ("", "/api", ("/api/items/7", "/items/{item_id}")),
        ("", "/api", ("/api/sub/users/ada", "/sub/users/{user}")),
        ("", "/api", ("/api/legacy/report/2024", "/legacy/report/<int:year>")),
        ("/api", "", ("/api/sub/deep/leaf/1", "/sub/deep/leaf/{leaf}")),
    ],
)
def test_the_root_path_of_a_proxy_is_no_part_of_the_route(
    own, of_server, path_and_route, instrumented, call
):
    path, route = path_and_route
    app = application()
    app.root_path = own
    assert call(app, path, root_path=of_server).status_code == 200
    assert instrumented.server_span.attributes["http.route"] == route


def test_the_first_route_that_fits_wins_as_in_starlette(instrumented, call):
    app = FastAPI()
    app.post("/items/{item_id}")(answer)
    app.get("/items/{other}")(answer)
    call(app, "/items/1")
    call(app, "/items/1", "DELETE")
    assert [span.attributes["http.route"] for span in instrumented.server_spans] == [
        "/items/{other}",
        "/items/{item_id}",
    ]


def test_an_application_mounted_in_itself_ends():
    app = FastAPI()
    app.mount("", app)
    scope = {"type": "http", "method": "GET", "path": "/x", "headers": [], "app": app}
    assert find_route(scope) is None


def test_a_route_that_raises_while_matching_costs_the_route_only(instrumented, call, said):
    class Broken(Route):
        def matches(self, scope):
            if scope.get("path") == "/broken" and "route asked" not in scope:
                raise RuntimeError("no such tenant")
            return Match.NONE, {}

    app = FastAPI()
    app.router.routes.append(Broken("/x", starlette_answer))
    app.get("/fine")(answer)
    assert call(app, "/fine").status_code == 200
    assert call(app, "/broken").status_code == 500
    call(app, "/broken")
    (line,) = said()
    assert "http.route" in line
    assert "RuntimeError: no such tenant" in line
    assert [span.name for span in instrumented.server_spans] == ["GET /fine", "GET", "GET"]


def test_a_fastapi_without_flattened_routers_needs_nothing_to_flatten(monkeypatch):
    monkeypatch.setattr(routes, "iter_route_contexts", iter)
    app = Starlette(
        routes=[Host("h", Router([Mount("/a", routes=[Route("/b", starlette_answer)])]))]
    )
    scope = {"type": "http", "method": "GET", "path": "/a/b", "headers": [(b"host", b"h")]}
    assert find_route({**scope, "app": app}) == "/a/b"


@pytest.mark.parametrize(
    ("outer", "path", "route"),
    [
        (lambda app: Mount("/sub", app), "/sub/items/3", "/sub/items/{item}"),
        (lambda app: Mount("/t/{tenant}", app), "/t/acme/items/3", "/t/{tenant}/items/{item}"),
        (lambda app: Mount("/a", routes=[Mount("/b", app)]), "/a/b/items/3", "/a/b/items/{item}"),
    ],
)
def test_below_a_starlette_application_the_whole_route_is_told(
    outer, path, route, instrumented, call
):
    app = FastAPI()
    app.get("/items/{item}")(answer)
    assert call(Starlette(routes=[outer(app)]), path).status_code == 200
    assert instrumented.server_span.attributes["http.route"] == route


def test_an_application_behind_middleware_is_looked_through(instrumented, call):
    inner = FastAPI()
    inner.get("/items/{item}")(answer)
    app = FastAPI()
    app.mount("/sub", GZipMiddleware(GZipMiddleware(inner)))
    assert call(app, "/sub/items/3").status_code == 200
    assert instrumented.server_span.attributes["http.route"] == "/sub/items/{item}"
