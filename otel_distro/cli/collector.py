"""`blipee-otel collector`: build, run, validate and find the Collector."""

import argparse
import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

from otel_distro import collector
from otel_distro.collector.progress import Progress

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse names it so

Run = Callable[[argparse.Namespace], int]


def add_commands(commands: "Commands") -> None:
    """Add the commands to the parser."""
    parser = commands.add_parser(
        "collector",
        help="build, run, validate and find the OpenTelemetry Collector",
        description="The real Collector, built by its own builder from collector-config/.",
        epilog="OTELCOL_BIN=/path/of/otelcol uses another binary for all of these.",
    )
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    build = verbs.add_parser("build", help="build it, unless it is there (some minutes, once)")
    build.add_argument("--json", action="store_true", help="print the result as JSON")
    build.set_defaults(run=_build)

    path = verbs.add_parser("path", help="print the path of the binary")
    path.add_argument("--json", action="store_true", help="print the result as JSON")
    path.set_defaults(run=_path)

    check = verbs.add_parser(
        "check-queue",
        help="put aside queue files that the Collector could not start with (run does so too)",
    )
    check.set_defaults(run=_check_queue)

    for name, summary, function in (
        ("validate", "have the Collector check configuration files", _validate),
        ("run", "run the Collector in the foreground", _run),
    ):
        verb = verbs.add_parser(name, help=summary)
        verb.add_argument(
            "--config",
            action="append",
            type=Path,
            metavar="FILE",
            help="configuration; repeat it, later files override (default: agent.yaml)",
        )
        verb.set_defaults(run=function)


def _sentence_for_errors(function: Run) -> Run:
    @wraps(function)
    def run(arguments: argparse.Namespace) -> int:
        try:
            return function(arguments)
        except collector.CollectorError as error:
            print(f"blipee-otel: {error}", file=sys.stderr)
            return 1

    return run


@_sentence_for_errors
def _build(arguments: argparse.Namespace) -> int:
    existing = collector.find()
    if existing is None:
        with Progress() as progress:
            binary = collector.build(progress)
    else:
        binary = existing
    _print_binary(binary, as_json=arguments.json)
    return 0


@_sentence_for_errors
def _path(arguments: argparse.Namespace) -> int:
    _print_binary(collector.require(), as_json=arguments.json)
    return 0


@_sentence_for_errors
def _validate(arguments: argparse.Namespace) -> int:
    done = collector.validate(_configs(arguments))
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    if done.returncode == 0:
        print("valid: " + ", ".join(str(path) for path in _configs(arguments)))
    return done.returncode


@_sentence_for_errors
def _check_queue(_arguments: argparse.Namespace) -> int:
    _put_aside_damaged_queues()
    return 0


@_sentence_for_errors
def _run(arguments: argparse.Namespace) -> int:
    _put_aside_damaged_queues()
    collector.run(_configs(arguments))
    return 1  # not reached: the process became the Collector


def _configs(arguments: argparse.Namespace) -> list[Path]:
    return arguments.config or list(collector.default_configs())


def _put_aside_damaged_queues() -> None:
    for one in collector.check_queues():
        print(
            f"blipee-otel: {one.file} {one.damage}; it is now {one.now.name}, and what it held "
            "is not delivered",
            file=sys.stderr,
        )


def _print_binary(binary: Path, *, as_json: bool) -> None:
    print(json.dumps({"path": str(binary)}) if as_json else binary)
