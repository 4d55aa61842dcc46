"""Carries the fields into threads: a new thread starts with none, by Python's design.

Only our fields, not a copy of all context variables: those of the application (a database
session, a framework's request) would turn up where it does not expect them. Trace context is
carried by opentelemetry-instrumentation-threading, which carries nothing else.

asyncio.to_thread and the threads of Starlette and anyio copy the context themselves.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import wraps
from typing import ParamSpec, TypeVar

from otel_distro.logger.fields import NOTHING, Fields, current_fields, replace_fields

P = ParamSpec("P")
T = TypeVar("T")


class Carrier:
    """Makes threads and thread pools take the fields along, from `install` to `uninstall`."""

    def __init__(self) -> None:
        self._active = False
        self._undo: list[Callable[[], None]] = []

    def install(self) -> None:
        """Start carrying."""
        self._active = True
        self._wrap_start(threading.Thread.start)
        self._wrap_submit(ThreadPoolExecutor.submit)

    def uninstall(self) -> None:
        """Stop carrying. What somebody else has wrapped since stays, and does nothing."""
        self._active = False
        while self._undo:
            self._undo.pop()()

    def _wrap_start(self, original: Callable[[threading.Thread], None]) -> None:
        @wraps(original)
        def start(thread: threading.Thread) -> None:
            fields = current_fields()
            if not (fields and self._active):
                return original(thread)
            # On the instance, so that subclasses that override `run` are covered too.
            own_run = thread.__dict__.get("run")
            thread.run = _running(thread, fields, own_run)  # type: ignore[method-assign]
            try:
                return original(thread)
            except BaseException:
                _put_back(thread, own_run)
                raise

        def undo() -> None:
            if threading.Thread.start is start:
                threading.Thread.start = original  # type: ignore[method-assign, assignment]

        threading.Thread.start = start  # type: ignore[method-assign, assignment]
        self._undo.append(undo)

    def _wrap_submit(self, original: Callable[..., Future[object]]) -> None:
        @wraps(original)
        def submit(
            executor: ThreadPoolExecutor, fn: Callable[..., object], /, *args: object, **kw: object
        ) -> Future[object]:
            fields = current_fields()
            if not self._active:
                return original(executor, fn, *args, **kw)
            # Without fields while it submits: a thread that the pool starts for this would carry
            # them to everybody who uses it later.
            with _without_fields(fields):
                return original(executor, _calling(fn, fields), *args, **kw)

        def undo() -> None:
            if ThreadPoolExecutor.submit is submit:
                ThreadPoolExecutor.submit = original  # type: ignore[method-assign, assignment]

        ThreadPoolExecutor.submit = submit  # type: ignore[method-assign, assignment]
        self._undo.append(undo)


class _without_fields:  # noqa: N801 - reads as the statement that it is
    __slots__ = ("_fields",)

    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    def __enter__(self) -> None:
        replace_fields(NOTHING)

    def __exit__(self, *_: object) -> None:
        replace_fields(self._fields)


def _running(
    thread: threading.Thread, fields: Fields, own_run: Callable[[], None] | None
) -> Callable[[], None]:
    def run() -> None:
        _put_back(thread, own_run)
        # Not taken back at the end: what reports that the thread failed says them too.
        replace_fields(fields)
        thread.run()

    return run


def _put_back(thread: threading.Thread, own_run: Callable[[], None] | None) -> None:
    if own_run is None:
        thread.__dict__.pop("run", None)
    else:
        thread.run = own_run  # type: ignore[method-assign]


def _calling(fn: Callable[P, T], fields: Fields) -> Callable[P, T]:
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        before = current_fields()
        replace_fields(fields)
        try:
            return fn(*args, **kwargs)
        finally:
            replace_fields(before)

    return call
