"""Instruments by name, with what was last said to each: the catalogue's, and those made up."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from otel_distro.catalogue import CATALOGUE, Instrument, Kind, buckets, series
from otel_distro.instruments import recorder
from otel_distro.instruments.accepted import Pairs, Refused
from otel_distro.instruments.outcomes import STATUSES

Type = Literal["counter", "gauge", "histogram"]

# https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits
MAX_SETS: Final = 2000
OVERFLOW: Final = "otel.metric.overflow"
_OVERFLOW_PAIRS: Final[Pairs] = ((OVERFLOW, "true"),)
# Names that are not in the catalogue; somebody may put an id into one.
MAX_NAMES: Final = 1000

_TYPES: Final[dict[Kind, tuple[Type, ...]]] = {
    Kind.COUNTER: ("counter",),
    Kind.OBSERVABLE_COUNTER: ("counter",),
    Kind.UP_DOWN_COUNTER: ("counter", "gauge"),
    Kind.OBSERVABLE_UP_DOWN_COUNTER: ("counter", "gauge"),
    Kind.GAUGE: ("gauge",),
    Kind.OBSERVABLE_GAUGE: ("gauge",),
    Kind.HISTOGRAM: ("histogram",),
}
_KINDS: Final[dict[Type, Kind]] = {
    "counter": Kind.COUNTER,
    "gauge": Kind.GAUGE,
    "histogram": Kind.HISTOGRAM,
}
METHODS: Final[dict[Type, str]] = {
    "counter": "increment",
    "gauge": "gauge",
    "histogram": "histogram",
}
_BUCKETS: Final = {
    "ms": buckets.CALL_MS,
    "s": tuple(bound / 1000 for bound in buckets.CALL_MS),
    "1": buckets.RATIO,
    "By": buckets.BODY_BYTES,
}
# Of values that nothing is known about.
_DECADES: Final = (
    *(float(f"{step}e{power}") for power in range(-2, 6) for step in (1, 5)),
    1e6,
)

_Emit = Callable[[float, Mapping[str, str | bool]], None]


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a measurement.

    Attributes:
        value: Of a counter its total, else what was given.
        pairs: The tags it is stored under.
        emit: What the OpenTelemetry instrument is to be told.
        problems: What is to be said about it.
    """

    value: float
    pairs: Pairs
    emit: tuple[tuple[float, Mapping[str, str | bool]], ...]
    problems: tuple[str, ...]


class Named:
    """One instrument, and its values by tags."""

    def __init__(self, entry: Instrument) -> None:
        self.entry = entry
        self._values: dict[Pairs, float] = {}
        self._used_as: set[Type] = set()
        self.emit = _emitter(entry, self._observed)

    def store(self, used_as: Type, pairs: Pairs, value: float) -> Stored:
        """Keep a value; the caller holds a lock. Raises `Refused`."""
        if used_as == "counter" and value < 0 and self.entry.kind.monotonic:
            raise Refused("the value is negative and counters only grow; use metrics.gauge()")
        self._used_as.add(used_as)
        problems: tuple[str, ...] = ()
        first = pairs not in self._values
        if first and len(self._values) >= MAX_SETS:
            first, pairs = False, _OVERFLOW_PAIRS
            if pairs not in self._values:
                problem = (
                    f"it has {MAX_SETS} sets of tags, and further ones are one series, "
                    f"{OVERFLOW}; leave out {self._varied()}, which has the most values"
                )
                problems = (problem,)
        before = self._values.get(pairs, 0)
        after = before + value if used_as == "counter" else value
        self._values[pairs] = 0 if used_as == "histogram" else after
        amount = value
        if used_as == "gauge" and self.entry.kind is Kind.UP_DOWN_COUNTER:
            amount = value - before
        siblings = self._siblings(pairs) if first and self.entry.kind is Kind.COUNTER else ()
        emit = tuple((0, _attributes(sibling)) for sibling in siblings)
        return Stored(after, pairs, (*emit, (amount, _attributes(pairs))), problems)

    def values_as(self, used_as: Type) -> dict[str, float]:
        """Return the values by key, if the instrument was used as this."""
        if used_as not in self._used_as:
            return {}
        return {_key(self.entry.name, pairs): value for pairs, value in self._values.items()}

    def _siblings(self, pairs: Pairs) -> Iterable[Pairs]:
        status = dict(pairs).get("status")
        if status not in STATUSES:
            return ()
        others = (other for other in STATUSES if other != status)
        return (
            tuple((key, other if key == "status" else value) for key, value in pairs)
            for other in others
        )

    def _observed(self) -> Iterable[tuple[float, Mapping[str, str | bool]]]:
        # Without the lock, which the SDK must not wait for: a copy of a dict is whole.
        return [(value, _attributes(pairs)) for pairs, value in self._values.copy().items()]

    def _varied(self) -> str:
        values: dict[str, set[str]] = {}
        for pairs in self._values:
            for key, value in pairs:
                values.setdefault(key, set()).add(value)
        return repr(max(values, key=lambda key: len(values[key])))


class Names:
    """The instruments that were used."""

    def __init__(self) -> None:
        self._by_name: dict[str, Named] = {}
        self._made_up: dict[str, str] = {}
        self._series: dict[str, str] = {}
        self._catalogued = 0

    def __iter__(self) -> Iterator[Named]:
        return iter(self._by_name.values())

    def find(self, used_as: Type, name: str, unit: str | None) -> Named:
        """Return the instrument of a name, made if need be. Raises `Refused`."""
        named = self._by_name.get(name)
        entry = named.entry if named is not None else CATALOGUE.get(name)
        if entry is None:
            entry = self._make_up(used_as, name, unit)
        if used_as not in _TYPES[entry.kind]:
            right = METHODS[_TYPES[entry.kind][0]]
            raise Refused(f"its kind is {entry.kind.value}; use metrics.{right}()")
        if unit is not None and unit != entry.unit:
            raise Refused(
                f"its unit is {entry.unit!r}; give the value in that, and leave the unit out"
            )
        if named is None:
            named = self._by_name[name] = Named(entry)
        return named

    def _make_up(self, used_as: Type, name: str, unit: str | None) -> Instrument:
        entry = Instrument(
            name=name,
            kind=_KINDS[used_as],
            unit=_unit(name, used_as) if unit is None else _checked(unit),
            description="",
        )
        if entry.kind is Kind.HISTOGRAM:
            entry = entry._replace(buckets=_BUCKETS.get(entry.unit, _DECADES))
        problem = entry.problem()
        if problem is not None:
            raise Refused(f"it {problem.removeprefix(name).strip()}, at most 255 characters")
        if len(self._made_up) >= MAX_NAMES:
            raise Refused(
                f"there are {MAX_NAMES} names outside the catalogue already; is an id part of "
                "the name? Put it on a span or a log line"
            )
        if self._catalogued != len(CATALOGUE):
            self._catalogued = len(CATALOGUE)
            self._series = {one: other.name for other in CATALOGUE for one in series(other)}
        for one in series(entry):
            other = self._series.get(one) or self._made_up.get(one)
            if other is not None:
                raise Refused(f"{other} is {one} in Prometheus already; change the name")
        self._made_up.update(dict.fromkeys(series(entry), name))
        return entry


def _unit(name: str, used_as: Type) -> str:
    """Return the unit of a made-up name: none, which adds nothing to the name in Prometheus."""
    if used_as == "histogram" and name.endswith(".duration"):
        return "ms"
    return "{call}" if used_as == "counter" and name.endswith(".calls") else ""


def _checked(unit: str) -> str:
    if not isinstance(unit, str):
        raise Refused("the unit is no str; give ms, s, By, 1, or a word in braces")
    plain = str.__str__(unit)
    if not plain.isprintable() or plain != plain.strip():
        raise Refused("the unit has spaces or control characters; give ms, s, By, 1 or {item}")
    return plain


def _key(name: str, pairs: Pairs) -> str:
    return f"{name}:{','.join(f'{key}:{value}' for key, value in pairs)}" if pairs else name


def _attributes(pairs: Pairs) -> dict[str, str | bool]:
    return {OVERFLOW: True} if pairs == _OVERFLOW_PAIRS else dict(pairs)


def _emitter(entry: Instrument, observed: recorder.Observe) -> _Emit:
    """Return what tells OpenTelemetry of a value."""
    emit: _Emit
    known, meter = CATALOGUE.get(entry.name) is entry, recorder.meter()
    match entry.kind, known:
        case Kind.COUNTER, True:
            emit = recorder.counter(entry.name).add
        case Kind.UP_DOWN_COUNTER, True:
            emit = recorder.up_down_counter(entry.name).add
        case Kind.GAUGE, True:
            emit = recorder.gauge(entry.name).set
        case Kind.HISTOGRAM, True:
            emit = recorder.histogram(entry.name).record
        case Kind.COUNTER, False:
            emit = meter.create_counter(entry.name, entry.unit).add
        case Kind.GAUGE, False:
            emit = meter.create_gauge(entry.name, entry.unit).set
        case Kind.HISTOGRAM, False:
            emit = meter.create_histogram(
                entry.name,
                entry.unit,
                explicit_bucket_boundaries_advisory=list(entry.buckets),
            ).record
        case _:
            recorder.observe(entry.name, observed)

            def emit(_value: float, _attributes: Mapping[str, str | bool]) -> None:
                """Is read at each export instead."""

    return emit
