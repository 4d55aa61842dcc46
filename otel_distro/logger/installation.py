"""Puts the parts of the logger in place for this process, and takes them away again."""

import logging
import threading

from otel_distro.logger import threshold
from otel_distro.logger.carry import Carrier
from otel_distro.logger.console import Console
from otel_distro.logger.hooks import Hooks
from otel_distro.settings import Settings

_lock = threading.Lock()
_carrier = Carrier()
_hooks = Hooks()
_installed: tuple[Console, logging.Handler | None] | None = None


def install(settings: Settings) -> None:
    """Print lines as the settings say, carry fields into threads, listen to Python's reports.

    A second call does nothing. With a disabled SDK lines are printed all the same: they are the
    application's output, not telemetry; only what exists to be exported is left out.
    """
    global _installed  # noqa: PLW0603 - what is installed is global to a process by nature
    with _lock:
        if _installed is not None:
            return
        threshold.use(settings.log_output)
        _carrier.install()
        before = logging.lastResort
        service = settings.service.name or "unknown_service"
        console = Console(settings.log_output, service, before)
        logging.lastResort = console
        _installed = (console, before)
        if not settings.disabled:
            _hooks.install()


def uninstall() -> None:
    """Leave everything as it was before `install`. A second call does nothing."""
    global _installed  # noqa: PLW0603 - as above
    with _lock:
        if _installed is None:
            return
        console, before = _installed
        _installed = None
        _hooks.uninstall()
        if logging.lastResort is console:
            logging.lastResort = before
        _carrier.uninstall()
        threshold.use(None)
