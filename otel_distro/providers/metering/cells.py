"""Where the values of one attribute set of an instrument wait for the SDK.

Appending to a list is one step, which neither a thread nor a signal handler comes between: there
is no lock.
"""

import sys
from collections.abc import Mapping, Sequence
from time import time_ns
from typing import Any, Final, Protocol

from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext

from otel_distro.instruments.bound import Example

# What is pending before it goes into the SDK's aggregations. The first value of an attribute set
# goes at once: a sum counts from there.
MAX_PENDING: Final = 512
MAX_CANDIDATES: Final = 128

# Of several values at once.
MAX_EXAMPLES: Final = 16

_LARGEST: Final = sys.float_info.max


class Owner(Protocol):
    """The instrument of a cell."""

    def settle(self, cell: "Cell") -> None:
        """Put what is pending into the aggregations, unless that is being done."""

    def refuse(self, value: Any, attributes: Mapping[str, Any]) -> None:  # noqa: ANN401 - a caller's
        """Say what is wrong with a value."""


class Cell:
    """The pending values of one attribute set; what `bind` returns.

    Attributes:
        attributes: As the SDK cleans them. Not to be changed.
        key: By which the SDK knows them.
        pending: Values in their order.
        candidates: For exemplars; None where the SDK takes none.
        room: How many values may be pending.
    """

    __slots__ = ("_least", "_owner", "attributes", "candidates", "key", "pending", "room")

    def __init__(
        self,
        owner: Owner,
        attributes: Mapping[str, Any],
        key: Any,  # noqa: ANN401 - the SDK's
        *,
        negative: bool,
        exemplars: bool,
    ) -> None:
        self._owner = owner
        self._least = -_LARGEST if negative else 0
        self.attributes = attributes
        self.key = key
        self.pending: list[Any] = []
        self.candidates: list[Example] | None = [] if exemplars else None
        self.room = 1

    def add(self, value: float, span_context: SpanContext | None = None) -> None:
        """Measure; see `otel_distro.instruments.bound`."""
        try:
            if not self._least <= value <= _LARGEST:  # nor is a NaN
                self._owner.refuse(value, self.attributes)
                return
        except Exception:  # noqa: BLE001 - whatever was given for a number
            self._owner.refuse(value, self.attributes)
            return
        pending = self.pending
        pending.append(value)
        if span_context is not None:
            candidates = self.candidates
            if candidates is not None:
                candidates.append((value, time_ns(), span_context))
                if len(candidates) >= MAX_CANDIDATES:
                    self._owner.settle(self)
                    return
        if len(pending) >= self.room:
            self._owner.settle(self)

    record = set = add

    def record_all(self, values: Sequence[float], examples: Sequence[Example] = ()) -> None:
        """Measure several; see `otel_distro.instruments.bound`."""
        self.pending.extend(values)
        if self.candidates is not None:
            self.candidates.extend(examples[-MAX_EXAMPLES:])
        if len(self.pending) >= self.room:
            self._owner.settle(self)

    def take_candidates(self) -> list[Example]:
        """Remove and return the candidates. For one thread at a time, as `taken`."""
        return taken(self.candidates) if self.candidates else []


class GaugeCell(Cell):
    """Of a gauge, where the order among the attribute sets counts: views may merge them.

    The list of pending values is one for all cells of the gauge.
    """

    __slots__ = ()

    def add(self, value: float, span_context: SpanContext | None = None) -> None:
        """Set; see `otel_distro.instruments.bound`."""
        try:
            if not self._least <= value <= _LARGEST:
                self._owner.refuse(value, self.attributes)
                return
        except Exception:  # noqa: BLE001 - as above
            self._owner.refuse(value, self.attributes)
            return
        self.pending.append((self, value))
        if span_context is not None and self.candidates is not None:
            self.candidates.append((value, time_ns(), span_context))
        if len(self.pending) >= self.room:
            self._owner.settle(self)

    record = set = add


class Tally:
    """A sum that its holder adds to; what `tally` returns.

    `tally.value += 1` is one step: CPython changes threads, and calls signal handlers, where a
    function is called or returns and where a loop begins anew.

    Attributes:
        value: All that was added.
    """

    __slots__ = ("_cell", "_taken", "value")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._taken = 0
        self.value = 0

    def settle(self) -> None:
        """Have what was added since the last time pending."""
        value = self.value
        added, self._taken = value - self._taken, value
        if added:
            self._cell.add(added)

    def forget(self) -> None:
        """Leave what was added to another process."""
        self._taken = self.value


class Always:
    """A cell whose values are candidates for exemplars also where there is no sampled span."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def add(self, value: float, span_context: SpanContext | None = None) -> None:
        """Measure; see `otel_distro.instruments.bound`."""
        self._cell.add(value, span_context or INVALID_SPAN_CONTEXT)

    record = set = add

    def record_all(self, values: Sequence[float], examples: Sequence[Example] = ()) -> None:
        """Measure several; see `otel_distro.instruments.bound`."""
        self._cell.record_all(values, examples)


def taken(pending: list[Any]) -> list[Any]:
    """Remove what a list holds now, and return it. For one thread at a time."""
    values = pending[:]
    del pending[: len(values)]
    return values
