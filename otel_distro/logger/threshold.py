"""From which level on our loggers speak.

The application's `logging` decides wherever it says anything. Where it says nothing there is only
Python's own WARNING, which would silence every `info`; there the setting decides.
"""

import logging

from otel_distro.settings.model import LogOutput

_output: LogOutput | None = None


def use(output: LogOutput | None) -> None:
    """Decide by these settings; None for by standard `logging` alone."""
    global _output  # noqa: PLW0603 - loggers are global to a process, as those of `logging` are
    _output = output


def passes(logger: logging.Logger, level: int) -> bool:
    """Tell whether a line of ours of this level is to be said. Never raises."""
    if _output is None or (not _output.level_is_set and _configured(logger)):
        return logger.isEnabledFor(level)
    return level >= _output.level and not logger.disabled and logger.manager.disable < level


def _configured(logger: logging.Logger) -> bool:
    """Tell whether somebody gave the logger, or one above it, a handler or a level."""
    while logger.parent is not None:
        if logger.handlers or logger.level:
            return True
        if not logger.propagate:
            return False
        logger = logger.parent
    return bool(logger.handlers) or logger.level != logging.WARNING
