"""Backends that are built from source once, and kept in the user's cache like the Collector."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from otel_distro.collector.locate import cache_dir
from otel_distro.collector.progress import Progress
from otel_distro.collector.toolchain import find_go
from support.far_side import wait_until_serving
from support.ports import free_ports

PROMETHEUS = "github.com/prometheus/prometheus", "v0.316.0"


def prometheus() -> Path:
    """Return a Prometheus 3: `PROMETHEUS_BIN`, the cached build, or a build (some minutes)."""
    return _program("prometheus")


def promtool() -> Path:
    """Return the promtool of the same version: `PROMTOOL_BIN`, the cached build, or a build."""
    return _program("promtool")


def _program(name: str) -> Path:
    chosen = os.environ.get(f"{name.upper()}_BIN")
    if chosen:
        return Path(chosen)
    module, version = PROMETHEUS
    kept = cache_dir().parent / f"prometheus-{version}" / name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with Progress() as progress, tempfile.TemporaryDirectory() as folder:
            go = str(find_go(cache_dir(), progress))
            progress.step(f"Building {name} (some minutes, once)")
            program = f"{module}/cmd/{name}"
            for arguments in (
                ["mod", "init", "engines"],
                ["get", f"{program}@{version}"],
                # Without service discovery, which the tests need none of, it is built in a third.
                ["build", "-tags", "remove_all_sd", "-ldflags", "-s -w", "-o", "built", program],
            ):
                subprocess.run([go, *arguments], cwd=folder, check=True, capture_output=True)
            staged = kept.with_suffix(f".{os.getpid()}")
            shutil.copy2(Path(folder) / "built", staged)
            staged.replace(kept)
    return kept


@contextmanager
def running_prometheus(folder: Path) -> Iterator[str]:
    """Run a Prometheus that takes OTLP, and return its URL."""
    (port,) = free_ports(1)
    configuration = folder / "prometheus.yml"
    configuration.write_text("global: {scrape_interval: 1s}\n")
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(prometheus()),
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-otlp-receiver",
            ],
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_serving(f"{url}/-/ready", process)
        yield url
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    print(prometheus(), promtool(), sep="\n")
