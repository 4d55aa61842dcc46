"""`make demo`: runs everything, shows what arrived, stops everything.

Exit codes: 0 all of it arrived, 1 something is missing or failed, 2 wrong usage, 130 interrupted
before anything could be told.
"""

import argparse
import json
import re
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live

from examples.demo.arrivals import Arrivals, Counts
from examples.demo.ports import SERVICES, Ports
from examples.demo.processes import (
    DemoError,
    Running,
    start_collector,
    start_service,
    stop,
    wait_ready,
)
from examples.demo.summary import one_line, render
from examples.demo.traffic import Traffic
from otel_distro import collector
from otel_distro.collector.progress import Progress

FOLDER = Path(__file__).parents[2] / ".demo"
REFRESH_S = 0.5
LOG_INTERVAL_S = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Run the demo."""
    options = _parse(arguments)
    console = Console(stderr=options.json)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    running: list[Running] = []
    arrivals = Arrivals(FOLDER / "otlp")
    traffic = Traffic(f"http://127.0.0.1:{options.ports.services['api']}")
    troubles: list[str] = []
    watching = False
    try:
        _start(options, running, console)
        traffic.start()
        watching = True
        troubles = _watch(options, running, arrivals, console)
    except DemoError as error:
        console.print(f"[bold red]demo:[/] {error}", highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        if not watching:
            return 130
    finally:
        _finish(traffic, running, watching=watching, console=console)
    arrivals.read()
    return _report(options, arrivals, traffic, troubles, console)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make demo",
        description="A real Collector, four services and traffic; shows what arrived.",
        epilog='Pass options as: make demo ARGS="--for 20s"',
    )
    parser.add_argument(
        "--for",
        dest="seconds",
        type=_duration,
        metavar="DURATION",
        help="run that long (20s, 2m), then say whether everything arrived; default: until Ctrl-C",
    )
    parser.add_argument(
        "--port-base",
        dest="ports",
        type=_ports,
        default=Ports.standard(),
        metavar="PORT",
        help="use eight ports from this one on, instead of 8000-8003, 4317, 4318, 8888, 13133",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    parser.add_argument(
        "--collector-config",
        dest="configs",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="another file for the Collector, after those of the demo; repeat for more",
    )
    return parser.parse_args(arguments)


def _duration(text: str) -> float:
    found = re.fullmatch(r"(\d+)([sm]?)", text)
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration like 20s or 2m")
    return int(found[1]) * (60.0 if found[2] == "m" else 1.0)


def _ports(text: str) -> Ports:
    if not re.fullmatch(r"\d+", text) or not 1024 <= int(text) <= 65528:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1024 to 65528")
    return Ports.above(int(text))


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _start(options: argparse.Namespace, running: list[Running], console: Console) -> None:
    ports: Ports = options.ports
    taken = ports.taken()
    if taken:
        listed = ", ".join(f"{port} ({owner})" for owner, port in taken)
        raise DemoError(
            f"another program listens on {listed}. Stop it, or choose other ports: "
            'make demo ARGS="--port-base 18000"'
        )
    try:
        if collector.find() is None:
            with Progress() as progress:
                collector.build(progress)
        running.append(start_collector(FOLDER, ports, options.configs))
    except collector.CollectorError as error:
        raise DemoError(str(error)) from error
    # All at once: importing scikit-learn takes the longest, and nobody waits for it in turn.
    running.extend(start_service(name, FOLDER, ports) for name in SERVICES)
    for one in running:
        wait_ready(one)
        console.print(f"[green]✓[/] {one.name}  {one.ready_url}", highlight=False)
    console.print(
        f"traffic goes to http://127.0.0.1:{ports.services['api']}, where you can send your own "
        "(its API is described at /docs)",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )


def _watch(
    options: argparse.Namespace, running: list[Running], arrivals: Arrivals, console: Console
) -> list[str]:
    """Show arrivals until the time is up or something died. Returns what died."""
    started = time.monotonic()
    end = started + options.seconds if options.seconds else float("inf")
    logged = started
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while time.monotonic() < end:
            time.sleep(REFRESH_S)
            arrivals.read()
            elapsed = time.monotonic() - started
            if console.is_terminal:
                hint = "" if options.seconds else ", Ctrl-C ends"
                title = f"arrived after passing the Collector ({elapsed:.0f} s{hint})"
                live.update(render(arrivals, title), refresh=True)
            elif time.monotonic() - logged >= LOG_INTERVAL_S:
                logged = time.monotonic()
                line = f"{elapsed:.0f} s  {one_line(arrivals)}"
                console.print(line, highlight=False, soft_wrap=True)
            died = [ended for one in running if (ended := one.died()) is not None]
            if died:
                return died
    return []


def _finish(traffic: Traffic, running: list[Running], *, watching: bool, console: Console) -> None:
    # A second Ctrl-C must not leave processes behind.
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    if watching:
        console.print("stopping: the services flush, then the Collector …", style="dim")
        traffic.stop()
    stop(running)


def _report(
    options: argparse.Namespace,
    arrivals: Arrivals,
    traffic: Traffic,
    troubles: list[str],
    console: Console,
) -> int:
    missing = arrivals.missing(SERVICES)
    ok = not (missing or troubles)
    console.print(render(arrivals, "arrived after passing the Collector"))
    answers = ", ".join(f"{what} {count}" for what, count in sorted(traffic.outcomes.items()))
    console.print(f"{traffic.sent.total()} requests sent; answers: {answers}", highlight=False)
    for trouble in troubles:
        console.print(f"[bold red]✗[/] {trouble}", highlight=False, soft_wrap=True)
    for phrase in missing:
        console.print(f"[bold red]✗[/] {phrase}", highlight=False, soft_wrap=True)
    if ok:
        console.print("[green]✓[/] spans, metrics and logs of all four services arrived")
    console.print(
        f"look further: all that arrived in {_near(FOLDER / 'otlp')}, "
        f"what the processes wrote in {_near(FOLDER / 'logs')}",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )
    if options.json:
        print(json.dumps(_result(arrivals, missing + troubles, ok=ok), indent=2))
    return 0 if ok else 1


def _near(path: Path) -> Path:
    """Return the path from here, if it is below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _result(arrivals: Arrivals, missing: list[str], *, ok: bool) -> dict[str, object]:
    trace = arrivals.last_trace_through(SERVICES)
    counts = {name: arrivals.counts.get(name, Counts()) for name in SERVICES}
    return {
        "ok": ok,
        "missing": missing,
        "services": {
            name: {
                "spans": one.spans,
                "metrics": sorted(one.metrics),
                "points": one.points,
                "logs": one.logs,
                "logs_in_traces": one.logs_in_traces,
            }
            for name, one in counts.items()
        },
        "trace_through_all": trace[0].trace_id if trace else None,
    }


if __name__ == "__main__":
    sys.exit(main())
