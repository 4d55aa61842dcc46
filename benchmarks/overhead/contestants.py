"""Who is compared: read from contestants.toml, installed each into an environment of its own."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
ROOT = _HERE.parents[1]
INSIDE = _HERE / "inside"
# What decides how this repository is installed, when it is.
_OURS = ("pyproject.toml", "blipee_otel.pth")


class NotInstalled(Exception):  # noqa: N818 - it is said in the table, and no fault of ours
    """An environment could not be made; the text says why."""


@dataclass(frozen=True, eq=False)
class Contestant:
    """One who is compared.

    Attributes:
        name: Also that of the environment, of its receiver, and in `--only`.
        what: What it is, in words.
        requires: What is installed, with versions.
        launch: The command that instruments, before `python`; empty: the application's code does.
        environment: Variables; `{otlp}`, `{sink}` and `{folder}` stand for where it sends.
        speaks_otlp: Whether OpenTelemetry's variables are for it.
        tree: Of a contestant that is a working tree of this repository: where it is.
    """

    name: str
    what: str
    requires: tuple[str, ...]
    launch: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    speaks_otlp: bool = True
    tree: Path | None = None


def read_contestants(beside: Path | None = None) -> list[Contestant]:
    """Return all, in the order in which they take turns.

    Args:
        beside: Another working tree, compared as `beside`: what a change costs.
    """
    said = _read()
    contestants = [_contestant(one, said["opentelemetry"]) for one in said["contestant"]]
    if beside is not None:
        place = 1 + next(at for at, one in enumerate(contestants) if one.tree)
        tree = beside.resolve()
        other = replace(contestants[place - 1], name="beside", what="another tree of it", tree=tree)
        contestants.insert(place, other)
    return contestants


def _contestant(one: dict[str, Any], opentelemetry: dict[str, str]) -> Contestant:
    speaks_otlp = one.get("speaks_otlp", True)
    return Contestant(
        name=one["name"],
        what=one["what"],
        requires=tuple(one["requires"]),
        launch=one.get("launch", ""),
        environment={**(opentelemetry if speaks_otlp else {}), **one.get("environment", {})},
        speaks_otlp=speaks_otlp,
        tree=ROOT if one.get("this_tree") else None,
    )


def _read() -> dict[str, Any]:
    return tomllib.loads((_HERE / "contestants.toml").read_text())


def web_versions() -> list[str]:
    """Return the pins of the web stack that all have."""
    names = _read()["web"]
    pins = [line for line in _constraints() if line.partition("==")[0] in names]
    assert len(pins) == len(names), f"constraints.txt has of {names} only {pins}"
    return pins


def install(contestant: Contestant) -> Path:
    """Return the environment's folder of programs; make it, unless it is cached as wanted.

    Raises:
        NotInstalled: The text is the end of what the installer said.
    """
    pins = _constraints() if contestant.tree else web_versions()
    wanted = "\n".join([sys.version, *pins, *contestant.requires])
    if contestant.tree:
        wanted += "".join((contestant.tree / name).read_text() for name in _OURS)
    # One for each Python and working tree, made again when something else is wanted.
    place = hashlib.sha256(f"{sys.prefix} {sys.version} {contestant.tree}".encode()).hexdigest()
    folder = cache() / f"{contestant.name}-{place[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    finished = folder / ".installed"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists() or finished.read_text() != wanted:
            _make(folder, contestant, pins)
            finished.write_text(wanted)
    return folder / "bin"


def _make(folder: Path, contestant: Contestant, pins: Sequence[str]) -> None:
    print(f"installing {contestant.name} …", file=sys.stderr, flush=True)
    python = str(folder / "bin" / "python")
    _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(pins))
    requires = ["-e", str(contestant.tree)] if contestant.tree else contestant.requires
    # Compiled beforehand: whoever is measured first would otherwise compile.
    _uv(
        "pip", "install", "--quiet", "--compile-bytecode", "--python", python,
        "-c", str(constraints), "fastapi", "uvicorn", *requires,
    )  # fmt: skip


def versions(programs: Path) -> list[str]:
    """Return what is installed in an environment, as pins; a working tree has none."""
    lines = _uv("pip", "freeze", "--python", str(programs / "python")).splitlines()
    return [line for line in lines if "==" in line]


def _uv(*words: str) -> str:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        raise NotInstalled("there is no uv: install it (`pip install uv`)")
    ran = subprocess.run([uv, *words], capture_output=True, text=True, check=False, cwd=ROOT)
    if ran.returncode != 0:
        raise NotInstalled(" ".join(ran.stderr.split())[-300:] or f"uv ended with {ran.returncode}")
    return ran.stdout


def _constraints() -> Sequence[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if "==" in line]


def cache() -> Path:
    """Return where environments are kept: below the folder that has the Collectors."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "blipee-otel" / "bench"
