"""A WebSocket's span: from its handshake to its end, however long that is."""

from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode

from otel_distro.instrumentation.asgi.messages import Message, Scope, Send
from otel_distro.instrumentation.asgi.names import rename
from otel_distro.instrumentation.asgi.routes import route_of
from otel_distro.instrumentation.exceptions import (
    record_on,
    report_unhandled,
    say_fault,
    type_name,
)
from otel_distro.instruments import recorder
from otel_distro.instruments.bound import bind

if TYPE_CHECKING:
    from otel_distro.instrumentation.asgi.server import Server

_SWITCHED: Final = 101
_REFUSED: Final = 403
_SERVER_ERROR: Final = 500


class WebSocket:
    """Stands before the server's `send`, and reports when the connection is over.

    It is an open connection as long as it lasts, and no request: nobody waits for its answer.

    Attributes:
        context: With the span in it.
        is_over: Whether the connection has been reported.
        cost: What reporting has taken so far, in seconds of the thread, where that is looked at.
    """

    is_over = False
    cost: float | None = None
    _is_accepted = False

    def __init__(  # noqa: PLR0913, PLR0917 - what there is to know of a connection
        self,
        server: "Server",
        app: object,
        scope: Scope,
        send: Send,
        span: Span,
        context: Context,
    ) -> None:
        self.context = context
        self._server = server
        self._scope = scope
        self._before = {**scope, "app": app}
        self._send = send
        self._span = span
        counter = recorder.up_down_counter("api.active_connections", server.meter_provider)
        self._connections = bind(counter, {"type": "websocket"})
        self._connections.add(1)

    async def send(self, message: Message) -> None:
        """Send a message of the application's."""
        try:
            self._see(message)
        except Exception as fault:  # noqa: BLE001 - the application goes on
            say_fault("what a WebSocket says", fault)
        await self._send(message)

    def _see(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self._is_accepted = True
            self._answered(_SWITCHED)
        elif kind == "websocket.http.response.start":
            self._answered(message["status"])
        elif kind == "websocket.close" and not self._is_accepted:
            # The server answers so. https://asgi.readthedocs.io/en/latest/specs/www.html#close-send-event
            self._answered(_REFUSED)

    def _answered(self, status: int) -> None:
        self._span.set_attribute("http.response.status_code", status)
        if status >= _SERVER_ERROR:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(StatusCode.ERROR)

    def fail(self, error: Exception) -> None:
        """Report what the application did not handle."""
        report_unhandled(error, self._server.meter_provider)
        self._span.set_attribute("error.type", type_name(error))
        record_on(self._span, error)

    def end(self) -> None:
        """Report that the connection is over."""
        self.is_over = True
        self._connections.add(-1)
        try:
            self._report()
        except Exception as fault:  # noqa: BLE001 - the application goes on
            say_fault("the report of a WebSocket", fault)

    def _report(self) -> None:
        route = route_of(self._scope, self._before)
        if route is not None:
            rename(self._span, "GET", route)
            self._span.set_attribute("http.route", route)
        self._span.end()
