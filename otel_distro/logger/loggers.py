"""The loggers that an application calls. What they say goes to standard `logging`."""

import logging
import sys
from decimal import Decimal
from logging import CRITICAL, DEBUG, ERROR, INFO, WARNING
from types import FrameType
from typing import Final

from otel_distro.logger import threshold
from otel_distro.logger.errors import error_fields, given_error
from otel_distro.logger.fields import (
    NAMED,
    NOTHING,
    UNSAID,
    Fields,
    Id,
    current_fields,
    fields_of,
    merge,
    set_context,
)
from otel_distro.logger.records import Said, attach
from otel_distro.logger.values import clean, clean_fields, clean_text
from otel_distro.notices import describe, notice

# Keywords of standard `logging` that are no fields.
_HABITS: Final = frozenset({"exc_info", "extra", "stack_info", "stacklevel"})


class Logger:
    """Says what happens in one service, as fields rather than prose. No call of it ever raises.

    Each method takes a message and any fields of that line as keywords. `error` takes the
    exception. A keyword that is the name of a context field stands for that field on this line.

    Attributes:
        name: The service, and the name of the logger of standard `logging` behind it.
    """

    __slots__ = ("_bound", "_found", "name")

    def __init__(self, name: str, bound: Fields = NOTHING) -> None:
        self.name = name
        self._bound = bound
        self._found: logging.Logger | None = None

    def __repr__(self) -> str:
        return f"<Logger {self.name}>"

    @property
    def _standard(self) -> logging.Logger:
        # Late: `dictConfig` disables the loggers that it finds, unless it is told not to.
        if self._found is None:
            self._found = logging.getLogger(self.name)
        return self._found

    def debug(
        self,
        message: object,
        /,
        *args: object,
        error: BaseException | None = None,
        **meta: object,
    ) -> None:
        """Say what only matters to who looks for a fault."""
        if threshold.passes(self._standard, DEBUG):
            self._log(DEBUG, message, args, error, meta)

    def info(
        self,
        message: object,
        /,
        *args: object,
        error: BaseException | None = None,
        **meta: object,
    ) -> None:
        """Say what happened as it should."""
        if threshold.passes(self._standard, INFO):
            self._log(INFO, message, args, error, meta)

    def warn(
        self,
        message: object,
        /,
        *args: object,
        error: BaseException | None = None,
        **meta: object,
    ) -> None:
        """Say what did not go as it should, and was dealt with."""
        if threshold.passes(self._standard, WARNING):
            self._log(WARNING, message, args, error, meta)

    warning = warn

    def error(
        self,
        message: object,
        /,
        *args: object,
        error: BaseException | None = None,
        **meta: object,
    ) -> None:
        """Say what failed."""
        if threshold.passes(self._standard, ERROR):
            self._log(ERROR, message, args, error, meta)

    def exception(self, message: object, /, *args: object, **meta: object) -> None:
        """Say what failed, with the exception that is being handled."""
        if threshold.passes(self._standard, ERROR):
            self._log(ERROR, message, args, sys.exception(), meta)

    def fatal(
        self,
        message: object,
        /,
        *args: object,
        error: BaseException | None = None,
        **meta: object,
    ) -> None:
        """Say what the process cannot go on with. It goes on: ending it is yours."""
        if threshold.passes(self._standard, CRITICAL):
            self._log(CRITICAL, message, args, error, meta)

    critical = fatal

    def bind(
        self,
        *,
        user_id: Id = UNSAID,
        organization_id: Id = UNSAID,
        request_id: Id = UNSAID,
        agent_id: Id = UNSAID,
        conversation_id: Id = UNSAID,
        **fields: object,
    ) -> "Logger":
        """Return a logger that adds fields to every line of its own. They win over the context."""
        added = fields_of(
            user_id=user_id,
            organization_id=organization_id,
            request_id=request_id,
            agent_id=agent_id,
            conversation_id=conversation_id,
            **fields,
        )
        # Not `merge`: a None has to stay, to take the field away from the context of the line.
        return Logger(self.name, {**self._bound, **added})

    set_context = staticmethod(set_context)

    def _log(
        self,
        level: int,
        message: object,
        args: tuple[object, ...],
        error: object,
        meta: dict[str, object],
    ) -> None:
        # The caller of the method: which is always one call away, so no search is needed.
        caller = sys._getframe(2)  # noqa: SLF001 - documented, and what logging itself uses
        try:
            record = self._record(level, message, args, error, meta, caller)
            self._standard.handle(record)
        except Exception as fault:  # noqa: BLE001 - filters and handlers are the application's
            notice(f"log call {self.name}", f"a line of {self.name} was lost ({describe(fault)}).")

    def _record(  # noqa: PLR0913, PLR0917 - one line has these parts
        self,
        level: int,
        message: object,
        args: tuple[object, ...],
        given: object,
        meta: dict[str, object],
        caller: FrameType,
    ) -> logging.LogRecord:
        if args or given is not None or not _HABITS.isdisjoint(meta):
            message, meta, error = _as_meant(message, args, given, meta)
        else:
            error = None
        fields = merge(current_fields(), self._bound)
        own = {key: meta.pop(key) for key in [*meta] if key in NAMED or key in fields}
        if own:
            fields = merge(fields, fields_of(**own))
        said = Said(context=fields, meta=clean_fields(meta))
        if error is not None:
            said["error"] = error_fields(error)
        code = caller.f_code
        record = self._standard.makeRecord(
            self.name,
            level,
            code.co_filename,
            caller.f_lineno,
            clean_text(message),
            (),
            None if error is None else (type(error), error, error.__traceback__),
            code.co_name,
        )
        attach(record, said)
        return record


def _as_meant(
    message: object, args: tuple[object, ...], given: object, meta: dict[str, object]
) -> tuple[object, dict[str, object], BaseException | None]:
    """Sort out what was written by the habits of standard `logging` and of the seed.

    `info("took %d ms", 3)`, `error("failed", exc, {"order": 1})`, `exc_info=True`, `extra={…}`.
    """
    error = given_error(given)
    if given is not None and error is None:
        meta["error"] = given
    by_habit = given_error(meta.pop("exc_info", None))
    error = by_habit if error is None else error
    for habit in ("stack_info", "stacklevel"):
        meta.pop(habit, None)
    more = [meta.pop("extra", None)]
    if args and "%" in clean_text(message):
        message = _formatted(message, args)
    else:
        more += args
    for number, item in enumerate(more):
        # By its type: an object can raise when it is asked for its class.
        if issubclass(type(item), BaseException) and error is None:
            error = given_error(item)
        elif type(item) is dict:
            meta = {**{clean_text(key): value for key, value in item.items()}, **meta}
        elif item is not None:
            meta[f"argument_{number}"] = item
    return message, meta, error


def _formatted(message: object, args: tuple[object, ...]) -> str:
    """Format as standard `logging` does; where that is impossible, keep the arguments beside."""
    text = clean_text(message)
    try:
        if len(args) == 1 and type(args[0]) is dict:
            return text % {key: _argument(value) for key, value in args[0].items()}
        return text % tuple(_argument(arg) for arg in args)
    except Exception:  # noqa: BLE001 - also arguments whose text raises
        return f"{text} {clean(list(args))}"


def _argument(value: object) -> object:
    return value if type(value) in {int, float, Decimal} else clean_text(value)


def get_logger(name: str) -> Logger:
    """Return the logger of a service or of a part of one. Never raises."""
    return Logger(clean_text(name))


api_logger: Final = get_logger("api")
agent_logger: Final = get_logger("agents")
ml_logger: Final = get_logger("ml")
db_logger: Final = get_logger("database")
