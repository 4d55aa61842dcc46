"""Ids and times that are the same in every run."""

import threading
from itertools import count
from typing import Final

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

EPOCH_NS: Final = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
STEP_NS: Final = 1_000_000


class SteppingClock:
    """A clock that stands still, but for a step each time it is read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps = count(1)

    def read(self) -> int:
        """Return nanoseconds since 1970."""
        with self._lock:
            return EPOCH_NS + next(self._steps) * STEP_NS


class SequentialIds(IdGenerator):
    """Trace ids and span ids that each count from 1."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans, self._traces = count(1), count(1)

    def generate_span_id(self) -> int:
        """Return the next span id."""
        with self._lock:
            return next(self._spans)

    def generate_trace_id(self) -> int:
        """Return the next trace id."""
        with self._lock:
            return next(self._traces)


class ReplaceableIds(IdGenerator):
    """Ids of another generator, which can be replaced: a tracer keeps the one it was made with."""

    def __init__(self) -> None:
        self.source: IdGenerator = RandomIdGenerator()

    def generate_span_id(self) -> int:
        """Return a span id."""
        return self.source.generate_span_id()

    def generate_trace_id(self) -> int:
        """Return a trace id."""
        return self.source.generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """Tell what the trace's flags say of it."""
        return self.source.is_trace_id_random()
