"""Errors that were logged or captured."""

from contextlib import suppress
from typing import Final

from opentelemetry.metrics import MeterProvider

from otel_distro.instruments import recorder
from otel_distro.instruments.timed import never_raises

# On the exception itself: exceptions of built-in classes cannot be referred to weakly.
_COUNTED: Final = "__otel_distro_counted__"


@never_raises
def captured(
    error: BaseException, *, handled: bool = True, provider: MeterProvider | None = None
) -> None:
    """Count an error, once however many places report it.

    Args:
        error: Its class becomes `error.type`.
        handled: Whether the application went on.
        provider: Of the meter, the global one by default.
    """
    if getattr(error, _COUNTED, False):
        return
    with suppress(Exception):  # classes may refuse new attributes
        setattr(error, _COUNTED, True)
    recorder.counter("errors.captured", provider).add(
        1, {"error.type": type(error).__qualname__, "handled": "true" if handled else "false"}
    )
