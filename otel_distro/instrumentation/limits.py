"""What the process may use: the limits of its control group, else those of the machine.

Source: https://docs.kernel.org/admin-guide/cgroup-v2.html, and v1 where a host still has that.
"""

import os
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
# Version 1 writes this much, about, for "no limit".
_NO_LIMIT = 2**60


def memory_utilization(root: Path = CGROUP) -> float:
    """Return memory in use of the limit, from 0 to 1."""
    limit = _number(root / "memory.max") or _number(root / "memory" / "memory.limit_in_bytes")
    if limit is not None and 0 < limit < _NO_LIMIT:
        used = _number(root / "memory.current") or _number(
            root / "memory" / "memory.usage_in_bytes"
        )
        # The kernel gives back its cache of files before anything is killed.
        cached = _stat(root / "memory.stat", "inactive_file") or _stat(
            root / "memory" / "memory.stat", "total_inactive_file"
        )
        if used is not None:
            return min(1.0, max(0, used - cached) / limit)
    return float(psutil.virtual_memory().percent) / 100


def processors(root: Path = CGROUP) -> float:
    """Return how many processors the process may keep busy, also parts of one."""
    # Not on every system can a process be bound to some of the processors.
    bound = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    available = float(len(bound) or os.cpu_count() or 1)
    quota, period = _quota(root)
    return min(available, quota / period) if quota and period else available


def _quota(root: Path) -> tuple[float | None, float | None]:
    version2 = _text(root / "cpu.max").split()
    if version2:
        return (None, None) if version2[0] == "max" else (float(version2[0]), float(version2[1]))
    quota = _number(root / "cpu" / "cpu.cfs_quota_us")
    return (
        (quota, _number(root / "cpu" / "cpu.cfs_period_us")) if (quota or 0) > 0 else (None, None)
    )


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    text = _text(path)
    return float(text) if text.lstrip("-").isdigit() else None


def _stat(path: Path, name: str) -> float:
    for line in _text(path).splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return float(value)
    return 0.0
