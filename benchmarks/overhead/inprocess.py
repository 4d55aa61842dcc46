"""Requests through the ASGI interface in process: CPU of all threads for each, flush included."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.overhead.arrivals import Counts
from benchmarks.overhead.child import Child
from benchmarks.overhead.figures import MISSING, Figure, Line, with_bare
from benchmarks.overhead.session import Session, failing

MEASURE = "In process"
CPU, OVER = "CPU of a request, µs", "over bare, µs"
_WARM_UP = 500


_UNSAMPLED = {
    "BENCH_SAMPLED": "0",
    "OTEL_TRACES_SAMPLER": "always_off",
    "DD_TRACE_SAMPLING_RULES": '[{"sample_rate": 0}]',
}
_NO_METRICS = {"BENCH_METRICS": "0", "OTEL_METRICS_EXPORTER": "none"}


@dataclass(frozen=True)
class Row:
    """A condition under which requests are measured.

    Attributes:
        what: In words.
        sampled: Whether spans are to arrive.
        metrics: Whether metrics are to arrive.
        path: Of the route.
        parent: Whether a traceparent comes in.
    """

    what: str
    sampled: bool = True
    metrics: bool = True
    path: str = "/orders"
    parent: bool = False

    @property
    def order(self) -> tuple[str, int]:
        """What a driver is told of it."""
        return self.path, int(self.parent)

    @property
    def variables(self) -> dict[str, str]:
        """What a process is told of it; rows of the same share their processes."""
        return {
            **({} if self.sampled else _UNSAMPLED),
            **({} if self.metrics else _NO_METRICS),
        }


ROWS: dict[str, Row] = {
    "all": Row("everything on, all sampled"),
    "parent": Row("… with an incoming traceparent", parent=True),
    "busy": Row("… with a child span and 3 log lines", path="/busy"),
    "described": Row("… with 10 attributes set by hand", path="/described"),
    "traces": Row("traces only, metrics off", metrics=False),
    "unsampled": Row("sampler always_off, metrics on", sampled=False),
    "off": Row("sampler always_off, metrics off", sampled=False, metrics=False),
}


def measure(session: Session, names: Iterable[str]) -> list[Line]:
    """Measure these rows. Rows of the same settings share their processes."""
    groups: dict[tuple[bool, bool], list[Row]] = {}
    for name in names:
        groups.setdefault((ROWS[name].sampled, ROWS[name].metrics), []).append(ROWS[name])
    return [line for rows in groups.values() for line in _measure(session, rows)]


def _measure(session: Session, rows: Sequence[Row]) -> list[Line]:
    session.tell(f"{MEASURE}, {rows[0].what}: starting")
    with session.children("drive.py", **rows[0].variables) as (children, problems):
        for name, child in children.items():
            with failing(name, problems):
                child.ask("round", _WARM_UP, *rows[0].order)
        taken = {row: _Taken(row, session, children) for row in rows}
        for number in range(session.effort.rounds):
            for row in rows:
                session.tell(f"{MEASURE}, {row.what}: {number + 1} of {session.effort.rounds}")
                for name in children:
                    if name not in problems:
                        with failing(name, problems):
                            taken[row].take(name)
    names = [one.name for one in session.environments]
    return [line for row in rows for line in taken[row].lines(names, problems)]


class _Taken:
    """The rounds of one row."""

    def __init__(self, row: Row, session: Session, children: Mapping[str, Child]) -> None:
        self._row = row
        self._session = session
        self._children = children
        self._cpu: dict[str, list[float]] = {name: [] for name in children}
        self._arrived = {name: Counts() for name in children}

    def take(self, name: str) -> None:
        """Take a round of a contestant's."""
        before = self._session.far_side.arrived(name)
        requests = self._session.effort.requests
        said = self._children[name].ask("round", requests, *self._row.order)
        self._cpu[name].append(said["cpu_s"] / requests * 1e6)
        self._arrived[name] += self._session.far_side.arrived(name) - before

    def lines(self, names: Sequence[str], problems: Mapping[str, str]) -> list[Line]:
        figures = with_bare(
            {name: {CPU: Figure(tuple(self._cpu[name]))} for name in names if name not in problems},
            {CPU: OVER},
        )
        requests = self._session.effort.requests * self._session.effort.rounds
        return [
            Line(MEASURE, self._row.what, name, problem=problems[name])
            if name in problems
            else Line(
                MEASURE,
                self._row.what,
                name,
                figures[name],
                describe(self._arrived[name], self._row, requests, name),
            )
            for name in names
        ]


def describe(arrived: Counts, row: Row, requests: int, name: str) -> str:
    """Say in a few words what arrived for each request, and what is missing."""
    if name == "bare":
        return ""
    said = [_each(arrived.spans, requests, "span")]
    if arrived.log_records:
        said.append(_each(arrived.log_records, requests, "log record"))
    if row.metrics:
        said.append("metrics" if arrived.metric_points else "no metrics")
    if row.sampled and arrived.spans < requests:
        said.append(MISSING)
    if not row.sampled and arrived.spans:
        said.append("though unsampled")
    return ", ".join(said)


def _each(count: int, requests: int, what: str) -> str:
    number = f"{count / requests:.3f}".rstrip("0").rstrip(".")
    return f"{number} {what}{'' if number == '1' else 's'}"
