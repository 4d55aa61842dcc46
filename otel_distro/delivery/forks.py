"""The end of forked children: many of them end by `os._exit`, where `atexit` does not run."""

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

# After whatever else is done at the end of a child: children of its own are joined, queues closed.
_LAST: Final = -1_000_000

# Hooks that are in place, in this process and in the children that it forks.
_hooked: set[str] = set()


def at_the_end_of_children(finish: Callable[[], None]) -> None:
    """Call `finish` before a forked child ends by `os._exit` in a way that can be foreseen.

    Those of `multiprocessing` (and so of `concurrent.futures`) run only what its own registry
    has, and the pool of Celery's workers runs only what listens to its signals. A child that
    leaves Python by `sys.exit`, or at the end of its program, runs `atexit` as any process does.
    """
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

    # It is kept by a weak reference, which a function of a module takes as long as that is there.
    util.register_after_fork(at_the_end_of_children, register)


def _follow_pool(signals: Any, finish: Callable[[], None]) -> None:  # noqa: ANN401 - a module
    def receive(**_: object) -> None:
        finish()

    signals.worker_process_shutdown.connect(receive, weak=False)
