"""Remembers in which trace an exception was raised, for those who log it after the request ended.

Servers log an unhandled exception when the span is over: without this, the one line that everybody
looks for has no trace id.
"""

from contextlib import suppress
from typing import Final

from opentelemetry.context import Context, get_current

# On the exception itself: exceptions of built-in classes cannot be referred to weakly.
_ATTRIBUTE: Final = "__otel_distro_context__"


def remember_context(error: BaseException) -> None:
    """Keep the current context with the exception, unless an inner one is kept already."""
    if context_of(error) is None:
        with suppress(Exception):  # classes may refuse new attributes
            setattr(error, _ATTRIBUTE, get_current())


def context_of(error: BaseException | None) -> Context | None:
    """Return the context that was kept with an exception."""
    kept = getattr(error, _ATTRIBUTE, None)
    return kept if isinstance(kept, Context) else None
