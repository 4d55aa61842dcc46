"""Applications that many rows share. Classes are looked up late: upstream replaces `FastAPI`."""

from typing import Any

import fastapi
from fastapi import Response
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from parity.case import Probe

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY", "CONNECT"]


class OutOfStockError(Exception):
    """What handlers raise."""


def shop(probe: Probe, **options: Any) -> Any:
    """Return the application of most rows."""
    app = fastapi.FastAPI(**options)

    @app.get("/items/{item_id}")
    async def item(item_id: int):
        probe("handler")
        return item_id

    @app.get("/sync/{item_id}")
    def in_a_thread(item_id: int):
        probe("handler")
        return item_id

    @app.post("/items")
    async def make(request: fastapi.Request):
        probe("handler")
        return len(await request.body())

    @app.get("/answers/{status}")
    async def answers(status: int):
        return Response(status_code=status)

    @app.get("/refuses/{status}")
    async def refuses(status: int):
        raise fastapi.HTTPException(status)

    @app.get("/raises/{item_id}")
    async def raises(item_id: int):
        probe("handler")
        raise OutOfStockError(f"item {item_id}")

    app.api_route("/any", methods=METHODS)(any_method)
    return app


async def any_method(request: fastapi.Request):
    """Answer whatever the method is."""
    return Response(request.method)


def starlette_shop(probe: Probe) -> Starlette:
    """Return an application of plain Starlette."""

    async def item(request: Any) -> PlainTextResponse:
        probe("handler")
        return PlainTextResponse(request.path_params["item_id"])

    async def raises(request: Any) -> PlainTextResponse:
        raise OutOfStockError("item 1")

    routes = [Route("/items/{item_id:int}", item_text(item)), Route("/raises", raises)]
    return Starlette(routes=[*routes, Mount("/in", routes=routes)])


def item_text(handler: Any) -> Any:
    """Return the handler with the item as text."""

    async def answered(request: Any) -> Any:
        request.path_params["item_id"] = str(request.path_params["item_id"])
        return await handler(request)

    return answered


def plain_asgi(probe: Probe) -> Any:
    """Return an application without a framework."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        probe("handler")
        if scope["path"] == "/raises":
            raise OutOfStockError("item 1")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        await send({"type": "http.response.body", "body": b"rest"})

    return app
