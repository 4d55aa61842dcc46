"""Runs the Collector with configuration files, and has it check them."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from otel_distro.collector.errors import CollectorError
from otel_distro.collector.locate import (
    STORAGE_VARIABLE,
    config_dir,
    require,
    storage_dir,
)
from otel_distro.collector.queue_files import PutAside, put_aside_damaged


def default_configs() -> tuple[Path, ...]:
    """Return the agent's configuration."""
    return (config_dir() / "agent.yaml",)


def command(configs: Sequence[Path], *, verb: str | None = None) -> list[str]:
    """Return the command line of the Collector; later files override earlier ones.

    Raises:
        CollectorError: There is no Collector.
    """
    verbs = [] if verb is None else [verb]
    return [str(require()), *verbs, *(f"--config={path}" for path in configs)]


def validate(configs: Sequence[Path]) -> subprocess.CompletedProcess[str]:
    """Have the Collector check files: its exit code and, on stderr, its own message.

    Raises:
        CollectorError: There is no Collector.
    """
    return subprocess.run(
        command(configs, verb="validate"),
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )


def check_queues() -> list[PutAside]:
    """Put aside the queues that the Collector could not start with.

    Raises:
        CollectorError: The folder of the queues cannot be read or changed.
    """
    try:
        return put_aside_damaged(storage_dir())
    except OSError as error:
        raise CollectorError(
            f"the Collector's queues cannot be looked at: {error}. "
            f"Set {STORAGE_VARIABLE} to a folder of yours."
        ) from error


def run(configs: Sequence[Path]) -> None:
    """Become the Collector: signals and the exit code are its own.

    Raises:
        CollectorError: There is no Collector.
    """
    arguments = command(configs)
    os.execve(arguments[0], arguments, _environment())  # noqa: S606 - no shell is meant


def _environment() -> dict[str, str]:
    return {**os.environ, STORAGE_VARIABLE: str(storage_dir())}
