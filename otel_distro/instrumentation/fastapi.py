"""FastAPI: one span and one measurement of each request, from the outermost application."""

from collections.abc import Collection
from typing import Any, Final

from fastapi import FastAPI
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from otel_distro.instrumentation.asgi.server import Server
from otel_distro.instrumentation.patches import Patches
from otel_distro.instrumentation.starlette import leave_background_tasks, trace_background_tasks

# Where FastAPI's own telemetry looks whether a request has some, and then adds none.
_NATIVE: Final = "fastapi.telemetry"


class FastAPIInstrumentor(BaseInstrumentor):
    """Instruments every FastAPI application, those that are made already and subclasses too.

    A mounted application adds no second span and counts no request twice.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions that are supported."""
        return ("fastapi >= 0.92",)

    def _instrument(self, **kwargs: Any) -> None:
        report = Server.of(kwargs).reporting(FastAPI.__call__, silence=_NATIVE)
        self._patches = Patches()
        self._patches.replace(FastAPI, "__call__", report)
        trace_background_tasks(self, kwargs.get("tracer_provider"))

    def _uninstrument(self, **_kwargs: Any) -> None:
        self._patches.undo()
        leave_background_tasks(self)
