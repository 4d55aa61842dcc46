"""What a span says of an exception."""

import traceback

from opentelemetry.semconv.attributes.exception_attributes import (
    EXCEPTION_ESCAPED,
    EXCEPTION_MESSAGE,
    EXCEPTION_STACKTRACE,
    EXCEPTION_TYPE,
)
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.util.types import AnyValue

from otel_distro.logger.values import clean_str


def record_failure(
    span: Span, error: BaseException, *, record: bool, set_status: bool, escaped: bool
) -> None:
    """Add what was raised while a span was worked in, and set its status. Never raises."""
    if not span.is_recording():
        return
    if record:
        span.record_exception(error, escaped=escaped)
    if set_status:
        description = f"{type(error).__name__}: {_message(error)}"
        span.set_status(Status(StatusCode.ERROR, description))


def described(error: BaseException, *, escaped: bool) -> dict[str, AnyValue]:
    """Return the attributes of the event that says what was raised, and where.

    Source: https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/
    """
    kind = type(error)
    module = kind.__module__
    is_builtin = not module or module == "builtins"
    return {
        EXCEPTION_TYPE: kind.__qualname__ if is_builtin else f"{module}.{kind.__qualname__}",
        EXCEPTION_MESSAGE: _message(error),
        EXCEPTION_STACKTRACE: _stack_trace(error),
        EXCEPTION_ESCAPED: str(escaped),
    }


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - exceptions are the application's, and may do anything
        return clean_str(error)


def _stack_trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - as above
        return ""
