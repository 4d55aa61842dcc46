"""Measurements by name: `metrics.increment("api.requests", tags={"endpoint": "/items"})`.

A name of the catalogue has the entry's kind, unit and buckets; any other becomes an instrument of
the kind it is first used as. What is wrong with a call is said once, and nothing here ever raises.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import CoroutineType
from typing import Any, Final, Literal, TypeVar, overload

from otel_distro.instruments.accepted import Pairs, Refused, Tags, number, pairs, shown, text
from otel_distro.instruments.named import METHODS, Names, Type
from otel_distro.instruments.timed import Timed, status_of
from otel_distro.notices import describe, notice

T = TypeVar("T")

RECENT: Final = 10_000
# Of what is wrong with calls; names and tags may be made up without end.
_MAX_NOTICES: Final = 200


@dataclass(frozen=True, slots=True)
class Metric:
    """A measurement.

    Attributes:
        name: Of the instrument.
        value: What was given; of a counter, its total after it.
        timestamp_ms: Milliseconds since 1970.
        tags: As they were recorded.
        type: What it was recorded as.
    """

    name: str
    value: float
    timestamp_ms: int
    tags: dict[str, str]
    type: Literal["counter", "gauge", "histogram"]


class Call:
    """A measured call that goes on."""

    def __init__(self, report: Callable[[float, str], None]) -> None:
        self._report = report
        self._started = time.perf_counter()

    def end(self, error: BaseException | None) -> None:
        """Record the outcome."""
        self._report((time.perf_counter() - self._started) * 1000, status_of(error))


class Metrics:
    """Counters, gauges and histograms by name. Safe to use from any thread."""

    def __init__(self) -> None:
        self._renew_lock()
        self.forget()

    def forget(self) -> None:
        """Start anew, for tests that replace the providers."""
        self._names = Names()
        self._recent: deque[tuple[str, float, int, Pairs, Type]] = deque(maxlen=RECENT)
        self._said: set[str] = set()

    def increment(self, name: str, value: float = 1, tags: Tags | None = None) -> None:
        """Add to a counter.

        Args:
            name: Of the counter, with dots: `agents.executions`.
            value: Not negative, unless the catalogue has the name as an updowncounter.
            tags: Of bounded sets; ids of users or requests belong on spans and log lines. With a
                `status` of success or error, the other one exists from then on too, at zero.
        """
        self._record("counter", name, value, tags)

    def gauge(self, name: str, value: float, tags: Tags | None = None) -> None:
        """Set a current value."""
        self._record("gauge", name, value, tags)

    def histogram(
        self, name: str, value: float, tags: Tags | None = None, unit: str | None = None
    ) -> None:
        """Add a value to a distribution.

        Args:
            name: Of the histogram.
            value: In the unit.
            tags: As of `increment`.
            unit: ms, s, By, 1 for a ratio, or a word in braces; chooses the buckets. A name that
                ends in `.duration` is in ms without it.
        """
        self._record("histogram", name, value, tags, unit)

    @overload
    def measure(self, name: str, fn: None = None, tags: Tags | None = None) -> Timed[Call]: ...
    @overload
    def measure(
        self, name: str, fn: Callable[[], Awaitable[T]], tags: Tags | None = None
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def measure(self, name: str, fn: Callable[[], T], tags: Tags | None = None) -> T: ...

    def measure(
        self, name: str, fn: Callable[[], Any] | None = None, tags: Tags | None = None
    ) -> Any:
        """Measure `{name}.duration`, in ms, and count `{name}.calls`, both with a `status`.

        Exceptions go on untouched, with a status of error.

        Args:
            name: What both names begin with.
            fn: Called without arguments.
            tags: Of both.

        Returns:
            What `fn` returns; where that is awaitable, a coroutine to await instead. Without
            `fn`, an object for `with`, `async with`, or to decorate functions with.
        """

        def begin() -> Call:
            return Call(lambda ms, status: self._record_call(name, ms, tags, status))

        timed = Timed(begin)
        if fn is None:
            return timed
        called = begin()
        try:
            result = fn()
        except BaseException as error:
            called.end(error)
            raise
        # By its type: `isinstance` asks the object, which is the application's.
        if type(result) is CoroutineType:  # which has not begun yet
            return timed(_awaited)(result)
        if hasattr(type(result), "__await__"):
            return _ended(called, result)
        called.end(None)
        return result

    def get_metrics(self) -> list[Metric]:
        """Return the last 10,000 measurements, oldest first."""
        with self._lock:
            recent = list(self._recent)
        return [
            Metric(name, value, at, dict(tags), used_as)
            for name, value, at, tags, used_as in recent
        ]

    def get_counters(self) -> dict[str, float]:
        """Return the totals of all counters, by `name:tag:value,tag:value`."""
        return self._values("counter")

    def get_gauges(self) -> dict[str, float]:
        """Return the last values of all gauges, by `name:tag:value,tag:value`."""
        return self._values("gauge")

    def _values(self, used_as: Type) -> dict[str, float]:
        with self._lock:
            return {
                key: value
                for named in self._names
                for key, value in named.values_as(used_as).items()
            }

    def _renew_lock(self) -> None:
        # Reentrant, since `__del__` and signal handlers measure too, in the middle of anything.
        self._lock = threading.RLock()

    def _record_call(self, name: str, ms: float, tags: Tags | None, status: str) -> None:
        try:
            plain = text(name)
        except Exception:  # noqa: BLE001 - below it is said what is wrong with it
            self._record("counter", name, 1, tags)
            return
        self._record("histogram", f"{plain}.duration", ms, tags, status=status)
        self._record("counter", f"{plain}.calls", 1, tags, status=status)

    def _record(  # noqa: PLR0913 - the columns of a measurement
        self,
        used_as: Type,
        name: str,
        value: float,
        tags: Tags | None,
        unit: str | None = None,
        *,
        status: str | None = None,
    ) -> None:
        try:
            self._take(used_as, name, value, tags, unit=unit, status=status)
        except Refused as problem:
            self._say(used_as, name, f"{problem}. Nothing was recorded.")
        except Exception as error:  # noqa: BLE001 - names, values and tags are strangers'
            self._say(used_as, name, f"failed ({describe(error)}). Nothing was recorded.")

    def _take(  # noqa: PLR0913 - as above
        self,
        used_as: Type,
        name: str,
        value: float,
        tags: Tags | None,
        *,
        unit: str | None,
        status: str | None,
    ) -> None:
        plain, plain_value, (tagged, problems) = text(name), number(value), pairs(tags)
        if status is not None:
            tagged = tuple(sorted({**dict(tagged), "status": status}.items()))
        with self._lock:
            named = self._names.find(used_as, plain, unit)
            stored = named.store(used_as, tagged, plain_value)
            at = time.time_ns() // 1_000_000
            self._recent.append((plain, stored.value, at, stored.pairs, used_as))
        # Outside: the SDK calls our callbacks with locks of its own.
        for amount, attributes in stored.emit:
            named.emit(amount, attributes)
        for problem in (*problems, *stored.problems):
            self._say(used_as, plain, f"{problem}. The value was recorded.")

    def _say(self, used_as: Type, name: object, problem: str) -> None:
        try:
            text = f"metrics.{METHODS[used_as]}({shown(name)}): {problem}"
        except Exception:  # noqa: BLE001 - the name is a stranger's
            text = f"metrics.{METHODS[used_as]}: {problem}"
        with self._lock:
            if text in self._said or len(self._said) > _MAX_NOTICES:
                return
            self._said.add(text)
            if len(self._said) > _MAX_NOTICES:
                text = "metrics: more calls are wrong in more ways; they are not named any more."
        notice(text, text)


async def _awaited(result: Awaitable[T]) -> T:
    return await result


async def _ended(called: Call, result: Awaitable[T]) -> T:
    try:
        value = await result
    except BaseException as error:
        called.end(error)
        raise
    called.end(None)
    return value


metrics: Final = Metrics()
increment: Final = metrics.increment
gauge: Final = metrics.gauge
histogram: Final = metrics.histogram
measure: Final = metrics.measure

if hasattr(os, "register_at_fork"):
    # Another thread may have held the lock in the moment of the fork.
    os.register_at_fork(after_in_child=metrics._renew_lock)  # noqa: SLF001 - our own
