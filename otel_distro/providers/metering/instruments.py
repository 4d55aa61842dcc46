"""Synchronous instruments that keep their values in cells until they are collected.

Each stands before one of the SDK; what the API does not name is that instrument's.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import NoneType
from typing import Any, ClassVar, Final

from opentelemetry import metrics
from opentelemetry.context import Context

from otel_distro.instruments.bound import (
    AddedAtOnce,
    Attributes,
    Bound,
    Source,
    Unbound,
    context_of,
)
from otel_distro.notices import describe, notice
from otel_distro.providers.metering import aggregating
from otel_distro.providers.metering.cells import MAX_PENDING, Always, Cell, GaugeCell, Tally, taken
from otel_distro.providers.metering.consumer import Consumer
from otel_distro.providers.metering.exemplars import Exemplify, any_span

# As many as the specification's limit of attribute sets. Beyond it the SDK's ordinary way counts
# together what has no series of its own.
MAX_CELLS: Final = 2000
# Two sets with values of these types are the same if the values are equal and the types the same.
_SCALARS: Final = frozenset({str, int, float, bool})
_PLAIN: Final = frozenset({int, float})
_MAX_WAITING: Final = 100 * MAX_PENDING


class _Measuring:
    """What the four kinds share."""

    _method: ClassVar[str]
    _negative: ClassVar[bool] = False
    _kind_of_cell: ClassVar[type[Cell]] = Cell
    # Of a sum: that there is one.
    _left_to_child: ClassVar[tuple[float, ...]] = (0,)

    def __init__(
        self,
        instrument: Any,  # noqa: ANN401 - the SDK's
        consumer: Consumer,
        exemplify: Exemplify | None,
    ) -> None:
        self._instrument = instrument
        self._consumer = consumer
        self._exemplify = exemplify
        self._cells: dict[tuple[Any, ...], Cell] = {}
        consumer.add_instrument(self)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it is there
        if name == "_instrument":  # not yet set: while it is copied, for one
            raise AttributeError(name)
        return getattr(self._instrument, name)

    def measure(
        self,
        amount: float,
        attributes: Attributes | None = None,
        context: Context | None = None,
    ) -> None:
        """Measure; what is no measurement is said and left out."""
        try:
            if attributes:
                values = attributes.values()
                cell = self._cells[(*attributes, *values, *map(type, values))]
            else:
                cell = self._cells[()]
        except Exception:  # noqa: BLE001 - a new set, or one that is none, or has no hash
            new = self._new_cell(attributes)
            if new is None:
                self._take_ordinary_way(amount, attributes, context)
                return
            cell = new
        exemplify = self._exemplify
        cell.add(amount, None if exemplify is None else exemplify(context))

    def bind(self, attributes: Attributes | None = None) -> Bound:
        """Return the instrument with these attributes; see `otel_distro.instruments.bound`."""
        cell = self._new_cell(attributes)
        if cell is None:
            return Unbound(self, aggregating.cleaned(attributes))
        return Always(cell) if self._exemplify is any_span else cell

    def settle_before_collections(self, source: Source) -> None:
        """Have a source settle first; see `otel_distro.instruments.bound`."""
        self._consumer.add_source(source)

    def put(self, storages: Iterable[Any]) -> None:
        """Put all that is pending into the storages of readers."""
        for cell in list(self._cells.values()):
            if cell.pending:
                self._put_cell(cell, storages)

    def settle(self, cell: Cell) -> None:
        """Put what is pending into the aggregations, unless that is being done."""
        if not self._consumer.put_some(partial(self._put_cell, cell)):
            self._shed(cell)

    def refuse(self, value: Any, attributes: Mapping[str, Any]) -> None:  # noqa: ANN401 - a caller's
        """Say what is wrong with a value."""
        self._take_ordinary_way(value, attributes, None)

    def expect_readers(self) -> None:
        """Let the next measurement of each attribute set go to the readers at once."""
        for cell in list(self._cells.values()):
            cell.room = 1

    def leave_to_parent(self) -> None:
        """Forget what is pending in a forked child: its parent counts it.

        What the SDK has aggregated goes on, as it does without us.
        """
        for cell in self._cells.values():
            if cell.pending:
                cell.pending[:] = self._left_to_child
                cell.take_candidates()

    def _put_cell(self, cell: Cell, storages: Iterable[Any]) -> None:
        self._put_values(cell, taken(cell.pending), storages)

    def _put_values(self, cell: Cell, values: list[Any], storages: Iterable[Any]) -> None:
        candidates = cell.take_candidates()
        cell.room = MAX_PENDING
        if not _PLAIN.issuperset(map(type, values)):
            values = self._plain(values, cell.attributes)
        if values and self._instrument._is_enabled():  # noqa: SLF001 - the SDK's
            aggregating.put(
                storages, self._instrument, cell.attributes, cell.key, values, candidates
            )

    def _plain(self, values: Iterable[Any], attributes: Mapping[str, Any]) -> list[float]:
        """Return values as int and float, but for those that the SDK has to judge."""
        plain: list[float] = []
        for value in values:
            if issubclass(type(value), float):
                plain.append(float.__float__(value))
            elif issubclass(type(value), int):
                plain.append(int.__int__(value))
            else:
                self._take_ordinary_way(value, attributes, context_of(None))
        return plain

    def _shed(self, cell: Cell) -> None:
        """Bound what waits for a thread that does not come to its end."""
        if len(cell.pending) >= _MAX_WAITING:
            taken(cell.pending)
            cell.take_candidates()
            notice("measurements", "measurements are lost: the SDK holds them up.")

    def _new_cell(self, attributes: Any) -> Cell | None:  # noqa: ANN401 - a caller's
        """Return the cell of an attribute set, if it can have one."""
        try:
            own = dict(attributes or {})
            if isinstance(attributes, (Mapping, NoneType)) and all(
                type(name) is str and type(value) in _SCALARS for name, value in own.items()
            ):
                values = own.values()
                key = (*own, *values, *map(type, values))
                cell = self._cells.get(key)
                if cell is None and len(self._cells) < MAX_CELLS:
                    cell = self._cells.setdefault(key, self._make_cell(own))
                return cell
        except Exception:  # noqa: BLE001, S110 - the SDK says what is wrong with them
            pass
        return None

    def _make_cell(self, attributes: Mapping[str, Any]) -> Cell:
        cleaned = aggregating.cleaned(attributes)
        return self._kind_of_cell(
            self,
            cleaned,
            aggregating.key_of(cleaned),
            negative=self._negative,
            exemplars=self._exemplify is not None,
        )

    def _take_ordinary_way(
        self,
        amount: Any,  # noqa: ANN401 - a caller's
        attributes: Any,  # noqa: ANN401 - as above
        context: Context | None,
    ) -> None:
        try:
            getattr(self._instrument, self._method)(amount, attributes, context)
        except Exception as error:  # noqa: BLE001 - as above
            name = self._instrument.name
            notice(f"measurement {name}", f"a measurement of {name} was lost ({describe(error)}).")


class _Adding(_Measuring):
    """What the two that add up share."""

    _method = "add"

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - as above
        self._tallies: dict[Cell, Tally] = {}
        super().__init__(*arguments)

    def tally(self, attributes: Attributes | None = None) -> Any:  # noqa: ANN401 - a `bound.Tally`
        """Return a sum that is added to at any time; see `otel_distro.instruments.bound`."""
        cell = self._new_cell(attributes)
        if cell is None:
            return AddedAtOnce(self.bind(attributes))
        cell.add(0)  # there from now on
        return self._tallies.setdefault(cell, Tally(cell))

    def put(self, storages: Iterable[Any]) -> None:
        """Put all that is pending into the storages of readers."""
        for tally in list(self._tallies.values()):
            tally.settle()
        super().put(storages)

    def leave_to_parent(self) -> None:
        """Forget what is pending in a forked child: its parent counts it."""
        for tally in self._tallies.values():
            tally.forget()
        super().leave_to_parent()


class Counter(_Adding, metrics.Counter):
    """Adds up what is not negative."""

    add = _Measuring.measure


class UpDownCounter(_Adding, metrics.UpDownCounter):
    """Adds up."""

    _negative = True
    add = _Measuring.measure


class Histogram(_Measuring, metrics.Histogram):
    """Counts in buckets."""

    _method = "record"
    _left_to_child = ()
    record = _Measuring.measure


class Gauge(_Measuring, metrics._Gauge):  # noqa: SLF001 - the API's name
    """Keeps the last value."""

    _method = "set"
    _negative = True
    _kind_of_cell = GaugeCell
    set = _Measuring.measure

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - as above
        self._waiting: list[tuple[Cell, Any]] = []
        super().__init__(*arguments)

    def put(self, storages: Iterable[Any]) -> None:
        """Put the values in, in the order in which the attribute sets had their last one."""
        latest: dict[Cell, list[Any]] = {}
        for cell, value in taken(self._waiting):
            values = latest.pop(cell, [])
            values.append(value)
            latest[cell] = values
        for cell, values in latest.items():
            self._put_values(cell, values, storages)

    def settle(self, cell: Cell) -> None:
        """Put what is pending into the aggregations, unless that is being done."""
        if not self._consumer.put_some(self.put):
            self._shed(cell)

    def leave_to_parent(self) -> None:
        """Keep what is pending in a forked child: a value that is said twice is no more."""

    def _make_cell(self, attributes: Mapping[str, Any]) -> Cell:
        cell = super()._make_cell(attributes)
        cell.pending = self._waiting
        return cell

    def _take_ordinary_way(self, *measurement: Any) -> None:  # noqa: ANN401 - as above
        self._consumer.put_some(self.put)  # which were set before
        super()._take_ordinary_way(*measurement)


# By the API's kind of an instrument.
KINDS: Final[dict[Any, Callable[..., Any]]] = {
    metrics.Counter: Counter,
    metrics.UpDownCounter: UpDownCounter,
    metrics.Histogram: Histogram,
    metrics._Gauge: Gauge,  # noqa: SLF001 - as above
}
