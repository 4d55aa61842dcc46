"""The scenarios: each runs both sides and returns rows for the table."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.far_side import Arrived, CollectorProcess, wait_until_serving
from support.ports import free_ports

from benchmarks.reliability.sides import SIDES, Side

_BIN = Path(sys.executable).parent
_ROOT = Path(__file__).parents[2]
_REQUESTS = 200


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    ours: str
    upstream: str


@dataclass(frozen=True)
class Emitting:
    """An emitter that runs."""

    side: Side
    process: "subprocess.Popen[str]"
    result: Path

    def finish(self) -> tuple[dict[str, float], int, float]:
        """Return what it says, its lines on stderr, and the seconds from its result to its end."""
        _, errors = self.process.communicate(timeout=180)
        ended = time.time()
        said = json.loads(self.result.read_text())
        return said, len(errors.splitlines()), ended - self.result.stat().st_mtime


def outage(folder: Path, outage_s: float = 35) -> list[Row]:
    """The Collector goes away while 200 spans and 200 log records a second are emitted."""
    with CollectorProcess(folder / "outage") as collector:
        emitting = [
            emit(folder, side, "steady", collector.http, "--seconds", str(outage_s + 25))
            for side in SIDES
        ]
        time.sleep(10)
        collector.stop()
        time.sleep(outage_s)
        collector.start()
        ended = {one.side: one.finish() for one in emitting}
        time.sleep(1)
        collector.stop()
        spans, logs = _arrived(collector.spans(), "name"), _arrived_logs(collector)
    return [
        Row(f"{outage_s:.0f} s outage: {what}", *(tell(side) for side in SIDES))
        for what, tell in {
            "spans lost": lambda side: _lost(ended[side][0]["emitted"], spans[side]),
            "log records lost": lambda side: _lost(ended[side][0]["emitted"], logs[side]),
            "lines on stderr": lambda side: str(ended[side][1]),
            "longest time to emit one span and one record, ms": lambda side: (
                f"{ended[side][0]['worst_ms']:.0f}"
            ),
            "growth of memory, MB": lambda side: f"{ended[side][0]['rss_growth_mb']:.0f}",
        }.items()
    ]


def flood(folder: Path, seconds: float = 10) -> list[Row]:
    """Spans in a tight loop, counted by the Collector itself: files would be slower than it."""
    lost, rate, created = {}, {}, {}
    for side in SIDES:
        with CollectorProcess(folder / f"flood-{side}", ("agent.yaml",)) as collector:
            said, _, _ = emit(
                folder, side, "flood", collector.http, "--seconds", str(seconds)
            ).finish()
            arrived = _accepted_spans(collector)
        lost[side] = f"{said['emitted'] - arrived:,} of {said['emitted']:,}"
        rate[side] = arrived / said["seconds_with_flush"]
        created[side] = said["emitted"] / said["seconds"]
    return [
        Row(f"{seconds:.0f} s flood: spans lost", *(lost[side] for side in SIDES)),
        Row("… created a second", *(f"{created[side]:,.0f}" for side in SIDES)),
        Row(
            "… delivered a second, flush included (ratio)",
            f"{rate['ours']:,.0f} ({rate['ours'] / rate['upstream']:.1f} x)",
            f"{rate['upstream']:,.0f}",
        ),
    ]


SERVERS: dict[str, list[str]] = {
    "uvicorn": ["uvicorn", "benchmarks.reliability.app:app", "--port", "{port}"],
    "uvicorn --workers 2": [
        *("uvicorn", "benchmarks.reliability.app:app", "--port", "{port}", "--workers", "2")
    ],
    "uvicorn --reload": [
        *("uvicorn", "benchmarks.reliability.app:app", "--port", "{port}", "--reload"),
        *("--reload-dir", "benchmarks/reliability"),
    ],
    "gunicorn + UvicornWorker": [
        *("gunicorn", "benchmarks.reliability.app:app", "--bind", "127.0.0.1:{port}"),
        *("--workers", "2", "--worker-class", "uvicorn_worker.UvicornWorker"),
    ],
}


def sigterm(folder: Path) -> list[Row]:
    """SIGTERM right after the last answer, with the Collector there and away."""
    rows = []
    for name, command in SERVERS.items():
        lost, took, exits = {}, {}, {}
        for side in SIDES:
            with CollectorProcess(folder / f"{name.replace(' ', '')}-{side}") as collector:
                exits[side], took[side] = _serve_and_stop(folder, side, command, collector.http)
                time.sleep(1)
                collector.stop()
                arrived = _arrived(collector.spans(), "name")[side]
            lost[side] = _lost(_REQUESTS, arrived)
        rows.append(Row(f"SIGTERM, {name}: spans lost", *(lost[side] for side in SIDES)))
        rows.append(
            Row("… exit code, seconds", *(f"{exits[side]}, {took[side]:.1f}" for side in SIDES))
        )
        away = {
            side: _serve_and_stop(folder, side, command, "http://127.0.0.1:9") for side in SIDES
        }
        rows.append(
            Row(
                "… the Collector away: exit code, seconds",
                *(f"{away[side][0]}, {away[side][1]:.1f}" for side in SIDES),
            )
        )
    return rows


def sigkill(folder: Path) -> list[Row]:
    """SIGKILL while 1,000 spans and log records a second are emitted; then a restart."""
    lost, older = {}, {}
    for side in SIDES:
        with CollectorProcess(folder / f"kill-{side}") as collector:
            arguments = ("steady", collector.http, "--rate", "1000", "--seconds")
            killed = emit(folder, side, *arguments, "60")
            time.sleep(6)
            killed.process.kill()
            at = time.monotonic()
            killed.process.communicate()
            progress = killed.result.with_suffix(".progress").read_text().splitlines()
            again = emit(folder, side, *arguments, "1", "--first", "1000000000")
            again.finish()
            time.sleep(1)
            collector.stop()
            arrived = set(_arrived(collector.spans(), "name")[side])
        emitted = dict(line.split() for line in progress if " " in line)
        missing = [at - float(when) for number, when in emitted.items() if number not in arrived]
        lost[side] = f"{len(missing):,} of {len(emitted):,}"
        older[side] = f"{max(missing, default=0) * 1000:.0f}"
    return [
        Row("SIGKILL and restart: spans lost", *(lost[side] for side in SIDES)),
        Row("… age of the oldest lost one, ms", *(older[side] for side in SIDES)),
    ]


def away(folder: Path) -> list[Row]:
    """A process that ends while the Collector is away."""
    ended = {
        side: emit(folder, side, "steady", "http://127.0.0.1:9", "--seconds", "3").finish()
        for side in SIDES
    }
    return [
        Row("Collector away: seconds to exit", *(f"{ended[side][2]:.1f}" for side in SIDES)),
        Row("… lines on stderr", *(str(ended[side][1]) for side in SIDES)),
    ]


SCENARIOS: dict[str, Callable[[Path], list[Row]]] = {
    "outage": outage,
    "flood": flood,
    "sigterm": sigterm,
    "sigkill": sigkill,
    "away": away,
}


def emit(folder: Path, side: Side, how: str, endpoint: str, *arguments: str) -> Emitting:
    """Start an emitter."""
    result = folder / f"{side}-{time.monotonic_ns()}.json"
    module = "benchmarks.reliability.emit"
    process = subprocess.Popen(
        [sys.executable, "-m", module, side, how, *arguments, "--result", str(result)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env=_environment(folder, side, endpoint),
    )
    return Emitting(side, process, result)


def _serve_and_stop(
    folder: Path, side: Side, command: list[str], endpoint: str
) -> tuple[int, float]:
    (port,) = free_ports(1)
    words = [word.format(port=port) for word in command]
    with _serving(words, port, _environment(folder, side, endpoint)) as process:
        for number in range(_REQUESTS):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{number}", timeout=10):
                pass
        process.send_signal(signal.SIGTERM)
        at = time.monotonic()
        return process.wait(60), time.monotonic() - at


@contextmanager
def _serving(
    words: list[str], port: int, environment: dict[str, str]
) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(
        [str(_BIN / words[0]), *words[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=_ROOT,
        env=environment,
        start_new_session=True,
    )
    try:
        wait_until_serving(f"http://127.0.0.1:{port}/1000000", process)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment(folder: Path, side: Side, endpoint: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return {
        **kept,
        "BENCH_SIDE": side,
        "BLIPEE_OTEL_CPU_BUDGET": "off",  # a flood is to be recorded, whatever it takes
        "BLIPEE_OTEL_SPOOL_DIR": str(folder / f"spool-{side}-{endpoint.rpartition(chr(58))[2]}"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
    }


def _arrived(records: list, key: str) -> dict[Side, list[str]]:
    found: dict[Side, list[str]] = {side: [] for side in SIDES}
    for one in records:
        if one.scope == "bench":
            side = one.resource["service.name"].removeprefix("bench-")
            found[side].append(one.record[key])
    return found


def _accepted_spans(collector: CollectorProcess) -> int:
    with urllib.request.urlopen(collector.own_metrics, timeout=5) as answer:
        text = answer.read().decode()
    found = re.findall(r"^otelcol_receiver_accepted_spans_total\{.*\} (\S+)$", text, re.MULTILINE)
    return int(sum(map(float, found)))


def body(record: Arrived) -> str:
    """Return what a log record says."""
    return record.record.get("body", {}).get("stringValue", "")


def _arrived_logs(collector: CollectorProcess) -> dict[Side, list[str]]:
    found: dict[Side, list[str]] = {side: [] for side in SIDES}
    for one in collector.logs():
        if (text := body(one)).isdecimal():
            found[one.resource["service.name"].removeprefix("bench-")].append(text)
    return found


def _lost(emitted: float, arrived: list[str]) -> str:
    numbers = {int(number) for number in arrived}
    missing = sum(1 for number in range(int(emitted)) if number not in numbers)
    doubled = len(arrived) - len(set(arrived))
    return f"{missing:,} of {int(emitted):,}" + (f" ({doubled:,} doubled)" if doubled else "")
