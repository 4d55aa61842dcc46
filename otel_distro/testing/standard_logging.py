"""The records of standard `logging`, and so of our loggers, while a test runs."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from weakref import WeakSet

from opentelemetry.sdk._logs import LoggerProvider

from otel_distro.instrumentation.log_bridge import LogBridge
from otel_distro.logger import threshold
from otel_distro.settings.model import LogCapture, LogOutput

# The providers of this test and of those before: what they get, the test that runs captures.
_ours: Final[WeakSet[LoggerProvider]] = WeakSet()


class _Bridge(LogBridge):
    """A bridge that steps back where the code under test has bridged to one of our providers."""

    def export(self, record: logging.LogRecord) -> None:
        configuration = sys.modules.get("otel_distro.configuration")
        other = getattr(getattr(configuration, "_active", None), "_bridge", None)
        installed = getattr(other, "_original", None) is not None
        if not installed or getattr(other, "_provider", None) not in _ours:
            super().export(record)


@contextmanager
def bridged(provider: LoggerProvider) -> Iterator[None]:
    """Export records until the block ends; of our loggers, those of every level."""
    _ours.add(provider)
    bridge = _Bridge(provider, LogCapture())
    bridge.install()
    ours = None
    if threshold._output is None:  # noqa: SLF001 - our own: nobody has said a level yet
        ours = LogOutput(level=logging.DEBUG, level_is_set=True)
        threshold.use(ours)
    try:
        yield
    finally:
        if ours is not None and threshold._output is ours:  # noqa: SLF001 - as above
            threshold.use(None)
        bridge.uninstall()
