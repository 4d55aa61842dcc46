"""Which application and which route answers: mounts, routers, hosts, middlewares, subclasses."""

import warnings
from pathlib import Path
from typing import Any

import fastapi
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from parity.case import Case, Probe
from parity.cases.applications import OutOfStockError, plain_asgi, shop, starlette_shop
from parity.driver import Request

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.middleware.wsgi import WSGIMiddleware


def flask_shop() -> Flask:
    app = Flask("shop")

    @app.route("/items/<int:item>")
    def item(item: int) -> str:
        return str(item)

    return app


def mounts(probe: Probe) -> Any:
    app = shop(probe)
    app.mount("/fastapi", shop(probe))
    app.mount("/starlette", starlette_shop(probe))
    app.mount("/static", StaticFiles(directory=Path(__file__).parent))
    app.mount("/flask", WSGIMiddleware(flask_shop()))
    app.mount("/asgi", plain_asgi(probe))
    app.mount("/tenants/{tenant}", shop(probe))
    nested = fastapi.FastAPI()
    nested.mount("/{region}", shop(probe))
    app.mount("/nested/{tenant}", nested)
    return app


def at_the_root(probe: Probe) -> Any:
    app = fastapi.FastAPI()
    app.mount("/", shop(probe))
    return app


def static_at_the_root(probe: Probe) -> Any:
    app = shop(probe)
    app.mount("/", StaticFiles(directory=Path(__file__).parent))
    return app


def hosts(probe: Probe) -> Any:
    app = shop(probe)
    app.router.routes.insert(0, Host("{tenant}.example.org", shop(probe)))
    return app


def routers(probe: Probe) -> Any:
    inner = fastapi.APIRouter(prefix="/inner")
    outer = fastapi.APIRouter(prefix="/outer")

    @inner.get("/items/{item_id}")
    async def item(item_id: int):
        return item_id

    @inner.get("/files/{path:path}")
    async def files(path: str):
        return path

    @outer.get("")
    async def nothing_more():
        return "ok"

    outer.include_router(inner, prefix="/v{version}")
    app = fastapi.FastAPI()
    app.include_router(outer)
    app.include_router(outer, prefix="/again")
    app.router.routes.append(Mount("/plain", Router([Route("/x/{n:int}", _ok)])))
    app.add_route("/starlette/{n:float}", _ok)

    @app.get("/")
    async def root():
        return "root"

    @app.get("/items/special")
    async def special():
        return "special"

    @app.post("/items/{item_id}")
    async def post_item(item_id: str):
        return item_id

    @app.get("/items/{item_id}")
    async def get_item(item_id: str):
        return item_id

    return app


async def _ok(request: Any) -> PlainTextResponse:
    return PlainTextResponse("ok")


def subclass(probe: Probe) -> Any:
    class Ours(fastapi.FastAPI):
        pass

    app = Ours()
    app.get("/items/{item_id}")(_answer_item)
    return app


_FastAPI = fastapi.FastAPI


class EarlyShop(_FastAPI):
    """Made from the class as it was before any instrumentor."""


def early_subclass(probe: Probe) -> Any:
    app = EarlyShop()
    app.get("/items/{item_id}")(_answer_item)
    return app


async def _answer_item(item_id: int):
    return item_id


def with_parent_app(probe: Probe) -> Any:
    """Return a Starlette application that has FastAPI in it."""
    return Starlette(routes=[Mount("/in", shop(probe))])


class RewritesPath:
    """A middleware in pure ASGI that changes the path."""

    def __init__(self, app: Any, *, copied: bool) -> None:
        self._app = app
        self._copied = copied

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/old"):
            scope = {**scope} if self._copied else scope
            scope["path"] = scope["path"].replace("/old", "/items")
        await self._app(scope, receive, send)


class ChangesStatus:
    """A middleware in pure ASGI that answers with another status."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def changed(message: Any) -> None:
            await send({**message, "status": 503} if "status" in message else message)

        await self._app(scope, receive, changed)


class RaisesAfter:
    """A middleware in pure ASGI that raises when all was sent."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)
        raise OutOfStockError("after the answer")


class Answers:
    """A middleware that answers before any route is looked for."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("blocked", 403)(scope, receive, send)


def _with(*middlewares: tuple[Any, dict[str, Any]]) -> Any:
    def build(probe: Probe) -> Any:
        app = shop(probe)

        async def seen(request: Any, call_next: Any) -> Any:
            probe("BaseHTTPMiddleware before")
            response = await call_next(request)
            probe("BaseHTTPMiddleware after")
            return response

        for middleware, options in middlewares:
            app.add_middleware(middleware, **options)
        app.add_middleware(BaseHTTPMiddleware, dispatch=seen)
        return app

    return build


_GZIP = (GZipMiddleware, {"minimum_size": 1})
_CORS = (CORSMiddleware, {"allow_origins": ["*"]})
_MOUNTED = [
    "/fastapi/items/7",
    "/fastapi/items/seven",
    "/fastapi/nothing",
    "/fastapi/raises/1",
    "/fastapi",
    "/starlette/items/7",
    "/starlette/in/items/7",
    "/starlette/nothing",
    "/starlette/raises",
    "/static/routes.py",
    "/static/nothing",
    "/flask/items/7",
    "/flask/nothing",
    "/asgi/items/7",
    "/asgi/raises",
    "/tenants/acme/items/7",
    "/nested/acme/eu/items/7",
    "/nested/acme/eu/nothing",
]
_ROUTED = [
    "/outer",
    "/outer/v1/inner/items/7",
    "/again/outer/v1/inner/items/7",
    "/outer/v1/inner/files/a/b.txt",
    "/outer/v1/inner/nothing",
    "/plain/x/7",
    "/starlette/1.5",
    "/",
    "/items/special",
    "/items/7",
]
_ITEM = Request(path="/items/7")
_PROXIED = Request(path="/pre/items/7", root_path="/pre")

CASES = [
    *(Case(f"mount: {path}", mounts, Request(path=path), on_the_wire=True) for path in _MOUNTED),
    Case("mount: at /", at_the_root, _ITEM),
    Case("mount: at /, 404", at_the_root, Request(path="/nothing")),
    Case("mount: static files at /", static_at_the_root, Request(path="/routes.py")),
    Case("mount: below static files at /", static_at_the_root, _ITEM),
    Case("mount: FastAPI in Starlette", with_parent_app, Request(path="/in/items/7")),
    Case("mount: behind a proxy", mounts, Request(path="/pre/fastapi/items/7", root_path="/pre")),
    Case("host route", hosts, Request(path="/items/7", host=b"acme.example.org")),
    Case("another host", hosts, _ITEM),
    *(Case(f"route: {path}", routers, Request(path=path)) for path in _ROUTED),
    Case("route: POST of a path with two", routers, Request("POST", "/items/7")),
    Case("route: PUT of a path with two", routers, Request("PUT", "/items/7")),
    Case("behind a proxy", shop, _PROXIED, on_the_wire=True),
    Case("behind a proxy that strips", shop, Request(path="/items/7", root_path="/pre")),
    Case("root_path of the application", lambda p: shop(p, root_path="/pre"), _PROXIED),
    Case("root_path with a value in it", shop, Request(path="/7/items/7", root_path="/7")),
    Case("subclass", subclass, _ITEM),
    Case("subclass made before", early_subclass, _ITEM),
    Case("middlewares: GZip, CORS", _with(_GZIP, _CORS), _ITEM),
    Case("middlewares: CORS, GZip", _with(_CORS, _GZIP), _ITEM),
    Case(
        "CORS asked beforehand",
        _with(_CORS),
        Request(
            "OPTIONS",
            "/items/7",
            headers=((b"origin", b"http://o"), (b"access-control-request-method", b"GET")),
        ),
    ),
    Case(
        "a compressed answer",
        _with(_GZIP),
        Request(path="/openapi.json", headers=((b"accept-encoding", b"gzip"),)),
    ),
    Case("a path rewritten", _with((RewritesPath, {"copied": False})), Request(path="/old/7")),
    Case(
        "a path rewritten in a copy",
        _with((RewritesPath, {"copied": True})),
        Request(path="/old/7"),
    ),
    Case("a status rewritten", _with((ChangesStatus, {})), _ITEM),
    Case("raises in a middleware after the answer", _with((RaisesAfter, {})), _ITEM),
    Case("made before, with middlewares", _with(_GZIP, _CORS), _ITEM, made_before=True),
    Case("answered by a middleware", _with((Answers, {})), _ITEM, on_the_wire=True),
]
