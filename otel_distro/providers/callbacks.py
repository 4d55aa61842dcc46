"""Callbacks of observable instruments, none of which can hold up the export of the others.

The SDK calls them one after the other while it holds the lock of all collection: one that waits
for a database that is gone keeps every metric of the process from being exported, and `shutdown`
from ending. Here each has a second, on a thread that waits for the next one in between.
"""

import math
import operator
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextvars import copy_context
from time import monotonic
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.util.types import Attributes

from otel_distro.delivery.patching import Era
from otel_distro.notices import describe, notice

PATIENCE_S: Final = 1.0
# A generator without an end would fill the memory before its second is over.
MOST_OBSERVATIONS: Final = 100_000
_JUST_S: Final = 10.0

# OTLP has integers of 64 bits; one that is larger costs the whole batch when it is encoded.
_LARGEST_INT: Final = 2**63 - 1


class BoundedCallback:
    """A callback that returns good observations, in time, or none; never raises.

    Args:
        callback: The application's: a function, or a generator as the API allows.
        instrument: Its name, for what is said.
    """

    def __init__(self, callback: object, instrument: str) -> None:
        self._read = _Reading(callback)
        self._instrument = instrument
        self._last: _Job | None = None

    def __call__(self, options: CallbackOptions) -> list[Observation]:
        """Return what the callback observes. Leaves it out while an earlier call still runs."""
        if self._last is not None and self._last.runs():
            return []
        job = self._last = _Job(self._read, options)
        patience = _patience()
        given = max(0.0, min(patience, options.timeout_millis / 1000))
        if not job.run(given):
            if given == patience:  # and not the whole collection's time that was up
                self._say(f"takes longer than {given:.2g} s; it is left out until it returns")
            return []
        if job.error is not None:
            self._say(f"failed ({describe(job.error)}); it has no data")
            return []
        good: list[Observation] = []
        for one in job.result:
            try:
                good.append(_checked(one))
            except Exception as error:  # noqa: BLE001 - it may be anything
                self._say(f"returned what is no observation ({describe(error)}); it is left out")
        return good

    def _say(self, what: str) -> None:
        notice(f"callback {self._instrument}", f"a callback of {self._instrument} {what}.")


class _Reading:
    """Calls the callback, and reads what it returns to the end."""

    def __init__(self, callback: object) -> None:
        self._callback: Any = callback
        self._started = not isinstance(callback, Generator)

    def __call__(self, options: CallbackOptions, given_up: Callable[[], bool]) -> list[Observation]:
        if isinstance(self._callback, Generator):
            if not self._started:
                self._started = True
                next(self._callback, None)  # up to where it waits for options
            try:
                returned = self._callback.send(options)
            except StopIteration:
                return []
        else:
            returned = self._callback(options)
        if not isinstance(returned, Iterable):
            raise TypeError(f"it returned {type(returned).__name__} and no observations")
        observations: list[Observation] = []
        for one in returned:
            if given_up():
                break
            if len(observations) == MOST_OBSERVATIONS:
                raise ValueError(f"more than {MOST_OBSERVATIONS} observations")
            observations.append(one)
        return observations


class _Job:
    """One call, and the thread it is on."""

    def __init__(self, read: _Reading, options: CallbackOptions) -> None:
        self._read = read
        self._options = options
        self._context = copy_context()
        self._helper: _Helper | None = None
        self._given_up = False
        self._has_ended = False
        self._ended = _era().make_lock()
        self._ended.acquire()
        self.result: list[Observation] = []
        self.error: BaseException | None = None

    def run(self, patience: float) -> bool:
        """Run on a helper; return whether it ended in time. Where no thread starts, run here."""
        try:
            helper = _idle.pop()
        except IndexError:
            try:
                helper = _Helper(_era())
            except RuntimeError:  # no more threads, or none any more as the interpreter ends
                self.work()
                return True
        self._helper = helper
        helper.do(self)
        if self._ended.acquire(timeout=patience):
            return True
        self._given_up = True
        _given_up_at.append(monotonic())
        return False

    def work(self) -> None:
        """Do it. What is raised is kept, whatever it is: the thread is not the callback's."""
        try:
            self.result = self._context.run(self._read, self._options, lambda: self._given_up)
        except BaseException as error:  # noqa: BLE001 - also what would end a thread
            self.error = error

    def end(self) -> None:
        """Let go who waits for it."""
        self._has_ended = True
        self._ended.release()

    def runs(self) -> bool:
        """Return whether it runs still; not after a fork, where its thread is not."""
        return not self._has_ended and self._helper is not None and self._helper.is_alive


class _Helper:
    """Does one job after the other; of several that wait for one, one stays.

    Of bare threads and locks, all of one era: gevent's patching may come at any moment.
    """

    def __init__(self, era: Era) -> None:
        self._era = era
        self._job: _Job | None = None
        self._called = era.make_lock()
        self._called.acquire()
        self._process = os.getpid()
        era.start_thread(self._run, ())

    @property
    def is_alive(self) -> bool:
        """Whether its thread is of this process."""
        return self._process == os.getpid()

    def do(self, job: _Job) -> None:
        """Have it done."""
        self._job = job
        self._called.release()

    def _run(self) -> None:
        stays = True
        while stays:
            self._called.acquire()
            job, self._job = self._job, None
            if job is None:  # never: it is called for a job
                continue
            job.work()
            stays = not _idle and self._era is _eras[0]
            if stays:
                _idle.append(self)
            job.end()


_eras = [Era()]


def _era() -> Era:
    era = _eras[0]
    if era.is_over and era.began_on_this_thread():
        _idle.clear()
        era = _eras[0] = Era()
    return era


# Without a lock: what is done with them is one step each.
_idle: list[_Helper] = []
_given_up_at: deque[float] = deque(maxlen=1000)


def _forget() -> None:
    _idle.clear()  # the threads are the parent's
    _given_up_at.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _patience() -> float:
    """Return how long the next one is waited for: the less the more have just been given up.

    A hundred that start to hang at once take five seconds so, and not a hundred.
    """
    now = monotonic()
    return PATIENCE_S / (1 + sum(now - then < _JUST_S for then in list(_given_up_at)))


def _checked(one: Observation) -> Observation:
    value, attributes, context = one.value, one.attributes, one.context
    if context is not None and not isinstance(context, Context):
        raise TypeError(f"a context of type {type(context).__name__}")
    return Observation(_number(value), _attributes(attributes), context)


def _number(value: Any) -> int | float:  # noqa: ANN401 - what is checked
    number: int | float
    if hasattr(value, "__index__"):
        number = operator.index(value)
        if -_LARGEST_INT <= number <= _LARGEST_INT:
            return number
    if not hasattr(value, "__float__"):
        raise TypeError(f"a value of type {type(value).__name__}")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"a value that is {number}")
    return number


def _attributes(attributes: Any) -> Attributes:  # noqa: ANN401 - what is checked
    if attributes is None:
        return None
    if not isinstance(attributes, Mapping):
        raise TypeError(f"attributes of type {type(attributes).__name__}")
    for key, value in attributes.items():
        if not isinstance(key, str):
            raise TypeError(f"an attribute's name of type {type(key).__name__}")
        _check_value(value)
    return attributes


def _check_value(value: object) -> None:
    if value is None or isinstance(value, str | bytes | bool | int | float):
        return
    if isinstance(value, Mapping):
        _attributes(value)
    elif isinstance(value, Sequence):
        for item in value:
            _check_value(item)
    else:
        raise TypeError(f"an attribute of type {type(value).__name__}")
