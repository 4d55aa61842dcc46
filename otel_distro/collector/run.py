"""Runs the Collector with configuration files, and has it check them."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from otel_distro.collector.locate import config_dir, require


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
        command(configs, verb="validate"), capture_output=True, text=True, check=False
    )


def run(configs: Sequence[Path]) -> None:
    """Become the Collector: signals and the exit code are its own.

    Raises:
        CollectorError: There is no Collector.
    """
    arguments = command(configs)
    os.execv(arguments[0], arguments)  # noqa: S606 - no shell is meant
