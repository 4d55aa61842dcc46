"""Builds the Collector by its own builder (ocb), once for each manifest."""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from otel_distro.collector.errors import CollectorError
from otel_distro.collector.locate import (
    BINARY_NAME,
    BINARY_VARIABLE,
    cache_dir,
    cached_binary,
    find,
    manifest,
    version,
)
from otel_distro.collector.progress import Progress
from otel_distro.collector.toolchain import find_go

_BUILDER: Final = "go.opentelemetry.io/collector/cmd/builder"
# What the builder logs, and what it means to somebody who waits.
_STEPS: Final = {
    "Sources created": "Fetching the Collector's modules",
    "Getting go modules": "Resolving the Collector's modules",
    "Compiling": "Compiling the Collector (some minutes)",
}
_LAST_LINES: Final = 15


def build(progress: Progress) -> Path:
    """Return the Collector to use, built if there is none.

    Args:
        progress: Is told each step.

    Raises:
        CollectorError: It cannot be built; the message has the builder's last lines.
    """
    existing = find()
    if existing is not None:
        return existing
    cache = cache_dir()
    try:
        return _build_in(cache, progress)
    except OSError as error:
        raise CollectorError(
            f"the Collector could not be kept in {cache}: {error}. Set XDG_CACHE_HOME to a folder "
            f"that can be written, or {BINARY_VARIABLE} to the path of a Collector."
        ) from error


def _build_in(cache: Path, progress: Progress) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    with _only_one(cache / "lock", progress):
        if cached_binary().exists():  # another process built it while this one waited
            return cached_binary()
        with tempfile.TemporaryDirectory(prefix="otelcol-build-") as folder:
            _compile(Path(folder), cache, progress)
            # Renamed within one file system: the binary appears whole or not at all.
            staged = cache / f".{BINARY_NAME}.{os.getpid()}"
            shutil.copy2(Path(folder) / "out" / BINARY_NAME, staged)
            staged.replace(cached_binary())
    return cached_binary()


def _compile(folder: Path, cache: Path, progress: Progress) -> None:
    go = find_go(cache, progress)
    log = cache / "build.log"
    environment = {
        **os.environ,
        "PATH": f"{go.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "GOBIN": str(folder / "bin"),
        "CGO_ENABLED": "0",
    }
    own = folder / "builder.yaml"
    own.write_text(
        manifest().read_text().replace("dist:\n", f"dist:\n  output_path: {folder / 'out'}\n", 1)
    )
    progress.step("Installing the Collector's builder")
    with log.open("w") as sink:
        for arguments in (
            [str(go), "install", f"{_BUILDER}@v{version()}"],
            [str(folder / "bin" / "builder"), "--config", str(own), "--ldflags", "-s -w"],
        ):
            if _run(arguments, environment, folder, sink, progress) != 0:
                break
        else:
            return
    last = "\n".join(log.read_text().splitlines()[-_LAST_LINES:])
    raise CollectorError(
        f"the Collector could not be built; its builder said:\n{last}\n"
        f"All of it is in {log}. It needs the network, and some 4 GB of disk, the first time; "
        f"{BINARY_VARIABLE}=/path/of/otelcol uses one that is there."
    )


def _run(
    arguments: list[str],
    environment: dict[str, str],
    folder: Path,
    sink: TextIO,
    progress: Progress,
) -> int:
    with subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=folder,
        # The compiler starts processes of its own, which end with it.
        start_new_session=True,
    ) as process:
        try:
            for line in process.stdout or ():
                sink.write(line)
                for logged, step in _STEPS.items():
                    if logged in line:
                        progress.step(step)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode


@contextmanager
def _only_one(lock: Path, progress: Progress) -> Iterator[None]:
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.step("Waiting for another build of the Collector")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
