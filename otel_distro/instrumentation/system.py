"""The process as its operating system sees it: memory, processor, threads, garbage, event loop."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple
from weakref import WeakSet

import psutil
from opentelemetry.metrics import MeterProvider

from otel_distro.instrumentation import limits
from otel_distro.instruments import recorder
from otel_distro.instruments.recorder import Attributes

_MEGABYTE: Final = 1_000_000
# All instruments of one export share one reading.
FRESH_S: Final = 0.2
_LOOP_INTERVAL_S: Final = 0.5

Values = Iterable[tuple[float, Attributes]]


class Reading(NamedTuple):
    """One look at the process. Memory in bytes, times in seconds, use of processors from 0 to 1."""

    at: float
    memory: int
    user: float
    system: float
    utilization: float


class Process:
    """Reads this process, also after a fork."""

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            # The last reading is the parent's, and the lock may be held by a thread of its.
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._last: Reading | None = None

    def read(self) -> Reading:
        """Return a reading that is at most 0.2 s old."""
        now = time.monotonic()
        with self._lock:
            last = self._last
            if last is None or now - last.at > FRESH_S:
                process = psutil.Process()
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info().rss
                busy = times.user + times.system
                since = busy if last is None else busy - last.user - last.system
                over = time.time() - process.create_time() if last is None else now - last.at
                share = since / max(over, 1e-6) / limits.processors()
                last = self._last = Reading(
                    now, memory, times.user, times.system, min(1.0, max(0.0, share))
                )
            return last


def report(provider: MeterProvider | None = None) -> None:
    """Report the process to a meter provider, the global one by default."""
    process = Process()

    def observe(name: str, read: Callable[[], Values]) -> None:
        recorder.observe(name, read, provider)

    def just(value: float) -> Values:
        return [(value, {})]

    observe("process.memory.usage", lambda: just(process.read().memory))
    observe("system.memory_usage_mb", lambda: just(process.read().memory / _MEGABYTE))
    observe("system.memory.utilization", lambda: [(limits.memory_utilization(), {"state": "used"})])
    observe("process.cpu.utilization", lambda: just(process.read().utilization))
    observe("system.cpu_usage_percent", lambda: just(process.read().utilization * 100))
    observe(
        "process.cpu.time",
        lambda: [
            (process.read().user, {"cpu.mode": "user"}),
            (process.read().system, {"cpu.mode": "system"}),
        ],
    )
    observe("process.thread.count", lambda: just(psutil.Process().num_threads()))
    observe("process.unix.file_descriptor.count", lambda: just(psutil.Process().num_fds()))
    observe(
        "cpython.gc.collections",
        lambda: [
            (generation["collections"], {"cpython.gc.generation": str(number)})
            for number, generation in enumerate(gc.get_stats())
        ],
    )


_watched: "WeakSet[asyncio.AbstractEventLoop]" = WeakSet()


def watch_event_loop(provider: MeterProvider | None = None) -> None:
    """Report how late the running event loop is, twice a second. A second call does nothing.

    Holds nothing that keeps the loop from closing, and ends with it. Loops that are not asyncio's
    are not watched.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    if loop in _watched:
        return
    _watched.add(loop)
    delay = recorder.histogram("cpython.eventloop.delay", provider)

    def tick(due: float) -> None:
        delay.record(max(0.0, loop.time() - due))
        then = loop.time() + _LOOP_INTERVAL_S
        loop.call_at(then, tick, then)

    first = loop.time() + _LOOP_INTERVAL_S
    loop.call_at(first, tick, first)
