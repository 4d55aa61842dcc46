"""Starlette: one span and one measurement of each request, and one span of each background task."""

from collections.abc import Collection
from typing import Any, Final

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.trace import TracerProvider, get_tracer
from starlette.applications import Starlette
from starlette.background import BackgroundTask

from otel_distro.instrumentation.asgi.server import Server
from otel_distro.instrumentation.patches import Patches
from otel_distro.version import __version__


class StarletteInstrumentor(BaseInstrumentor):
    """Instruments every Starlette application, those that are made already and subclasses too.

    FastAPI is one of these; its own instrumentor sees its requests first.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions that are supported."""
        return ("starlette >= 0.20",)

    def _instrument(self, **kwargs: Any) -> None:
        report = Server.of(kwargs).reporting(Starlette.__call__)
        self._patches = Patches()
        self._patches.replace(Starlette, "__call__", report)
        trace_background_tasks(self, kwargs.get("tracer_provider"))

    def _uninstrument(self, **_kwargs: Any) -> None:
        self._patches.undo()
        leave_background_tasks(self)


_tasks: Final = Patches()
# The instrumentors that want them traced.
_holders: Final[list[object]] = []


def trace_background_tasks(holder: object, provider: TracerProvider | None) -> None:
    """Have each background task be a span of its request's trace, as long as anybody wants that.

    Args:
        holder: Who wants it. They are traced once, by the provider of who came first.
        provider: Of the tracer.
    """
    _holders.append(holder)
    if len(_holders) > 1:
        return
    original = BackgroundTask.__call__

    async def __call__(task: BackgroundTask) -> None:  # noqa: N807 - what it replaces
        name = getattr(task.func, "__name__", type(task.func).__name__)
        tracer = get_tracer(__name__, __version__, provider)
        with tracer.start_as_current_span(f"BackgroundTask {name}"):
            await original(task)

    _tasks.replace(BackgroundTask, "__call__", __call__)


def leave_background_tasks(holder: object) -> None:
    """Want it no more."""
    if holder in _holders:
        _holders.remove(holder)
    if not _holders:
        _tasks.undo()
