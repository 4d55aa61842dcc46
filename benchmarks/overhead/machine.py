"""What figures were measured on, and with: without that they say nothing."""

import os
import platform
from pathlib import Path


def machine() -> dict[str, str]:
    """Return it by name: cores, CPU, Python, kernel."""
    return {
        "cores": str(os.cpu_count()),
        "CPU": _cpu(),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
    }


def _cpu() -> str:
    """Return its model, as Linux says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
