"""What the distribution says about itself: one line on stderr for each fault, once a process.

Not through `logging`: at start-up nothing is configured there yet, and later the line would
travel the very pipeline that it may be about.
"""

import os
import sys
import threading
from typing import Final

PREFIX: Final = "blipee-otel: "

_said: set[str] = set()
_lock = threading.RLock()


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it at the fork
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def notice(key: str, text: str) -> None:
    """Say `text` once for each `key`. Never raises: stderr may be closed or full."""
    with _lock:
        if key in _said:
            return
        _said.add(key)
    line = " ".join(text.split())
    try:
        sys.stderr.write(f"{PREFIX}{line}\n")
        sys.stderr.flush()
    except Exception:  # noqa: BLE001, S110 - stderr may be anything the application put there
        pass


def describe(error: BaseException) -> str:
    """`TypeName: message` on one line, also for exceptions whose own text raises."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - an exception's __str__ belongs to strangers
        text = "(its message could not be read)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
