"""Drives an application through the ASGI interface, as a server does, and keeps what it sends."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Request:
    """One request, or one WebSocket with the messages of its client."""

    method: str | None = "GET"
    path: str = "/"
    query: bytes = b""
    host: bytes | None = b"service"
    headers: Headers = ()
    body: tuple[bytes, ...] = (b"",)
    type: str = "http"
    scheme: str = "http"
    http_version: str = "1.1"
    root_path: str = ""
    server: Any = ("service", 80)
    client: Any = ("10.1.2.3", 50123)
    # Written over what is said above; None takes a key away.
    scope: Mapping[str, Any] = field(default_factory=dict)
    # What the client of a WebSocket sends after `websocket.connect`.
    messages: tuple[Mapping[str, Any], ...] = ()
    # The client goes away when the application asks for more than the body.
    leaves: bool = False
    # Sending raises from this message on, counted from one: the connection is gone.
    broken_from: int | None = None
    # The server gives up on the application where it says that it is inside.
    cancelled: bool = False

    def as_scope(self) -> dict[str, Any]:
        """Return the scope, new for each call: applications write into it."""
        host = () if self.host is None else ((b"host", self.host),)
        scope = {
            "type": self.type,
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": self.http_version,
            "method": self.method,
            "scheme": self.scheme,
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": self.query,
            "root_path": self.root_path,
            "headers": [*host, *self.headers],
            "server": self.server,
            "client": self.client,
            "state": {},
            **self.scope,
        }
        if self.type == "websocket":
            scope.update(subprotocols=[], method=None)
        return {
            key: value
            for key, value in scope.items()
            if value is not None or key in ("server", "client")
        }


def websocket(path: str, *messages: Mapping[str, Any], **options: Any) -> Request:
    """Return a WebSocket whose client says this and then stays until it is closed."""
    return Request(path=path, type="websocket", scheme="ws", messages=messages, **options)


@dataclass
class Answer:
    """What the client of one request received, and what the server had to catch."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    raised: str | None = None


async def drive(app: Any, request: Request, log: list[Any], inside: asyncio.Event) -> Answer:
    """Send one request to an application.

    Args:
        app: The application.
        request: What to send.
        log: Gets the type of each message when it is sent.
        inside: Set by the application, for requests that are cancelled there.
    """
    answer = Answer()
    waiting = _incoming(request)
    answered = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        if not request.leaves:
            await answered.wait()
        return {"type": f"{request.type}.disconnect", "code": 1006}

    async def send(message: dict[str, Any]) -> None:
        if request.broken_from and len(answer.messages) + 1 >= request.broken_from:
            raise OSError("connection lost")
        more = "+" if message.get("more_body") else ""
        answer.messages.append({**message, "headers": list(message.get("headers") or ())})
        log.append(message["type"] + more)
        if message["type"] == "http.response.body" and not more:
            answered.set()

    try:
        if request.cancelled:
            running = asyncio.ensure_future(app(request.as_scope(), receive, send))
            await inside.wait()
            running.cancel()
            await running
        else:
            # In this task, as some servers do: what is left in the context is seen afterwards.
            await app(request.as_scope(), receive, send)
    except BaseException as error:
        answer.raised = _described(error)
    return answer


def _described(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # its text is the application's code
        return type(error).__name__


def _incoming(request: Request) -> list[dict[str, Any]]:
    if request.type == "lifespan":
        return [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    if request.type == "websocket":
        return [{"type": "websocket.connect"}, *map(dict, request.messages)]
    last = len(request.body) - 1
    return [
        {"type": "http.request", "body": part, "more_body": number < last}
        for number, part in enumerate(request.body)
    ]
