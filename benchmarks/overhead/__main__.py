"""What instrumentation costs, ours beside bare FastAPI, upstream and other vendors.

python -m benchmarks.overhead                                    all of it, about 15 minutes
python -m benchmarks.overhead --quick --only bare,ours,upstream  about a minute
python -m benchmarks.overhead --profile ours                     where its CPU goes
"""

import argparse
import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.overhead import begun, inprocess, parts, served
from benchmarks.overhead.arrivals import FarSide
from benchmarks.overhead.contestants import (
    Contestant,
    NotInstalled,
    install,
    read_contestants,
    versions,
)
from benchmarks.overhead.figures import Line
from benchmarks.overhead.profiling import profile
from benchmarks.overhead.report import Report
from benchmarks.overhead.session import QUICK, Effort, Session
from otel_distro.collector import CollectorError

MEASURES = {
    "uvicorn": served.measure,
    "startup": begun.measure,
    "parts": parts.measure,
}
NAMES = [*inprocess.ROWS, *MEASURES]


def main() -> None:
    try:
        run(_parser().parse_args())
    except CollectorError as error:
        sys.exit(f"{error}")


def run(arguments: argparse.Namespace) -> None:
    """Do what was asked for.

    Raises:
        CollectorError: There is no Collector.
    """
    effort = QUICK if arguments.quick else Effort()
    if arguments.rounds:
        effort = replace(effort, rounds=arguments.rounds, starts=arguments.rounds)
    if arguments.requests:
        effort = replace(effort, requests=arguments.requests)
    contestants = _chosen(arguments)
    environments, lines = _install(contestants)
    with (
        tempfile.TemporaryDirectory(prefix="blipee-otel-bench-") as folder,
        FarSide(Path(folder), [one.name for one in environments]) as far_side,
    ):
        session = Session(environments, far_side, Path(folder), effort)
        if arguments.profile:
            print(profile(session, inprocess.ROWS[arguments.rows[0]]))
            return
        lines += _measure(session, arguments.rows)
    report = Report(
        lines,
        contestants,
        {one.name: versions(programs) for one, programs in environments.items()},
        effort,
        shlex.join(["python", "-m", "benchmarks.overhead", *_that_measure(sys.argv[1:])]),
    )
    print(report.text())
    if arguments.json:
        arguments.json.write_text(report.json())
    if arguments.write:
        report.write(arguments.write)


def _that_measure(words: list[str]) -> list[str]:
    """Return the words of a command without those that say where its figures go."""
    into = [at for at, word in enumerate(words) if word in ("--json", "--write")]
    return [word for at, word in enumerate(words) if at not in into and at - 1 not in into]


def _install(contestants: list[Contestant]) -> tuple[dict[Contestant, Path], list[Line]]:
    """Return the environments, and a line for each contestant that has none."""
    environments: dict[Contestant, Path] = {}
    absent = []
    for one in contestants:
        try:
            environments[one] = install(one)
        except NotInstalled as reason:
            problem = f"not installed: {reason}"
            row = inprocess.ROWS["all"].what
            absent.append(Line(inprocess.MEASURE, row, one.name, problem=problem))
    return environments, absent


def _measure(session: Session, names: list[str]) -> list[Line]:
    lines = inprocess.measure(session, [name for name in names if name in inprocess.ROWS])
    for name, measure in MEASURES.items():
        if name in names:
            lines += measure(session)
    for contestant in {line.contestant for line in lines if not line.is_complete}:
        session.tell(f"{contestant} does not work; it said: {session.said(contestant)}")
    return lines


def _chosen(arguments: argparse.Namespace) -> list[Contestant]:
    contestants = read_contestants(arguments.beside)
    only = [arguments.profile] if arguments.profile else arguments.only
    if arguments.beside and only:
        only = [*only, "beside"]
    known = [one.name for one in contestants]
    if unknown := set(only or ()) - set(known):
        sys.exit(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(known)}.")
    return [one for one in contestants if not only or one.name in only]


def _rows(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(NAMES):
        raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overhead",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        metavar="NAME,…",
        help="of " + ", ".join(one.name for one in read_contestants()),
    )
    parser.add_argument(
        "--rows", type=_rows, default=NAMES, metavar="ROW,…", help=f"of {', '.join(NAMES)}"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="of each contestant")
    parser.add_argument("--requests", type=int, metavar="N", help="of a round in process")
    parser.add_argument("--quick", action="store_true", help="fewer requests and rounds")
    parser.add_argument(
        "--beside", type=Path, metavar="FOLDER", help="another working tree, measured as `beside`"
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="say where the CPU of one goes instead, in the first of --rows",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the figures in FILE")
    return parser


if __name__ == "__main__":
    main()
