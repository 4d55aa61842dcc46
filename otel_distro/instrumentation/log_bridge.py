"""Exports the records of standard `logging`, whatever its handlers are.

Upstream adds a handler to the root logger. Records of loggers that do not propagate (uvicorn's
and gunicorn's own) never reach it, `dictConfig` removes it, and its presence alone silences
`basicConfig` and the handler of last resort. This hooks in where all records pass instead,
after the handlers have had theirs.
"""

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from time import thread_time, time_ns
from typing import TYPE_CHECKING, Final

from opentelemetry import context
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.instrumentation.log_utils import std_to_otel
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.trace import get_current_span
from opentelemetry.util.types import AnyValue

from otel_distro.governor import state
from otel_distro.instrumentation.exceptions import context_of
from otel_distro.instruments import errors
from otel_distro.logger import records
from otel_distro.logger.values import clean, clean_text
from otel_distro.notices import describe, notice
from otel_distro.settings import LogCapture

if TYPE_CHECKING:
    from collections.abc import Callable

# What the SDK says of a failing export must not become the next thing to export.
_OWN_LOGGERS: Final = ("opentelemetry", "otel_distro")

_SEVERITY_TEXT: Final = {"WARNING": "WARN", "CRITICAL": "FATAL"}

_cost: Final = state.point("log")

_emitting: ContextVar[bool] = ContextVar("otel_distro_log_bridge_emitting", default=False)


class LogBridge:
    """Sends records of standard `logging` to a logger provider, with the current trace's ids."""

    def __init__(self, provider: LoggerProvider, capture: LogCapture) -> None:
        self._provider = provider
        self._capture = capture
        self._original: Callable[[logging.Logger, logging.LogRecord], None] | None = None

    def install(self) -> None:
        """Start exporting. A second call does nothing."""
        if self._original is not None:
            return
        original = self._original = logging.Logger.callHandlers

        def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            try:
                original(logger, record)
            finally:
                if self._original is not None:
                    self.export(record)

        self._ours = call_handlers
        logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign, assignment]

    def uninstall(self) -> None:
        """Stop exporting."""
        if self._original is None:
            return
        if logging.Logger.callHandlers is self._ours:
            logging.Logger.callHandlers = self._original  # type: ignore[method-assign, assignment]
        # Somebody else's wrapper around ours stays where it is; ours then only passes on.
        self._original = None

    def export(self, record: logging.LogRecord) -> None:
        """Emit one record. Never raises, and never exports what exporting it brings about."""
        if record.levelno < self._capture.level or _emitting.get():
            return
        token = _emitting.set(True)
        used = thread_time() if _cost.due() else None
        try:
            if record.name.partition(".")[0] in _OWN_LOGGERS or context.get_value(
                _SUPPRESS_INSTRUMENTATION_KEY
            ):
                return
            if record.exc_info and record.exc_info[1] and record.levelno >= logging.ERROR:
                errors.captured(record.exc_info[1])
            self._provider.get_logger(record.name).emit(self._translate(record))
        except Exception as error:  # noqa: BLE001 - arguments and extras are the application's
            notice(
                f"log record {record.name}",
                f"a log record of {record.name} was not exported ({describe(error)}).",
            )
        finally:
            _emitting.reset(token)
            if used is not None:
                _cost.took(thread_time() - used)

    def _translate(self, record: logging.LogRecord) -> LogRecord:
        return LogRecord(
            timestamp=int(record.created * 1e9),
            observed_timestamp=time_ns(),
            context=_context_of(record),
            severity_text=_SEVERITY_TEXT.get(record.levelname, record.levelname),
            severity_number=std_to_otel(record.levelno)
            if record.levelno
            else SeverityNumber.UNSPECIFIED,
            body=_body(record),
            attributes=self._attributes(record),
        )

    def _attributes(self, record: logging.LogRecord) -> dict[str, AnyValue]:
        said = records.read(record)
        attributes: dict[str, AnyValue] = {**records.attributes(said)}
        if records.attached(record) is None:
            # What a line of standard `logging` says itself wins over what its task says.
            attributes |= {key: value for key, value in said["meta"].items() if key in attributes}
        if self._capture.code_attributes:
            attributes["code.file.path"] = record.pathname
            attributes["code.function.name"] = record.funcName
            attributes["code.line.number"] = record.lineno
        return attributes


def _context_of(record: logging.LogRecord) -> Context:
    """Return the current context; for the exception of a request that has ended, the request's."""
    current = context.get_current()
    if record.exc_info and not get_current_span(current).get_span_context().is_valid:
        return context_of(record.exc_info[1]) or current
    return current


def _body(record: logging.LogRecord) -> AnyValue:
    if isinstance(record.msg, Mapping) and not record.args:
        return clean(record.msg)
    return clean_text(record.getMessage())
