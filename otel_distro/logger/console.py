"""Prints lines where nobody else does: the handler of last resort.

`logging` uses `logging.lastResort` for records that no handler was found for, and only for those:
an application that configures handlers, before or after us, never has a line twice and finds the
root logger as it left it.
"""

import logging
import sys
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from typing import TextIO

from otel_distro.logger.records import attached
from otel_distro.logger.rendering import Renderer, json_renderer, pretty_renderer
from otel_distro.settings.model import LogOutput

_printing: ContextVar[bool] = ContextVar("otel_distro_console_printing", default=False)


class Console(logging.Handler):
    """Prints our lines, and in our format what Python's own last resort would have printed.

    Ours go to stdout, in development errors to stderr. Others stay on stderr, where Python has
    them: the standard output of a program may be its result.
    """

    def __init__(self, output: LogOutput, service: str, before: logging.Handler | None) -> None:
        super().__init__()
        self._format = output.format
        self._colors = output.colors
        self._service = service
        self._before = before
        # Somebody else's last resort keeps what was its own.
        self._stock = before is not None and before is getattr(logging, "_defaultLastResort", None)

    def handle(self, record: logging.LogRecord) -> bool:
        """Print a record, or leave it to who printed it before."""
        if attached(record) is not None:
            return self._format != "off" and bool(super().handle(record))
        if self._before is None or record.levelno < self._before.level:
            return False
        if self._stock and self._format != "off":
            return bool(super().handle(record))
        return bool(self._before.handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record. Never raises, and not what printing it brings about."""
        if _printing.get():
            return  # the stream writes to `logging` itself
        token = _printing.set(True)
        try:
            stream = self._stream(record)
            if stream is not None:
                _write(stream, f"{self._renderer(stream)(record)}\n")
        except Exception:  # noqa: BLE001 - arguments of standard logging are the application's
            self.handleError(record)
        finally:
            _printing.reset(token)

    def _stream(self, record: logging.LogRecord) -> TextIO | None:
        ours = attached(record) is not None
        failed = self._format == "pretty" and record.levelno >= logging.ERROR
        # Looked up each time, as Python's own last resort does: both can be replaced.
        return sys.stdout if ours and not failed else sys.stderr

    def _renderer(self, stream: TextIO) -> Renderer:
        if self._format == "json":
            return _json(self._service)
        return _pretty(self._colors and _is_terminal(stream))


_json = cache(json_renderer)


@cache
def _pretty(colors: bool) -> Renderer:  # noqa: FBT001 - the key of a cache
    return pretty_renderer(colors=colors)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # a stand-in, or closed
        return False


def _write(stream: TextIO, text: str) -> None:
    # A stream that is closed, full or has nobody at its other end is not the caller's fault.
    with suppress(AttributeError, OSError, ValueError):
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = getattr(stream, "encoding", None) or "ascii"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
