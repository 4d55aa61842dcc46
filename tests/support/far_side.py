"""A real Collector on free ports, and what arrived at its far side."""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from otel_distro import collector
from support.ports import free_ports

TO_FILES = ("agent.yaml", "export-files.yaml")


@dataclass(frozen=True, slots=True)
class Arrived:
    """One span, metric or log record, with the resource and scope it came with."""

    resource: dict[str, Any]
    scope: str
    record: dict[str, Any]

    @property
    def attributes(self) -> dict[str, Any]:
        return attributes(self.record)


class CollectorProcess:
    """A Collector under test: its ports and storage stay the same from one start to the next.

    `with` starts and stops it; without, it is not started until asked. What arrived is in
    `folder`, and so is its log: of all its starts.
    """

    process: "subprocess.Popen[bytes] | None" = None

    def __init__(
        self,
        folder: Path,
        configs: Sequence[str | Path] = TO_FILES,
        *,
        command: Callable[[Sequence[Path]], list[str]] = collector.command,
        **environment: str,
    ) -> None:
        self.folder = folder
        self._command = command
        self.storage = folder / "storage"
        grpc, http, health, metrics = free_ports(4)
        self.grpc = f"http://127.0.0.1:{grpc}"
        self.http = f"http://127.0.0.1:{http}"
        self.health = f"http://127.0.0.1:{health}/"
        self.own_metrics = f"http://127.0.0.1:{metrics}/metrics"
        self._configs = [collector.config_dir() / config for config in configs]
        self._environment = {
            "BLIPEE_OTELCOL_OUT": str(folder),
            "BLIPEE_OTELCOL_STORAGE": str(self.storage),
            "BLIPEE_OTELCOL_GRPC_PORT": str(grpc),
            "BLIPEE_OTELCOL_HTTP_PORT": str(http),
            "BLIPEE_OTELCOL_HEALTH_PORT": str(health),
            "BLIPEE_OTELCOL_METRICS_PORT": str(metrics),
            **environment,
        }

    def start(self, seconds: float = 60) -> Self:
        """Start it, unless it runs, and wait until it serves."""
        if self.process is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    self._command(self._configs),
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **self._environment},
                )
            try:
                wait_until_serving(self.health, self.process, seconds)
            except AssertionError:
                self.kill()
                raise
        return self

    def stop(self) -> None:
        """SIGTERM, and wait: what it has accepted is then in the files."""
        self._end(subprocess.Popen.terminate)

    def kill(self) -> None:
        """SIGKILL: what it has accepted and not yet written is lost."""
        self._end(subprocess.Popen.kill)

    def _end(self, how: "Callable[[subprocess.Popen[bytes]], None]") -> None:
        if self.process is not None:
            how(self.process)
            self.process.wait(30)
            self.process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        return self.folder / "collector.log"

    def spans(self) -> list[Arrived]:
        return self._read("traces.jsonl", "resourceSpans", "scopeSpans", "spans")

    def metrics(self) -> list[Arrived]:
        return self._read("metrics.jsonl", "resourceMetrics", "scopeMetrics", "metrics")

    def logs(self) -> list[Arrived]:
        return self._read("logs.jsonl", "resourceLogs", "scopeLogs", "logRecords")

    def wait_for(self, what: Callable[[], Any], seconds: float = 20) -> Any:
        """Poll until `what` returns something true, and return it."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, f"nothing arrived; the log is in {self.folder}"
            time.sleep(0.1)
        return found

    def _read(self, file: str, resources: str, scopes: str, records: str) -> list[Arrived]:
        path = self.folder / file
        if not path.exists():
            return []
        return [
            Arrived(
                attributes(resource.get("resource", {})),
                scope.get("scope", {}).get("name", ""),
                record,
            )
            for line in path.read_text().splitlines()
            # The last line may be in the middle of being written.
            for document in parsed(line)
            for resource in document.get(resources, ())
            for scope in resource.get(scopes, ())
            for record in scope.get(records, ())
        ]


def parsed(line: str) -> Iterator[dict[str, Any]]:
    with suppress(json.JSONDecodeError):
        yield json.loads(line)


def attributes(of: dict[str, Any]) -> dict[str, Any]:
    return {
        attribute["key"]: next(iter(attribute["value"].values()), None)
        for attribute in of.get("attributes", ())
    }


@contextmanager
def running_collector(folder: Path) -> Iterator[CollectorProcess]:
    """Start the real Collector with the shipped files, and stop it."""
    with CollectorProcess(folder) as running:
        yield running


def wait_until_serving(url: str, process: "subprocess.Popen[bytes]", seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"it ended with {process.returncode}"
        with suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer after {seconds} s")
