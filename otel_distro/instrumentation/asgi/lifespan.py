"""The end of an application: all telemetry is delivered before its server hears of it."""

from typing import Final

from anyio.to_thread import run_sync

from otel_distro.instrumentation.asgi.messages import Message, Scope, Send
from otel_distro.instrumentation.stopping import flush_providers

_LAST_WORDS: Final = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed"})
# Seconds a server waits for telemetry when it stops. What then remains is in the spool.
_PATIENCE_S: Final = 2.5


def flushing(scope: Scope, send: Send) -> Send:
    """Return a `send` that delivers all telemetry before it says that the application has stopped.

    Of any other scope than a lifespan, `send` as it is.

    Some servers (gunicorn's workers) are ended by a signal right after that, and Python has no say.
    """
    if scope["type"] != "lifespan":
        return send

    async def flush_and_send(message: Message) -> None:
        if message["type"] in _LAST_WORDS:
            await run_sync(flush_providers, _PATIENCE_S)
        await send(message)

    return flush_and_send
