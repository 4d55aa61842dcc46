"""Programs under `opentelemetry-instrument`, with a clean environment."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from support.far_side import wait_until_serving

BIN = Path(sys.executable).parent
NO_EXPORT = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}


def clean_environment(**variables: str) -> dict[str, str]:
    """Return the environment without any telemetry setting but the given ones."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "BLIPEE_OTEL_")) and name != "APP_VERSION"
    }
    return {**kept, "PATH": f"{BIN}{os.pathsep}{kept.get('PATH', '')}", **variables}


def run_python(
    code: str, *, instrumented: bool = True, cwd: Path | None = None, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run a piece of Python to its end."""
    command = [str(BIN / "opentelemetry-instrument")] if instrumented else []
    return subprocess.run(
        [*command, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env=clean_environment(**variables),
    )


@contextmanager
def serving(
    command: Sequence[str],
    url: str,
    folder: Path,
    variables: Mapping[str, str],
    tools: Path = BIN,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server under `opentelemetry-instrument` until the block ends; then SIGTERM."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [str(tools / "opentelemetry-instrument"), *command],
            stdout=log,
            stderr=log,
            cwd=folder,
            env=clean_environment(**variables),
            start_new_session=True,
        )
    try:
        wait_until_serving(url, process)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with suppress(ProcessLookupError):  # workers that their master left behind
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
