"""Instrumentors as strangers write them; `test_load.py` installs them."""

from opentelemetry.instrumentation.dependencies import DependencyConflict, DependencyConflictError
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

INSTRUMENTED = []


class Works(BaseInstrumentor):
    def instrumentation_dependencies(self):
        return ("not-installed >= 1",)  # whoever activates it has compared that already

    def _instrument(self, **kwargs):
        INSTRUMENTED.append(type(self).__name__)

    def _uninstrument(self, **kwargs):
        INSTRUMENTED.remove(type(self).__name__)


class WorksToo(Works):
    _instance = None


class Raises(Works):
    _instance = None

    def _instrument(self, **kwargs):
        raise RuntimeError("its library\nhas changed")


class Exits(Works):
    _instance = None

    def _instrument(self, **kwargs):
        raise SystemExit(3)


class Interrupted(Works):
    _instance = None

    def _instrument(self, **kwargs):
        raise KeyboardInterrupt


class CannotBeImported(Works):
    _instance = None

    def _instrument(self, **kwargs):
        raise ImportError("cannot import name 'x'")


class WithoutLibrary(Works):
    _instance = None

    def _instrument(self, **kwargs):
        raise ModuleNotFoundError("No module named 'x'")


class Conflicts(Works):
    _instance = None

    def _instrument(self, **kwargs):
        raise DependencyConflictError(DependencyConflict("x >= 2", "x 1"))


class NothingToInstrument(Works):
    _instance = None

    def _instrument(self, **kwargs):
        raise DependencyConflictError(DependencyConflict("x >= 2"))


class CannotBeCreated:
    def __init__(self):
        raise ValueError("no")
