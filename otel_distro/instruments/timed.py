"""Things that begin and end: one object for `with`, `async with` and decorators."""

import asyncio
import contextlib
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Generator
from types import TracebackType
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar, cast

from opentelemetry.context import attach, get_current

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

    Exceptions go on untouched. Measuring never raises: what fails in it is said once. One object
    may be entered again inside itself, and by several threads and tasks at once.

    Args:
        begin: Starts a run. Called once for each block or call.
    """

    def __init__(self, begin: Callable[[], R]) -> None:
        self._begin = begin
        self._open: dict[int, list[R]] = {}

    def __enter__(self) -> R:
        run = self._start()
        self._open.setdefault(_current(), []).append(run)
        return run

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _end(self._leave(), error)

    async def __aenter__(self) -> R:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def _start(self) -> R:
        try:
            return self._begin()
        except Exception as fault:  # noqa: BLE001 - the application goes on
            _say_lost(_name(self._begin), fault)
            return cast("R", _Lost())

    def _leave(self) -> R:
        owner = _current()
        runs = self._open.pop(owner, None)
        if runs is None:  # a generator that another thread or task brings to its end
            owner, runs = self._open.popitem()
        run = runs.pop()
        if runs:
            self._open[owner] = runs
        return run

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Measure each call of a function.

        Of a coroutine function until it has returned; of a generator from the first step to the
        last, where a consumer that stops early is no error.
        """
        measured: Callable[..., Any]
        if inspect.iscoroutinefunction(function):

            async def measured(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - as the function
                with self._measuring():
                    return await function(*args, **kwargs)

        elif inspect.isasyncgenfunction(function):

            async def measured(*args: P.args, **kwargs: P.kwargs) -> AsyncIterator[Any]:
                with self._measuring() as measuring:
                    async with contextlib.aclosing(function(*args, **kwargs)) as items:
                        async for item in items:
                            measuring.pause()
                            try:
                                yield item
                            finally:
                                measuring.go_on()

        elif inspect.isgeneratorfunction(function):

            def measured(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, Any]:
                with self._measuring() as measuring:
                    return (yield from _paused_between(function(*args, **kwargs), measuring))

        else:

            def measured(*args: P.args, **kwargs: P.kwargs) -> T:
                with self._measuring():
                    return function(*args, **kwargs)

        return cast("Callable[P, T]", functools.wraps(function)(measured))

    def _measuring(self) -> "_Measuring":
        return _Measuring(self._start)


class _Measuring:
    """The block of one run.

    Between the steps of a generator the context is its consumer's: what that does in the
    meantime is no part of the run.
    """

    __slots__ = ("_begin", "_inside", "_outside", "_run")

    def __init__(self, begin: Callable[[], Run]) -> None:
        self._begin = begin

    def __enter__(self) -> Self:
        self._outside = get_current()
        self._run = self._begin()
        self._inside = get_current()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        _end(self._run, error)

    def pause(self) -> None:
        """Give the consumer its context back."""
        self._inside = get_current()
        attach(self._outside)

    def go_on(self) -> None:
        """Take the run's context again."""
        self._outside = get_current()
        attach(self._inside)


def _paused_between(
    steps: Generator[Any, Any, Any], measuring: _Measuring
) -> Generator[Any, Any, Any]:
    """Yield what a generator yields, paused in between; `send`, `throw` and `close` go through."""
    step, sent = steps.send, None
    while True:
        try:
            item = step(sent)
        except StopIteration as end:
            return end.value
        measuring.pause()
        try:
            sent = yield item
            step = steps.send
        except GeneratorExit:
            measuring.go_on()
            steps.close()
            raise
        except BaseException as error:  # noqa: BLE001 - the generator's to handle
            step, sent = steps.throw, error
        measuring.go_on()


class _Lost:
    """Stands for a run that could not begin: takes whatever is said of it, and blocks and calls."""

    def __getattr__(self, _name: str) -> "_Lost":
        return self

    def __setattr__(self, _name: str, _value: object) -> None:
        pass

    def __call__(self, *arguments: object, **_named: object) -> object:
        # As a decorator it leaves the function as it is.
        return arguments[0] if arguments and callable(arguments[0]) else self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        pass


def _current() -> int:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop of asyncio
        task = None
    return threading.get_ident() if task is None else id(task)


def never_raises(report: Callable[P, None]) -> Callable[P, None]:
    """Let a function that reports something at once say its faults, once, and not raise them."""

    @functools.wraps(report)
    def reporting(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            report(*args, **kwargs)
        except Exception as fault:  # noqa: BLE001 - the application goes on
            _say_lost(_name(report), fault)

    return reporting


def status_of(error: BaseException | None) -> str:
    """Return the `status` of an outcome: success or error."""
    return "success" if error is None else "error"


def _end(run: Run, error: BaseException | None) -> None:
    try:
        # Closed by its consumer, a generator has not failed.
        run.end(None if isinstance(error, GeneratorExit) else error)
    except Exception as fault:  # noqa: BLE001 - the application goes on
        _say_lost(type(run).__qualname__, fault)


def _name(function: Callable[..., object]) -> str:
    name: str = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{function.__module__.rpartition('.')[2]}.{name.partition('.<locals>')[0]}"


def _say_lost(what: str, fault: Exception) -> None:
    notice(f"lost {what}", f"a measurement was lost: {what} failed ({describe(fault)}).")
