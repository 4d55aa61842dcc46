"""Requests over loopback to uvicorn: latency, CPU of the server for each, and its memory."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from benchmarks.overhead import load
from benchmarks.overhead.arrivals import Counts
from benchmarks.overhead.child import Child
from benchmarks.overhead.figures import MISSING, Figure, Line, with_bare
from benchmarks.overhead.session import Session, failing

CLOSED, OPEN, MEMORY = "Over uvicorn, closed loop", "Over uvicorn, open loop", "Memory"
CPU, CPU_OVER = "CPU of a request, µs", "over bare, µs"
P50, P99, RATE = "p50, ms", "p99, ms", "requests a second"
AT_START, AT_START_OVER = "RSS at start, MB", "at start over bare, MB"
AT_END, AT_END_OVER = "RSS at the end, MB", "at the end over bare, MB"
_CONNECTIONS = 16
_WARM_UP = 300


@dataclass
class _Seen:
    """What was measured of one contestant."""

    closed: dict[str, list[float]] = field(default_factory=dict)
    open: dict[str, list[float]] = field(default_factory=dict)
    start_mb: float = 0
    end_mb: float = 0
    requests: int = 0
    before: Counts = field(default_factory=Counts)
    arrived: Counts = field(default_factory=Counts)


def measure(session: Session) -> list[Line]:
    """Measure all contestants in turns: a round of each loop, then the next contestant's."""
    session.tell(f"{CLOSED}: starting")
    seen = {one.name: _Seen() for one in session.environments}
    with session.children("serve.py") as (children, problems):
        for name, child in children.items():
            with failing(name, problems):
                seen[name].before = session.far_side.arrived(name)
                seen[name].start_mb = child.ask("measure")["rss_kb"] / 1024
                _closed(child, _WARM_UP)
                seen[name].requests += _WARM_UP
        for number in range(session.effort.rounds):
            session.tell(f"over uvicorn: {number + 1} of {session.effort.rounds}")
            for name, child in children.items():
                if name not in problems:
                    with failing(name, problems):
                        _take(session, child, seen[name])
        for name, child in children.items():
            if name not in problems:
                with failing(name, problems):
                    seen[name].end_mb = child.ask("measure")["rss_kb"] / 1024
                    seen[name].arrived = session.far_side.arrived(name) - seen[name].before
    return _lines(session, seen, problems)


def _take(session: Session, child: Child, seen: _Seen) -> None:
    effort = session.effort
    before = child.ask("measure")["cpu_s"]
    latencies, seconds = _closed(child, effort.closed)
    between = child.ask("measure")["cpu_s"]
    _note(seen.closed, latencies, (between - before) / effort.closed)
    seen.closed.setdefault(RATE, []).append(effort.closed / seconds)
    latencies = asyncio.run(load.open_loop(_port(child), effort.rate, effort.open_s))
    after = child.ask("measure")["cpu_s"]
    _note(seen.open, latencies, (after - between) / len(latencies))
    seen.requests += effort.closed + len(latencies)


def _closed(child: Child, requests: int) -> tuple[list[float], float]:
    return asyncio.run(load.closed_loop(_port(child), _CONNECTIONS, requests))


def _port(child: Child) -> int:
    return int(child.said["port"])


def _note(columns: dict[str, list[float]], latencies: Sequence[float], cpu_s: float) -> None:
    cuts = quantiles(latencies, n=100)
    for name, value in {CPU: cpu_s * 1e6, P50: cuts[49] * 1e3, P99: cuts[98] * 1e3}.items():
        columns.setdefault(name, []).append(value)


def _lines(session: Session, seen: Mapping[str, _Seen], problems: Mapping[str, str]) -> list[Line]:
    effort = session.effort
    well = {name: one for name, one in seen.items() if name not in problems}
    requests = next((one.requests for one in well.values()), 0)
    tables = {
        (CLOSED, f"{_CONNECTIONS} connections, each as fast as it is answered"): with_bare(
            {name: _figures(one.closed) for name, one in well.items()}, {CPU: CPU_OVER}
        ),
        (OPEN, f"{effort.rate} requests a second"): with_bare(
            {name: _figures(one.open) for name, one in well.items()}, {CPU: CPU_OVER}
        ),
        (MEMORY, f"of the server, its end after {requests:,} requests"): with_bare(
            {
                name: {AT_START: Figure((one.start_mb,)), AT_END: Figure((one.end_mb,))}
                for name, one in well.items()
            },
            {AT_START: AT_START_OVER, AT_END: AT_END_OVER},
        ),
    }
    return [
        Line(measure, row, name, problem=problems[name])
        if name in problems
        else Line(measure, row, name, figures[name], _describe(seen[name], name))
        for (measure, row), figures in tables.items()
        for name in seen
    ]


def _figures(columns: Mapping[str, Sequence[float]]) -> dict[str, Figure]:
    return {name: Figure(tuple(rounds)) for name, rounds in columns.items()}


def _describe(seen: _Seen, name: str) -> str:
    if name == "bare":
        return ""
    each = f"{seen.arrived.spans / seen.requests:.2f}".rstrip("0").rstrip(".")
    said = f"{each} span{'' if each == '1' else 's'}"
    return said if seen.arrived.spans >= seen.requests else f"{said}, {MISSING}"
