"""Where the Collector's configuration and binary are."""

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Final

from otel_distro.collector.errors import CollectorError

BINARY_NAME: Final = "blipee-otelcol"
BINARY_VARIABLE: Final = "OTELCOL_BIN"
STORAGE_VARIABLE: Final = "BLIPEE_OTELCOL_STORAGE"


def config_dir() -> Path:
    """Return the folder of the shipped configuration: in the package, or in a checkout."""
    packaged = Path(__file__).with_name("config")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "collector-config"


def manifest() -> Path:
    """Return the builder's manifest."""
    return config_dir() / "builder.yaml"


def version() -> str:
    """Return the version that the manifest builds."""
    found = re.search(r"^  version: (\S+)$", manifest().read_text(), re.MULTILINE)
    if found is None:
        raise CollectorError(f"{manifest()} has no dist.version")
    return found[1]


def cache_dir() -> Path:
    """Return the user's cache for this manifest: another manifest has another folder."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        raise CollectorError(
            "there is no home folder to keep a Collector in. Set XDG_CACHE_HOME to a folder, or "
            f"{BINARY_VARIABLE} to the path of a Collector."
        ) from None
    digest = hashlib.sha256(manifest().read_bytes()).hexdigest()[:12]
    return base / "blipee-otel" / f"otelcol-{version()}-{digest}"


def storage_dir() -> Path:
    """Return the folder of the sending queues: `BLIPEE_OTELCOL_STORAGE`, else in the user's state.

    Raises:
        CollectorError: There is no home folder.
    """
    chosen = os.environ.get(STORAGE_VARIABLE)
    if chosen:
        return Path(chosen)
    try:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    except RuntimeError:
        raise CollectorError(
            "there is no home folder to keep the Collector's queues in. "
            f"Set {STORAGE_VARIABLE} to a folder."
        ) from None
    return base / "blipee-otel" / "collector-queue"


def cached_binary() -> Path:
    """Return where a build is kept, whether there is one or not."""
    return cache_dir() / BINARY_NAME


def find() -> Path | None:
    """Return the Collector to use: `OTELCOL_BIN`, else the cached build, else None.

    Raises:
        CollectorError: `OTELCOL_BIN` does not name a program.
    """
    chosen = os.environ.get(BINARY_VARIABLE)
    if chosen:
        program = shutil.which(chosen)
        if program is None:
            raise CollectorError(
                f"{BINARY_VARIABLE}={chosen} is not a program. "
                "Give the path of a Collector's binary, or unset it to build one."
            )
        return Path(program)
    built = cached_binary()
    return built if os.access(built, os.X_OK) else None


def require() -> Path:
    """Return the Collector to use.

    Raises:
        CollectorError: There is none yet.
    """
    binary = find()
    if binary is None:
        raise CollectorError(
            "no Collector is built yet. Run `blipee-otel collector build` (some minutes, once), "
            f"or set {BINARY_VARIABLE} to the path of one."
        )
    return binary
