"""The demo's processes: each in a session of its own, stopped in order, none left behind."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.demo.ports import SERVICES, Ports
from otel_distro import collector

EXAMPLES = Path(__file__).parents[1]
START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 10.0


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Running:
    """One started process.

    Attributes:
        name: For people.
        process: The process.
        log: What it writes on stdout and stderr.
        ready_url: Answers 200 as soon as it serves.
    """

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path
    ready_url: str

    def died(self) -> str | None:
        """Return a sentence about its end, None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"exited with {code}"
        return f"{self.name} {how}; what it wrote is in {self.log}"


def start_collector(folder: Path, ports: Ports, more: Sequence[Path] = ()) -> Running:
    """Start the Collector with the far side as files in `folder`/otlp, and `more` configuration."""
    far_side = folder / "otlp"
    far_side.mkdir(parents=True, exist_ok=True)
    for old in far_side.glob("*.jsonl"):
        old.unlink()
    configs = [collector.config_dir() / name for name in ("agent.yaml", "export-files.yaml")]
    return _start(
        "the Collector",
        collector.command([*configs, *more]),
        folder / "logs" / "collector.log",
        {
            "BLIPEE_OTELCOL_OUT": str(far_side),
            "BLIPEE_OTELCOL_STORAGE": str(folder / "queue"),
            "BLIPEE_OTELCOL_GRPC_PORT": str(ports.grpc),
            "BLIPEE_OTELCOL_HTTP_PORT": str(ports.http),
            "BLIPEE_OTELCOL_HEALTH_PORT": str(ports.health),
            "BLIPEE_OTELCOL_METRICS_PORT": str(ports.metrics),
        },
        f"http://127.0.0.1:{ports.health}/",
    )


def start_service(name: str, folder: Path, ports: Ports) -> Running:
    """Start one service under `opentelemetry-instrument`; it knows the others by URL only."""
    port = ports.services[name]
    tools = Path(sys.executable).parent
    return _start(
        name,
        [
            str(tools / "opentelemetry-instrument"),
            str(tools / "uvicorn"),
            "--app-dir",
            str(EXAMPLES / "services"),
            f"{name}:app",
            "--port",
            str(port),
        ],
        folder / "logs" / f"{name}.log",
        {
            "OTEL_SERVICE_NAME": name,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=demo",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{ports.http}",
            # Somebody is watching: send sooner than in production.
            "OTEL_BSP_SCHEDULE_DELAY": "500",
            "OTEL_BLRP_SCHEDULE_DELAY": "500",
            "OTEL_METRIC_EXPORT_INTERVAL": "2000",
            "AGENTS_URL": f"http://127.0.0.1:{ports.services['agents']}",
            "ML_URL": f"http://127.0.0.1:{ports.services['ml']}",
            "DATABASE_SERVICE_URL": f"http://127.0.0.1:{ports.services['database']}",
        },
        f"http://127.0.0.1:{port}/health",
    )


def _start(
    name: str, command: list[str], log: Path, environment: dict[str, str], ready_url: str
) -> Running:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**_inherited(), **environment},
            # Ctrl-C in the terminal reaches the demo alone, which stops these in order.
            start_new_session=True,
        )
    return Running(name, process, log, ready_url)


def _inherited() -> dict[str, str]:
    """Return the environment without what would send telemetry, or requests, somewhere else."""
    elsewhere = re.compile(r"(OTEL_|BLIPEE_OTEL_).*|DATABASE_URL|.*_proxy", re.IGNORECASE)
    return {name: text for name, text in os.environ.items() if not elsewhere.fullmatch(name)}


def wait_ready(running: Running) -> None:
    """Wait until it serves.

    Raises:
        DemoError: It ended, or it does not serve in time.
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        ended = running.died()
        if ended is not None:
            last = running.log.read_text(errors="replace").strip().splitlines()[-5:]
            raise DemoError("\n  ".join([f"{ended}. It ends with:", *last]))
        with (
            contextlib.suppress(OSError, urllib.error.URLError),
            direct.open(running.ready_url, timeout=1),
        ):
            return
        time.sleep(0.1)
    raise DemoError(f"{running.name} does not serve after {START_DEADLINE_S:.0f} s: {running.log}")


def stop(running: list[Running]) -> None:
    """Stop all, as containers are stopped: services first, so that the Collector gets the rest."""
    _stop([one for one in running if one.name in SERVICES])
    _stop([one for one in running if one.name not in SERVICES])


def _stop(running: list[Running]) -> None:
    for one in running:
        _signal_session(one, signal.SIGTERM)
    deadline = time.monotonic() + STOP_DEADLINE_S
    for one in running:
        try:
            one.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal_session(one, signal.SIGKILL)
            one.process.wait()


def _signal_session(one: Running, how: signal.Signals) -> None:
    if one.process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.process.pid, how)
