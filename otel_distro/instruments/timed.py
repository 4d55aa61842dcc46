"""Things that begin and end: one object for `with`, `async with` and decorators."""

import functools
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

from otel_distro.notices import describe, notice

P = ParamSpec("P")
T = TypeVar("T")


class Run(Protocol):
    """Something that has begun."""

    def end(self, error: BaseException | None) -> None:
        """Record the outcome; None for success."""


R = TypeVar("R", bound=Run)


class Timed(Generic[R]):
    """Measures a block or a function from its begin to its end, whatever the outcome.

    Exceptions go on untouched. Measuring never raises: what fails in it is said once.

    Args:
        begin: Starts a run. Called once for each block or call.
    """

    def __init__(self, begin: Callable[[], R]) -> None:
        self._begin = begin
        self._runs: list[R] = []

    def __enter__(self) -> R:
        run = self._begin()
        self._runs.append(run)
        return run

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _end(self._runs.pop(), error)

    async def __aenter__(self) -> R:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Measure each call of a function; of a coroutine function, until it has returned."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def measured_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - as the function
                run = self._begin()
                try:
                    result = await function(*args, **kwargs)
                except BaseException as error:
                    _end(run, error)
                    raise
                _end(run, None)
                return result

            return cast("Callable[P, T]", measured_coroutine)

        @functools.wraps(function)
        def measured(*args: P.args, **kwargs: P.kwargs) -> T:
            run = self._begin()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                _end(run, error)
                raise
            _end(run, None)
            return result

        return measured


def status_of(error: BaseException | None) -> str:
    """Return the `status` of an outcome: success or error."""
    return "success" if error is None else "error"


def _end(run: Run, error: BaseException | None) -> None:
    try:
        run.end(error)
    except Exception as fault:  # noqa: BLE001 - the application goes on
        notice(
            f"run {type(run).__qualname__}",
            f"a measurement was lost: {type(run).__qualname__} failed ({describe(fault)}).",
        )
