"""Processes that start and end: what a command-line tool, a worker or a test run pays."""

import os
import subprocess
import time
from collections.abc import Mapping

from benchmarks.overhead.child import ChildFailed
from benchmarks.overhead.contestants import Contestant
from benchmarks.overhead.figures import MISSING, Figure, Line, with_bare
from benchmarks.overhead.session import Session, failing

MEASURE = "Start and exit"
WALL, CPU = "wall, ms", "CPU, ms"
WALL_OVER, CPU_OVER = "wall over bare, ms", "CPU over bare, ms"
_ROWS = {"the application is imported": (), "… and answers one request": ("request",)}


def measure(session: Session) -> list[Line]:
    """Start processes in turns; the first of each only fills caches."""
    wall: dict[str, dict[str, list[float]]] = {row: {} for row in _ROWS}
    cpu: dict[str, dict[str, list[float]]] = {row: {} for row in _ROWS}
    problems: dict[str, str] = {}
    before = {one.name: session.far_side.arrived(one.name).spans for one in session.environments}
    for number in range(session.effort.starts + 1):
        session.tell(f"{MEASURE}: {number} of {session.effort.starts}")
        for row, words in _ROWS.items():
            for one in session.environments:
                if one.name in problems:
                    continue
                with failing(one.name, problems):
                    wall_s, cpu_s = _start(session, one, words)
                    if number > 0:
                        wall[row].setdefault(one.name, []).append(wall_s * 1e3)
                        cpu[row].setdefault(one.name, []).append(cpu_s * 1e3)
    arrived = {
        one.name: session.far_side.arrived(one.name).spans - before[one.name]
        for one in session.environments
    }
    return [
        line
        for row in _ROWS
        for line in _lines(session, row, wall[row], cpu[row], arrived, problems)
    ]


def _start(session: Session, contestant: Contestant, words: tuple[str, ...]) -> tuple[float, float]:
    """Return the seconds of a process, by the clock and of CPU, those of its own children too."""
    log = session.place(contestant) / "begin.txt"
    with log.open("ab") as out:
        began = time.perf_counter()
        process = subprocess.Popen(
            session.command(contestant, "begin.py", *words),
            env=session.variables(contestant),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=log.parent,
        )
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        said = log.read_text(errors="replace").strip().splitlines()
        raise ChildFailed(f"it ended with {process.returncode}: {said[-1][:200] if said else ''}")
    return wall_s, used.ru_utime + used.ru_stime


def _lines(  # noqa: PLR0913, PLR0917 - what its rows are made of
    session: Session,
    row: str,
    wall: Mapping[str, list[float]],
    cpu: Mapping[str, list[float]],
    arrived: Mapping[str, int],
    problems: Mapping[str, str],
) -> list[Line]:
    names = [one.name for one in session.environments]
    figures = with_bare(
        {
            name: {WALL: Figure(tuple(wall[name])), CPU: Figure(tuple(cpu[name]))}
            for name in names
            if name not in problems
        },
        {WALL: WALL_OVER, CPU: CPU_OVER},
    )
    return [
        Line(MEASURE, row, name, problem=problems[name])
        if name in problems
        else Line(MEASURE, row, name, figures[name], _describe(session, row, name, arrived[name]))
        for name in names
    ]


def _describe(session: Session, row: str, name: str, spans: int) -> str:
    if name == "bare" or not _ROWS[row]:
        return ""
    # Each process of a row that answers has made at least the span of its request.
    return "spans" if spans >= session.effort.starts + 1 else MISSING
