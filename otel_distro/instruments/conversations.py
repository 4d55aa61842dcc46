"""Conversations that go on now."""

import os
import threading
from collections import Counter
from typing import Final

from otel_distro.instruments import recorder
from otel_distro.instruments.accepted import number
from otel_distro.instruments.timed import Timed, never_raises

_active: Final[Counter[str]] = Counter()
_lock = threading.Lock()


def _start_in_child() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it at the fork
    _lock = threading.Lock()
    _active.clear()  # those go on in the parent


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_in_child)


class Conversation:
    """A conversation that goes on."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        _change(kind, 1)

    def end(self, _error: BaseException | None) -> None:
        """Count it no more."""
        _change(self._kind, -1)


def conversation(*, type: str = "user_chat") -> Timed[Conversation]:  # noqa: A002 - the attribute's name
    """Count a conversation while it goes on: `with conversations.conversation(): …`."""
    return Timed(lambda: Conversation(type))


@never_raises
def set_active(count: int, *, type: str = "user_chat") -> None:  # noqa: A002 - the attribute's name
    """Report the number of conversations where another system counts them."""
    value = int(number(count))
    with _lock:
        _active[type] = value
        recorder.gauge("conversations.active").set(value, {"type": type})


def _change(kind: str, by: int) -> None:
    with _lock:
        _active[kind] += by
        recorder.gauge("conversations.active").set(_active[kind], {"type": kind})
        if not _active[kind]:
            del _active[kind]
