"""What is said of an exception: its name, its message and where it comes from."""

import sys
import traceback
from typing import TypedDict

from otel_distro.logger.values import clean_str, clean_text, keep_end


class ErrorFields(TypedDict):
    """An exception as the seed's log entries have it; `stack` has causes and groups in it."""

    name: str
    message: str
    stack: str


def error_fields(error: BaseException) -> ErrorFields:
    """Describe an exception. Never raises, also for exceptions whose own text does."""
    return ErrorFields(
        name=clean_text(type(error).__qualname__), message=clean_str(error), stack=_stack(error)
    )


def given_error(given: object) -> BaseException | None:
    """Return the exception that was meant by `error=` or by `exc_info=` of standard `logging`."""
    try:
        match given:
            case BaseException():
                return given
            case True:
                return sys.exception()
            case (_, BaseException() as error, _):
                return error
    except Exception:  # noqa: BLE001 - an object that does not even have a class to ask for
        return None
    return None


def _stack(error: BaseException) -> str:
    try:
        # Text of the exception that raises is handled in there; notes and the like are not.
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        return keep_end("".join(lines))
    except Exception:  # noqa: BLE001 - exceptions are the application's
        try:
            return keep_end("".join(traceback.format_tb(error.__traceback__)))
        except Exception:  # noqa: BLE001
            return ""
