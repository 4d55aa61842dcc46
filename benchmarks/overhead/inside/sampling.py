"""Where CPU goes, by samples of the running threads.

A sample is worth the CPU that its thread has used since the one before: a thread that waits counts
for nothing, and the sum is what the process used. Of threads other than the main one the function
is where they were when the main thread had the interpreter: the next place at which they wait.
"""

import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from types import FrameType

_EVERY_S = 0.001


class Samples:
    """Seconds of functions and threads, from `begin` to `end`; for the main thread to call."""

    def __init__(self) -> None:
        self._own: Counter[str] = Counter()
        self._below: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._main = threading.get_ident()
        self._used: dict[int, float] = {}

    def begin(self) -> None:
        """Start: by the wall clock, whose timer is the finer one; the loop is busy all the time."""
        self._used = {thread: _cpu_s(thread) for thread in sys._current_frames()}  # noqa: SLF001
        signal.signal(signal.SIGALRM, self._take)
        signal.setitimer(signal.ITIMER_REAL, _EVERY_S, _EVERY_S)

    def end(self) -> dict[str, dict[str, float]]:
        """Return seconds: of each function itself, with what it calls, and of other threads."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        return {"own": dict(self._own), "below": dict(self._below), "others": dict(self._others)}

    def _take(self, _signal: int, frame: FrameType | None) -> None:
        began = _cpu_s(self._main)
        frames = sys._current_frames()  # noqa: SLF001 - documented
        names = {one.ident: one.name for one in threading.enumerate()}
        for thread, running in frames.items():
            used = began if thread == self._main else _cpu_s(thread)
            spent, self._used[thread] = used - self._used.get(thread, 0), used
            if thread != self._main:
                self._others[f"[{names.get(thread, thread)}] {_name(running)}"] += spent
            elif frame is not None:
                self._own[_name(frame)] += spent
                for name in {_name(one) for one in _stack(frame)}:
                    self._below[name] += spent
        # What taking a sample costs is nobody's.
        self._used[self._main] = _cpu_s(self._main)


def _cpu_s(thread: int) -> float:
    return time.clock_gettime(time.pthread_getcpuclockid(thread))


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _name(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_filename}:{code.co_firstlineno}:{code.co_qualname}"
