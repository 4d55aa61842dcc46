"""A real Collector on free ports, and what arrived at its far side."""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otel_distro import collector
from support.ports import free_ports


@dataclass(frozen=True, slots=True)
class Arrived:
    """One span, metric or log record, with the resource and scope it came with."""

    resource: dict[str, Any]
    scope: str
    record: dict[str, Any]

    @property
    def attributes(self) -> dict[str, Any]:
        return attributes(self.record)


@dataclass(frozen=True, slots=True)
class RunningCollector:
    """A Collector under test."""

    http: str
    grpc: str
    folder: Path
    process: "subprocess.Popen[bytes]"

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
            Arrived(attributes(resource["resource"]), scope["scope"].get("name", ""), record)
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
def running_collector(folder: Path) -> Iterator[RunningCollector]:
    """Start the real Collector with the shipped files, and stop it."""
    grpc, http, health, metrics = free_ports(4)
    configs = [collector.config_dir() / name for name in ("agent.yaml", "export-files.yaml")]
    with (folder / "collector.log").open("wb") as log:
        process = subprocess.Popen(
            collector.command(configs),
            stdout=log,
            stderr=log,
            env={
                **os.environ,
                "BLIPEE_OTELCOL_OUT": str(folder),
                "BLIPEE_OTELCOL_GRPC_PORT": str(grpc),
                "BLIPEE_OTELCOL_HTTP_PORT": str(http),
                "BLIPEE_OTELCOL_HEALTH_PORT": str(health),
                "BLIPEE_OTELCOL_METRICS_PORT": str(metrics),
            },
        )
    try:
        wait_until_serving(f"http://127.0.0.1:{health}/", process)
        yield RunningCollector(
            f"http://127.0.0.1:{http}", f"http://127.0.0.1:{grpc}", folder, process
        )
    finally:
        process.terminate()
        process.wait(10)


def wait_until_serving(url: str, process: "subprocess.Popen[bytes]", seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"it ended with {process.returncode}"
        with suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer after {seconds} s")
