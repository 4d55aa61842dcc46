"""SIGTERM, which ends a Python process without a word: how containers are stopped."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final

# Who is ended by a signal that nobody handles has to look like it: the parent sees the signal.
_SIGNAL: Final = signal.SIGTERM
_FIRST_PROCESS: Final = 1


def remain_interrupted() -> None:
    """Let a process that was ended by Ctrl-C look like it, whatever ran since.

    Python notes that a KeyboardInterrupt was not handled, and forgets it with the next text that is
    executed: a dataclass that is imported at the end suffices, on any thread.
    """
    if getattr(sys, "last_type", None) is KeyboardInterrupt and not hasattr(sys, "ps1"):
        with suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102 - the one way to note it again


def before_termination(
    deliver: Callable[[], None], flush: Callable[[], object], save: Callable[[], None]
) -> None:
    """Call `deliver` before SIGTERM ends the process, or `save` before the application's handler.

    The first process of a container is not ended by a signal that it does not handle: it gets
    `flush`, and goes on as it would without us, until it is killed.

    Nobody's handler is replaced: where there is none, the process still ends by the signal; where
    there is one, it is called after `save`, which has to be quick. Handlers that the application
    or its server installs later take the place of this one, and servers (uvicorn) that raise the
    signal again once they have stopped come back to it. Does nothing outside the main thread.
    """
    previous = signal.getsignal(_SIGNAL)
    if previous in {signal.SIG_IGN, None}:
        return  # The signal does not end the process, or C code handles it.
    ending = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal ending
        if callable(previous):
            save()
            previous(number, frame)
            return
        if os.getpid() == _FIRST_PROCESS:
            flush()
            return
        if ending:
            return  # It came twice, to the process and to its group: the end has a bound anyway.
        ending = True
        gevent = sys.modules.get("gevent")
        if gevent is not None and isinstance(gevent.getcurrent(), gevent.hub.Hub):
            gevent.spawn(end)  # its hub called, which must not wait for anything
        else:
            end()

    def end() -> None:
        try:
            deliver()
        finally:
            signal.signal(_SIGNAL, signal.SIG_DFL)
            os.kill(os.getpid(), _SIGNAL)

    try:
        signal.signal(_SIGNAL, handle)
    except ValueError:  # not the main thread, or not the main interpreter
        return
