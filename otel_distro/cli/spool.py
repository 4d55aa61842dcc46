"""`blipee-otel spool`: what could not be delivered, and what to do with it."""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_distro.delivery.pipeline import Pipeline
from otel_distro.delivery.signal import NOUNS
from otel_distro.delivery.spool.folder import of_other_users, quarantined, used_bytes
from otel_distro.delivery.spool.inspection import Left, inspect, purge
from otel_distro.notices import notice
from otel_distro.providers.pipeline import delivery_settings
from otel_distro.settings import SIGNALS, InCode, Settings, names, read_settings

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse names it so

_STEP_S: Final = 0.5
_MIB: Final = 1024 * 1024


def add_commands(commands: "Commands") -> None:
    """Add the commands to the parser."""
    parser = commands.add_parser(
        "spool",
        help="show, deliver or delete what could not be delivered",
        description="What processes could not deliver and left on disk. Which folder it is, how "
        f"large it may be and where its contents go is said by {names.SPOOL_DIR}, "
        f"{names.SPOOL_MAX_SIZE} and OTEL_EXPORTER_OTLP_*, as for the processes themselves.",
    )
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    status = verbs.add_parser("status", help="list what is there, by service and process")
    status.add_argument("--json", action="store_true", help="as JSON")
    status.set_defaults(run=_status)

    drain = verbs.add_parser(
        "drain", help="deliver what ended processes have left; exit 1 if something remains"
    )
    _of_one_service(drain)
    drain.add_argument(
        "--timeout", type=float, default=60.0, metavar="S", help="seconds at most (default: 60)"
    )
    drain.add_argument(
        "--endpoint", metavar="URL", help="of the Collector (default: OTEL_EXPORTER_OTLP_ENDPOINT)"
    )
    drain.set_defaults(run=_drain)

    delete = verbs.add_parser("purge", help="delete what ended processes have left: it is lost")
    _of_one_service(delete)
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.set_defaults(run=_purge)


def _of_one_service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--service", metavar="NAME", help="of one service only, as status names it")


def _status(arguments: argparse.Namespace) -> int:
    settings = _settings()
    root = settings.spooling.folder
    if root is None:
        return _no_folder()
    found = inspect(root)
    used, aside, foreign = used_bytes(root), len(quarantined(root)), of_other_users(root)
    if arguments.json:
        document = {
            "folder": str(root),
            "bytes": used,
            "max_bytes": settings.spooling.max_mib * _MIB,
            "quarantined": aside,
            "of_other_users": foreign,
            "processes": [asdict(one) for one in found],
        }
        print(json.dumps(document, indent=2))
        return 0
    for one in found:
        print(_line(one))
    print(
        f"{root}: {used / _MIB:.1f} of {settings.spooling.max_mib} MiB, "
        f"{sum(one.total for one in found):,} records"
        + (f", {aside} files set aside in quarantine" if aside else "")
        + (f"; {foreign} folders of other users are not looked at" if foreign else "")
    )
    return 0


def _drain(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments.endpoint)
    root = settings.spooling.folder
    if root is None:
        return _no_folder()
    services = _services(root, arguments.service)
    if services is None:
        return 2
    until = time.monotonic() + arguments.timeout
    urls = sorted({export.endpoint.url for export in settings.exports.values()})
    if services:
        print(f"delivering to {', '.join(urls)}")
    for service in services:
        _deliver(settings, service, until)
    left = sum(one.total for one in _left(root, arguments.service))
    print(f"{left:,} records remain" if left else "nothing remains that a process has left")
    foreign = of_other_users(root)
    if foreign:
        print(f"{foreign} folders of other users were not looked at")
    return 1 if left or foreign else 0


def _services(root: Path, wanted: str | None) -> list[str] | None:
    """Return the services that have left something; None, and a line, where none has that name."""
    known = sorted({one.service for one in inspect(root)})
    if wanted is not None and wanted not in known:
        hint = f"Use one of {', '.join(known)}" if known else "None has left anything"
        print(f"blipee-otel: no service is called {wanted!r}. {hint}.", file=sys.stderr)
        return None
    return sorted({one.service for one in _left(root, wanted)})


def _deliver(settings: Settings, service: str, until: float) -> None:
    """Deliver what a service has left, until an attempt fails or time is up."""
    pipeline = Pipeline(delivery_settings(settings, service), _say_nothing)
    pipeline.adopt()
    done, finished = 0, False
    while not finished and (rest := until - time.monotonic()) > 0:
        finished = pipeline.flush(min(_STEP_S, rest)) or pipeline.is_failing
        balance = pipeline.balance() or {}
        done = sum(one.exported for one in balance.values())
        _show_progress(service, done, sum(one.spooled for one in balance.values()))
    _show_progress("")
    why = f" ({'; '.join(pipeline.causes)})" if pipeline.is_failing else ""
    print(f"{service}: {done:,} delivered{why}")
    pipeline.stop(_STEP_S)


def _say_nothing(_key: str, _text: str) -> None:
    """Leave it to what the command prints."""


def _show_progress(service: str, done: int = 0, waiting: int = 0) -> None:
    if sys.stderr.isatty():
        text = f"{service}: {done:,} delivered, {waiting:,} to go" if service else ""
        sys.stderr.write(f"\r{text}\x1b[K")


def _purge(arguments: argparse.Namespace) -> int:
    root = _settings().spooling.folder
    if root is None:
        return _no_folder()
    if _services(root, arguments.service) is None:
        return 2
    left = _left(root, arguments.service)
    records = sum(one.total for one in left)
    if not left and not quarantined(root):
        print("there is nothing that a process has left")
        return 0
    question = f"Delete {records:,} records of {len(left)} ended processes? They are lost. [y/N] "
    if not arguments.yes:
        if not sys.stdin.isatty():
            print("blipee-otel: say --yes to delete without being asked", file=sys.stderr)
            return 2
        if input(question).strip().lower() not in {"y", "yes"}:
            return 1
    print(f"{purge(root, left):,} records deleted")
    return 0


def _settings(endpoint: str | None = None) -> Settings:
    # What is there is there, whether processes are told to use it now or not.
    off = {names.SDK_DISABLED, names.SPOOL}
    environ = {name: value for name, value in os.environ.items() if name not in off}
    settings = read_settings(environ, InCode(endpoint=endpoint))
    for problem in settings.problems:
        notice(problem, problem)
    return settings


def _no_folder() -> int:
    print(f"blipee-otel: there is no home directory; set {names.SPOOL_DIR}", file=sys.stderr)
    return 1


def _left(root: Path, service: str | None) -> list[Left]:
    return [one for one in inspect(root) if not one.is_running and service in {None, one.service}]


def _line(one: Left) -> str:
    records = ", ".join(
        f"{one.records[signal]:,} {NOUNS[signal]}" for signal in SIGNALS if one.records[signal]
    )
    state = "running" if one.is_running else "ended"
    unreadable = f", {one.unreadable} unreadable files" if one.unreadable else ""
    age = f", oldest {_age(one.oldest_s)}" if one.total else ""
    return (
        f"{one.service}  {one.process}  {state}  {records or 'nothing'}"
        f"  {one.size / _MIB:.1f} MiB{age}{unreadable}"
    )


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
