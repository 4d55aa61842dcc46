"""Keeps delivery's own threads out of what they deliver."""

from collections.abc import Callable

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value


def without_instrumentation(work: Callable[[], None]) -> Callable[[], None]:
    """Return `work` for a thread in which instrumentation and log export are off.

    An exporter whose requests were traced, or whose log lines were exported, would never be done.
    """

    def quietly() -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        work()

    return quietly
