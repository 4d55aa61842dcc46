"""A clock that nobody sets: how old something is, whatever became of the time of day."""

import time
from pathlib import Path


def boot_clock() -> float:
    """Seconds since this machine was started, suspension included where it can be had."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


_boot_id: bytes | None = None


def boot_id() -> bytes:
    """Return what tells this boot of the machine from others; zeros where nothing does."""
    global _boot_id  # noqa: PLW0603 - it does not change while we run
    if _boot_id is None:
        try:
            text = Path("/proc/sys/kernel/random/boot_id").read_bytes().decode("ascii")
            _boot_id = bytes.fromhex(text.strip().replace("-", ""))
        except (OSError, ValueError):
            _boot_id = b""
        _boot_id = _boot_id[:16].ljust(16, b"\0")
    return _boot_id
