"""Asks the requests of a case over a socket, of a real uvicorn."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import uvicorn
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    RejectConnection,
    RejectData,
    TextMessage,
)
from wsproto.events import Request as Handshake

from parity.case import Case, Probe
from parity.driver import Answer, Request
from parity.facts import Facts, Telemetry

_PATIENCE_S = 5
_WITH_PORT = ("server.address", "server.port", "client.port")
_PORT = re.compile(r"\d{5}")


@asynccontextmanager
async def serving(app: Any, root_path: str = "") -> AsyncIterator[tuple[str, int]]:
    """Have a real uvicorn serve an application, and wait for its last request to end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            app,
            lifespan="off",
            http="h11",
            ws="wsproto",
            log_config=None,
            date_header=False,
            proxy_headers=False,
            root_path=root_path,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup([listening])
        try:
            yield listening.getsockname()[:2]
            state = server.server_state
            async with asyncio.timeout(_PATIENCE_S):
                while state.tasks or state.connections:  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(0.001)
        finally:
            # Not `server.shutdown()`, which waits a tenth of a second whatever there is to do.
            for one in server.servers:
                one.close()


async def over_uvicorn(
    case: Case, app: Any, telemetry: Telemetry, probe: Probe
) -> tuple[list[Answer], bool]:
    """Have a server answer all requests; return the answers, and that nothing can be left.

    Each request is a task of uvicorn's with a context of its own.
    """
    answers = []
    for request in case.requests:
        async with serving(app, request.root_path) as address:
            answers.append(await _ask(address, request))
    return answers, False


def without_ports(facts: Facts) -> Facts:
    """Return the facts without the numbers that differ from run to run."""
    return {
        fact: _PORT.sub("the port", str(value)) if fact.endswith(_WITH_PORT) else value
        for fact, value in facts.items()
    }


async def _ask(address: tuple[str, int], request: Request) -> Answer:
    reader, writer = await asyncio.open_connection(*address)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            if request.type == "websocket":
                answer = await _talk(reader, writer, request)
            else:
                writer.write(_as_bytes(request))
                answer = await reader.read(40 if request.leaves else -1)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return Answer([{"received": answer}])


def _as_bytes(request: Request) -> bytes:
    target = quote(request.path, safe="/[]:@") + ("?" + request.query.decode()) * bool(
        request.query
    )
    names = {name for name, _ in request.headers}
    headers = [(b"host", request.host or b"service"), *request.headers, (b"connection", b"close")]
    body = b"".join(request.body)
    if len(request.body) > 1 and b"content-length" not in names:
        headers.append((b"transfer-encoding", b"chunked"))
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in request.body)
        body += b"0\r\n\r\n"
    first = f"{request.method} {target} HTTP/{request.http_version}\r\n".encode()
    return first + b"".join(b"%s: %s\r\n" % one for one in headers) + b"\r\n" + body


async def _talk(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request
) -> list[Event]:
    """Say all messages, and return what came back until the connection was closed."""
    connection = WSConnection(ConnectionType.CLIENT)
    headers = list(request.headers)
    handshake = Handshake(host="service", target=request.path, extra_headers=headers)
    writer.write(connection.send(handshake))
    received: list[Event] = []
    while data := await reader.read(65536):
        connection.receive_data(data)
        for event in connection.events():
            # What answers the handshake's random number is no part of the application's answer.
            shaken = isinstance(event, AcceptConnection)
            received.append(replace(event, extra_headers=[]) if shaken else event)
            if shaken:
                for message in request.messages:
                    writer.write(connection.send(_as_event(message)))
            if isinstance(event, CloseConnection):
                if event.code != 1006:
                    writer.write(connection.send(event.response()))
                return received
            if isinstance(event, RejectConnection) and not event.has_body:
                return received
            if isinstance(event, RejectData) and event.body_finished:
                return received
    return received


def _as_event(message: Any) -> Event:
    if message.get("text") is not None:
        return TextMessage(message["text"])
    if message.get("bytes") is not None:
        return BytesMessage(message["bytes"])
    return CloseConnection(message["code"])
