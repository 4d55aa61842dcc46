"""Errors that were logged or captured."""

from opentelemetry.metrics import MeterProvider

from otel_distro.instruments import recorder
from otel_distro.instruments.timed import never_raises


@never_raises
def captured(
    error: BaseException, *, handled: bool = True, provider: MeterProvider | None = None
) -> None:
    """Count an error.

    Args:
        error: Its class becomes `error.type`.
        handled: Whether the application went on.
        provider: Of the meter, the global one by default.
    """
    recorder.counter("errors.captured", provider).add(
        1, {"error.type": type(error).__qualname__, "handled": "true" if handled else "false"}
    )
