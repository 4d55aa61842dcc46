"""What forks need: that no import is under way, and an end for children that skip `atexit`."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

# After whatever else is done at the end of a child: children of its own are joined, queues closed.
_LAST: Final = -1_000_000

# Seconds that a fork waits for an import at most: one that never ends is somebody else's fault.
_PATIENCE_S: Final = 5.0

# Hooks that are in place, in this process and in the children that it forks.
_hooked: set[str] = set()


_importing = threading.Lock()
_held = False


@contextmanager
def no_fork_meanwhile() -> Iterator[None]:
    """Let forks wait until something is imported on a thread of ours.

    A child that is forked meanwhile has half of a module for ever, and waits for ever for the
    import's lock, whose holder it has not got.
    """
    with _importing:
        yield


def _before() -> None:
    global _held  # noqa: PLW0603 - a process forks one child at a time
    _held = _importing.acquire(timeout=_PATIENCE_S)


def _after_in_parent() -> None:
    if _held:
        _importing.release()


def _after_in_child() -> None:
    global _importing  # noqa: PLW0603 - another thread of the parent may have held it
    _importing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )


def at_the_end_of_children(finish: Callable[[], None]) -> None:
    """Call `finish` before a forked child ends by `os._exit` in a way that can be foreseen.

    Those of `multiprocessing` (and so of `concurrent.futures`) run only what its own registry
    has, and the pool of Celery's workers runs only what listens to its signals. A child that
    leaves Python by `sys.exit`, or at the end of its program, runs `atexit` as any process does.
    """
    # This may be a child itself, that is about to clear its registry.
    _hook_in(finish)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(_hook_in, finish))


def _hook_in(finish: Callable[[], None]) -> None:
    # What is not imported now was not what forked.
    for name, hook in ("multiprocessing.util", _follow_process), ("celery.signals", _follow_pool):
        module = sys.modules.get(name)
        if module is not None and name not in _hooked:
            _hooked.add(name)
            hook(module, finish)


def _follow_process(util: Any, finish: Callable[[], None]) -> None:  # noqa: ANN401 - a module
    # The child clears the registry of what is to be done at its end, and then runs these.
    def register(_: object) -> None:
        util.Finalize(None, finish, exitpriority=_LAST)

    # It is kept by a weak reference: to a function of a module, which stays.
    util.register_after_fork(at_the_end_of_children, register)
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        register(None)


def _follow_pool(signals: Any, finish: Callable[[], None]) -> None:  # noqa: ANN401 - a module
    def receive(**_: object) -> None:
        finish()

    signals.worker_process_shutdown.connect(receive, weak=False)
