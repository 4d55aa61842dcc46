"""WebSockets: how they begin, what is said, and how they end."""

from typing import Any

import fastapi
from fastapi import WebSocket
from starlette.exceptions import WebSocketException
from starlette.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect

from parity.case import Case, Probe
from parity.cases.applications import OutOfStockError
from parity.driver import websocket

_TEXT = {"type": "websocket.receive", "text": "hello"}
_BYTES = {"type": "websocket.receive", "bytes": b"\xff"}


def _gone(code: int) -> dict[str, Any]:
    return {"type": "websocket.disconnect", "code": code}


def sockets(probe: Probe) -> Any:  # noqa: C901 - one route after the other
    app = fastapi.FastAPI()

    @app.websocket("/echo/{room}")
    async def echo(socket: WebSocket, room: str):
        await socket.accept()
        probe("handler")
        await socket.send_text(await socket.receive_text())
        await socket.close()

    @app.websocket("/closes/{code}")
    async def closes(socket: WebSocket, code: int):
        await socket.accept()
        await socket.close(code, "because")

    @app.websocket("/listens")
    async def listens(socket: WebSocket):
        await socket.accept()
        try:
            while True:
                await socket.receive()
                await socket.send_bytes(b"ok")
        except (WebSocketDisconnect, RuntimeError):
            probe("disconnected")

    @app.websocket("/surprised")
    async def surprised(socket: WebSocket):
        await socket.accept()
        await socket.receive_text()

    @app.websocket("/denies")
    async def denies(socket: WebSocket):
        await socket.close(1008)

    @app.websocket("/denies-with-a-response")
    async def denies_with_a_response(socket: WebSocket):
        await socket.send_denial_response(JSONResponse("no", 403))

    @app.websocket("/raises")
    async def raises(socket: WebSocket):
        await socket.accept()
        raise OutOfStockError("in the socket")

    @app.websocket("/raises-at-once")
    async def raises_at_once(socket: WebSocket):
        raise OutOfStockError("at once")

    @app.websocket("/refuses")
    async def refuses(socket: WebSocket):
        raise WebSocketException(1011, "refused")

    @app.websocket("/waits")
    async def waits(socket: WebSocket):
        await socket.accept()
        probe.inside.set()
        await socket.receive()

    return app


def mounted_sockets(probe: Probe) -> Any:
    app = fastapi.FastAPI()
    app.mount("/rooms/{house}", sockets(probe))
    return app


_DENIAL = {"extensions": {"websocket.http.response": {}}}

CASES = [
    Case("socket: echo", sockets, websocket("/echo/1", _TEXT), on_the_wire=True),
    Case("socket: over TLS", sockets, websocket("/echo/1", _TEXT, scope={"scheme": "wss"})),
    *(
        Case(
            f"socket: closed with {code}",
            sockets,
            websocket(f"/closes/{code}"),
            on_the_wire=code < 1015,
        )
        for code in (1000, 1001, 1008, 1011, 4000)
    ),
    Case("socket: left with 1000", sockets, websocket("/listens", _TEXT, _BYTES, _gone(1000))),
    Case("socket: left with 1006", sockets, websocket("/listens", _gone(1006))),
    Case("socket: left, which surprises", sockets, websocket("/surprised", _gone(1001))),
    Case("socket: denied", sockets, websocket("/denies"), on_the_wire=True),
    Case(
        "socket: denied with a response",
        sockets,
        websocket("/denies-with-a-response", scope=_DENIAL),
        on_the_wire=True,
    ),
    Case("socket: raises", sockets, websocket("/raises")),
    Case("socket: raises before it accepts", sockets, websocket("/raises-at-once")),
    Case("socket: refused", sockets, websocket("/refuses")),
    Case("socket: cancelled", sockets, websocket("/waits", cancelled=True)),
    Case("socket: no such path", sockets, websocket("/nothing"), on_the_wire=True),
    Case(
        "socket: in a mount",
        mounted_sockets,
        websocket("/rooms/blue/echo/1", _TEXT),
        on_the_wire=True,
    ),
]
