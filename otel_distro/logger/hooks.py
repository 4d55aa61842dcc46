"""Exports what Python reports by itself: uncaught exceptions and warnings.

Each hook calls the one that was there, so what the process prints, and its exit code, stay as
they were. The records reach no handler of the application: on its stderr the same would stand
twice. Tasks that nobody awaited are reported by asyncio through `logging` already.
"""

import logging
import sys
import threading
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, TextIO

from otel_distro.logger.errors import error_fields
from otel_distro.logger.fields import current_fields
from otel_distro.logger.records import Said, attach
from otel_distro.logger.values import clean_fields, clean_text
from otel_distro.notices import describe, notice

Hook = Callable[..., Any]

# Loggers of our own that nothing is above: their records pass where all are exported, no handler.
_UNCAUGHT: Final = logging.Logger("python.uncaught")  # noqa: LOG001 - see above
_WARNINGS: Final = logging.Logger("py.warnings")  # noqa: LOG001 - named as logging names them
for _logger in (_UNCAUGHT, _WARNINGS):
    _logger.addHandler(logging.NullHandler())


class Hooks:
    """Listens to what Python reports, from `install` to `uninstall`."""

    def __init__(self) -> None:
        self._active = False
        self._undo: list[Callable[[], None]] = []

    def install(self) -> None:
        """Start listening."""
        self._active = True
        self._hook(sys, "excepthook", self._uncaught)
        self._hook(sys, "unraisablehook", self._unraisable)
        self._hook(threading, "excepthook", self._in_thread)
        # With capturing on, `logging` has put its own there and makes the record.
        if getattr(warnings.showwarning, "__module__", None) != "logging":
            self._hook(warnings, "showwarning", self._warning)

    def uninstall(self) -> None:
        """Stop listening. What somebody else has wrapped since stays, and does nothing."""
        self._active = False
        while self._undo:
            self._undo.pop()()

    def _hook(self, module: object, name: str, listen: Hook) -> None:
        before: Hook = getattr(module, name)

        def hook(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on as they are
            try:
                if self._active:
                    listen(*args, **kwargs)
            except Exception as fault:  # noqa: BLE001 - the objects are the application's
                notice(
                    f"hook {name}", f"what {name} reported was not exported ({describe(fault)})."
                )
            finally:
                before(*args, **kwargs)

        def undo() -> None:
            if getattr(module, name) is hook:
                setattr(module, name, before)

        setattr(module, name, hook)
        self._undo.append(undo)

    def _uncaught(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if not issubclass(kind, KeyboardInterrupt):  # asked for, not a fault
            _report(logging.CRITICAL, f"uncaught {_named(error)}", error, trace)

    def _in_thread(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is None or issubclass(args.exc_type, SystemExit):
            return
        name = args.thread.name if args.thread is not None else "a thread"
        text = f"uncaught {_named(args.exc_value)} in {name}"
        _report(logging.ERROR, text, args.exc_value, args.exc_traceback)

    def _unraisable(self, args: "sys.UnraisableHookArgs") -> None:
        if args.exc_value is not None:
            text = f"{args.err_msg or 'Exception ignored in'}: {clean_text(args.object)}"
            _report(logging.ERROR, text, args.exc_value, args.exc_traceback)

    def _warning(  # noqa: PLR0913, PLR0917 - the signature of warnings.showwarning
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,  # noqa: ARG002
    ) -> None:
        if file is None:
            said = Said(
                context=current_fields(),
                meta=clean_fields({"category": category.__name__}),
            )
            _emit(_WARNINGS, logging.WARNING, clean_text(message), said, (filename, lineno), None)


def _report(level: int, text: str, error: BaseException, trace: TracebackType | None) -> None:
    said = Said(context=current_fields(), meta={}, error=error_fields(error))
    last = trace
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    where = (last.tb_frame.f_code.co_filename, last.tb_lineno) if last else ("", 0)
    _emit(_UNCAUGHT, level, clean_text(text), said, where, error)


def _emit(  # noqa: PLR0913, PLR0917 - one record has these parts
    logger: logging.Logger,
    level: int,
    text: str,
    said: Said,
    where: tuple[str, int],
    error: BaseException | None,
) -> None:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord(logger.name, level, *where, text, (), exc_info)
    attach(record, said)
    logger.handle(record)


def _named(error: BaseException) -> str:
    return clean_text(type(error).__name__)
