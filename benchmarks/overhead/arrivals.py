"""Where contestants send to, and what arrived: an instrumentation that does nothing is fast.

A real Collector with a receiver for each contestant, so that its own metrics count them apart.
Those with a protocol of their own send to a sink that counts.
"""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from otel_distro import collector

SINK = Path(__file__).with_name("sink.py")
_ACCEPTED = re.compile(
    r"^otelcol_receiver_accepted_(spans|metric_points|log_records)(?:_total)?\{[^}]*"
    r'receiver="otlp/([^"]+)"[^}]*\} (\S+)$',
    re.MULTILINE,
)


@dataclass(frozen=True)
class Counts:
    """What arrived of one contestant."""

    spans: int = 0
    metric_points: int = 0
    log_records: int = 0

    def __sub__(self, earlier: "Counts") -> "Counts":
        return Counts(
            self.spans - earlier.spans,
            self.metric_points - earlier.metric_points,
            self.log_records - earlier.log_records,
        )

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.spans + other.spans,
            self.metric_points + other.metric_points,
            self.log_records + other.log_records,
        )


class FarSide:
    """The Collector and the sink, from `with` until its end."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        own, health, self._sink_port, *ports = _free_ports(3 + len(names))
        self._ports = dict(zip(names, ports, strict=True))
        self._own = f"http://127.0.0.1:{own}/metrics"
        self._health = f"http://127.0.0.1:{health}/"
        self._config = folder / "collector.json"
        self._config.write_text(json.dumps(_config(self._ports, own, health)))
        self._running: list[subprocess.Popen[bytes]] = []

    def where(self, name: str) -> dict[str, str]:
        """Return what stands for `{otlp}` and `{sink}` in a contestant's variables."""
        return {
            "otlp": f"http://127.0.0.1:{self._ports[name]}",
            "sink": f"127.0.0.1:{self._sink_port}",
        }

    def arrived(self, name: str) -> Counts:
        """Return what has come from a contestant up to now, by either way."""
        counts = dict.fromkeys(("spans", "metric_points", "log_records"), 0)
        for what, receiver, value in _ACCEPTED.findall(_get(self._own)):
            if receiver == name:
                counts[what] += int(float(value))
        sunk = json.loads(_get(f"http://127.0.0.1:{self._sink_port}/counts"))
        return Counts(**counts) + Counts(**sunk.get(name, {}))

    def __enter__(self) -> Self:
        with (self._folder / "collector.log").open("wb") as log:
            self._start(collector.command([self._config]), log)
        with (self._folder / "sink.log").open("wb") as log:
            self._start([sys.executable, str(SINK), str(self._sink_port)], log)
        wait_for(self._health, f"http://127.0.0.1:{self._sink_port}/counts")
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(30)

    def _start(self, command: Sequence[str], log: IO[bytes]) -> None:
        self._running.append(subprocess.Popen(command, stdout=log, stderr=log))


def _config(ports: dict[str, int], own: int, health: int) -> dict[str, Any]:
    receivers = {
        f"otlp/{name}": {
            "protocols": {
                "http": {"endpoint": f"127.0.0.1:{port}", "max_request_body_size": 100_000_000}
            }
        }
        for name, port in ports.items()
    }
    pipeline = {"receivers": [*receivers], "exporters": ["debug"]}
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": own}}}}
    return {
        "receivers": receivers,
        "exporters": {"debug": {"verbosity": "basic"}},
        "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}},
        "service": {
            "extensions": ["health_check"],
            "telemetry": {
                "metrics": {"level": "normal", "readers": [reader]},
                "logs": {"level": "warn"},
            },
            "pipelines": dict.fromkeys(("traces", "metrics", "logs"), pipeline),
        },
    }


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


def wait_for(*urls: str) -> None:
    """Return when all answer."""
    deadline = time.monotonic() + 60
    for url in urls:
        while True:
            with suppress(OSError):
                _get(url)
                break
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
