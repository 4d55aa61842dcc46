"""The current context, read and replaced without the API's five calls in between.

What is had here is what `opentelemetry.context` gives: it keeps contexts in a variable of
`contextvars`, unless `OTEL_PYTHON_CONTEXT` names another implementation, which then is asked.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.trace import propagation

if TYPE_CHECKING:
    from contextvars import Token


class Access(NamedTuple):
    """How the current context is had, set, and set back."""

    get: Callable[[], Context]
    attach: Callable[[Context], "Token[Context]"]
    detach: Callable[["Token[Context]"], None]


def access_to(runtime: object) -> Access:
    """Return the shortest way to the contexts of the API's implementation."""
    variable: Any = getattr(runtime, "_current_context", None)
    if type(runtime) is ContextVarsRuntimeContext and variable is not None:
        return Access(variable.get, variable.set, variable.reset)
    return Access(context_api.get_current, context_api.attach, context_api.detach)


current_context, attach, detach = access_to(context_api._RUNTIME_CONTEXT)  # noqa: SLF001 - see above

# Under which the API keeps the span of a context.
SPAN_KEY: Final[str] = propagation._SPAN_KEY  # noqa: SLF001 - the API has no public name for it
