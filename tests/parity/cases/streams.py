"""Answers in parts, files, and applications without a framework that answer strangely."""

import asyncio
from typing import Any

import fastapi
from fastapi.responses import FileResponse, StreamingResponse

from parity.case import Case, Probe
from parity.cases.applications import OutOfStockError
from parity.driver import Request


def streams(probe: Probe) -> Any:  # noqa: C901 - one answer after the other
    app = fastapi.FastAPI()

    async def parts():
        for part in ("a", "b", "c"):
            probe("stream")
            yield part

    def broken():
        yield "a part"
        raise OutOfStockError("the rest")

    async def endless():
        while True:
            yield "on and on"
            await asyncio.sleep(0)

    async def events():
        for number in range(3):
            yield f"data: {number}\n\n"

    async def slow():
        yield "a"
        await asyncio.sleep(0.01)
        yield "b"

    async def broken_before_its_first():
        raise OutOfStockError("all of it")
        yield "never"

    answers = {
        "/parts": lambda: StreamingResponse(parts()),
        "/in-a-thread": lambda: StreamingResponse(iter(["a", "b"])),
        "/broken": lambda: StreamingResponse(broken()),
        "/broken-at-once": lambda: StreamingResponse(broken_before_its_first()),
        "/endless": lambda: StreamingResponse(endless()),
        "/events": lambda: StreamingResponse(events(), media_type="text/event-stream"),
        "/slow": lambda: StreamingResponse(slow()),
        "/none": lambda: StreamingResponse(iter([])),
        "/with-length": lambda: StreamingResponse(parts(), headers={"content-length": "3"}),
        "/error": lambda: StreamingResponse(parts(), status_code=503),
        "/file": _file,
    }
    for path, answer in answers.items():
        app.api_route(path, methods=["GET", "HEAD"])(_returning(answer))
    return app


def _file() -> FileResponse:
    return FileResponse(__file__)


def _returning(answer: Any) -> Any:
    async def handler():
        return answer()

    return handler


def trailers(probe: Probe) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "trailers": True})
        await send({"type": "http.response.body", "body": b"all"})
        await send({"type": "http.response.trailers", "headers": [], "more_trailers": False})
        probe("after the answer")

    return app


def pathsend(probe: Probe) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": "/etc/hostname"})
        probe("after the answer")

    return app


def late(probe: Probe) -> Any:
    """Return an application that does something after its answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})
        probe("after the answer")
        if scope["path"] == "/raises":
            raise OutOfStockError("after the answer")

    return app


def never(probe: Probe) -> Any:
    """Return an application that does not answer, or not to the end."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/half":
            await send({"type": "http.response.start", "status": 200, "headers": []})

    return app


def early(probe: Probe) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.debug", "info": {}})
        await send({"type": "http.response.start", "status": 103, "headers": []})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    return app


CASES = [
    *(
        Case(f"stream: {path[1:]}", streams, Request(path=path), on_the_wire=True)
        for path in [
            "/parts",
            "/in-a-thread",
            "/broken",
            "/broken-at-once",
            "/events",
            "/slow",
            "/none",
            "/with-length",
            "/error",
            "/file",
        ]
    ),
    Case("stream: HEAD of a file", streams, Request("HEAD", "/file")),
    Case("stream: HEAD of parts", streams, Request("HEAD", "/parts")),
    Case(
        "stream: a range of a file",
        streams,
        Request(path="/file", headers=((b"range", b"bytes=0-1"),)),
    ),
    Case("stream: the client leaves", streams, Request(path="/endless", leaves=True)),
    Case("stream: the connection breaks", streams, Request(path="/endless", broken_from=3)),
    Case("trailers", trailers, Request(), kind="asgi"),
    Case("a file that the server sends", pathsend, Request(), kind="asgi"),
    Case("work after the answer", late, Request(), kind="asgi", on_the_wire=True),
    Case("raises after the answer", late, Request(path="/raises"), kind="asgi"),
    Case("no answer", never, Request(), kind="asgi"),
    Case("half an answer", never, Request(path="/half"), kind="asgi"),
    Case("early hints", early, Request(), kind="asgi"),
]
