"""Remembers in which trace an exception was raised, for those who log it after the request ended.

Servers log an unhandled exception when the span is over: without this, the one line that everybody
looks for has no trace id.
"""

from contextlib import suppress
from typing import Final

from opentelemetry.context import Context, get_current
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, Status, StatusCode

from otel_distro.instruments import errors
from otel_distro.notices import describe, notice

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


def report_unhandled(error: Exception, provider: MeterProvider | None) -> None:
    """Count what an application did not handle, and remember in which trace that was.

    Args:
        error: What was raised.
        provider: Of the meter.
    """
    remember_context(error)
    errors.captured(error, handled=False, provider=provider)


def record_on(span: Span, error: Exception) -> None:
    """Record on the span of what has failed why it did."""
    if span.is_recording():
        with suppress(Exception):  # its text is the application's code
            span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, describe(error)))


def say_fault(what: str, fault: Exception) -> None:
    """Say once that instrumentation failed, and did the application no harm.

    Args:
        what: Is lost.
        fault: Was raised by it.
    """
    notice(
        f"fault {what}",
        f"{what} is lost ({describe(fault)}); the application goes on. This is a fault of "
        "blipee-otel-distro, or of a part that was given to it: please report it.",
    )


def type_name(error: BaseException) -> str:
    """Return the name of its class, as `error.type` and `exception.type` have it."""
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
