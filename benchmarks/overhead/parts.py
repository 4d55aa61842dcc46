"""The parts, ours beside upstream's: encoders, and single calls of the API."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.overhead.figures import Figure, Line
from benchmarks.overhead.session import Session, failing

ENCODER, CALLS = "Encoder", "Calls"
THREAD, WHOLE = "the calling thread, µs", "delivery included, µs"
_ENCODED = {
    "span": "a span, 10 attributes",
    "log_record": "a log record, 10 attributes",
    "metric_point": "a metric point, 10 attributes",
}
COST = "µs"
_WHO = ("ours", "beside", "upstream")


def measure(session: Session) -> list[Line]:
    """Measure both, of those who are there."""
    who = {one: path for one, path in session.environments.items() if one.name in _WHO}
    session = replace(session, environments=who)
    return [*_encoder(session), *_calls(session)] if who else []


def _encoder(session: Session) -> list[Line]:
    costs, problems = _rounds(session, ENCODER, "encode.py")
    return [
        Line(ENCODER, what, name, problem=problems[name])
        if name in problems
        else Line(ENCODER, what, name, {COST: Figure(tuple(said[key] for said in costs[name]))})
        for key, what in _ENCODED.items()
        for name in costs
    ]


def _calls(session: Session) -> list[Line]:
    costs, problems = _rounds(session, CALLS, "calls.py")
    rows = dict.fromkeys(row for rounds in costs.values() for said in rounds for row in said)
    return [
        Line(CALLS, row, name, problem=problems[name])
        if name in problems
        else Line(CALLS, row, name, _of_calls([said[row] for said in rounds]))
        for row in rows
        for name, rounds in costs.items()
        if name in problems or row in rounds[0]
    ]


def _of_calls(rounds: list[list[float]]) -> dict[str, Figure]:
    return {
        THREAD: Figure(tuple(thread for thread, _ in rounds)),
        WHOLE: Figure(tuple(whole for _, whole in rounds)),
    }


def _rounds(
    session: Session, measure: str, script: str
) -> tuple[dict[str, list[Mapping[str, Any]]], dict[str, str]]:
    costs: dict[str, list[Mapping[str, Any]]] = {one.name: [] for one in session.environments}
    with session.children(script) as (children, problems):
        for name, child in children.items():
            with failing(name, problems):
                child.ask(session.effort.calls)
        for number in range(session.effort.rounds):
            session.tell(f"{measure}: {number + 1} of {session.effort.rounds}")
            for name, child in children.items():
                if name not in problems:
                    with failing(name, problems):
                        costs[name].append(child.ask(session.effort.calls))
    return costs, problems
