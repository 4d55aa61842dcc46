"""The instrumentation as a middleware, for applications of any framework."""

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from otel_distro.instrumentation.asgi.messages import App, Receive, Scope, Send
from otel_distro.instrumentation.asgi.server import Server


class ServerMiddleware:
    """Makes a span and a measurement of each request to an ASGI application.

    `app = ServerMiddleware(app)`, outside all other middleware. FastAPI and Starlette need none:
    their instrumentors do the same.

    Args:
        app: The application.
        tracer_provider: The global one by default.
        meter_provider: The global one by default.
        excluded_urls: Regular expressions, separated by commas; a request whose URL matches one
            is answered and not reported.
    """

    def __init__(
        self,
        app: App,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        excluded_urls: str = "",
    ) -> None:
        self.app = app
        self._report = Server(tracer_provider, meter_provider, excluded_urls).reporting(_answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._report(self.app, scope, receive, send)


async def _answer(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)
