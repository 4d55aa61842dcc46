"""Locks of the SDK that a thread which holds one may take once more.

A signal handler, and `__del__` when the garbage collector runs, come between any two steps of
what a thread does. Where that thread is counting, or asking for a tracer, it holds a lock that
the handler needs for the same, and waits for itself for ever. With reentrant locks the worst is
one count that is overwritten.
"""

import os
import threading
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, Final

# Those of an instrument are taken within each other when it is collected. One for all of them: a
# handler within the inner one would else wait for the outer one, and that for the inner one.
MEASURING: Final = (
    "opentelemetry.sdk.metrics._internal._view_instrument_match",
    "opentelemetry.sdk.metrics._internal.aggregation",
    "opentelemetry.sdk.metrics._internal.exemplar.exemplar_reservoir",
)
# The others whose locks are taken where the application emits.
EMITTING: Final = (
    "opentelemetry.attributes",
    "opentelemetry.metrics._internal",
    "opentelemetry.sdk._logs._internal",
    "opentelemetry.sdk.metrics._internal",
    "opentelemetry.sdk.metrics._internal.measurement_consumer",
    "opentelemetry.sdk.trace",
    "opentelemetry.sdk.util",
)


# The class itself: `threading.RLock` is a function in front of it, and a span has several locks.
REENTRANT: Final[Any] = type(threading.RLock())


def _like_threading() -> ModuleType:
    """Return a module that is `threading`, but for its lock."""
    module: Any = ModuleType("threading")
    module.Lock = REENTRANT
    module.__getattr__ = partial(getattr, threading)
    like_threading: ModuleType = module
    return like_threading


_threading: Final = _like_threading()


_measuring: Final[Any] = REENTRANT()
if hasattr(os, "register_at_fork"):
    # Another thread of the parent may have held it.
    os.register_at_fork(after_in_child=_measuring._at_fork_reinit)  # noqa: SLF001 - logging does


def measuring() -> Any:  # noqa: ANN401 - the type of locks has no name
    """Return the one lock of all measurements."""
    return _measuring


def make_locks_reentrant() -> None:
    """Let the SDK make such locks from now on. A second call changes nothing.

    It offers no public way: this puts another name for the lock into its modules.
    """
    for name in EMITTING:
        module: Any = import_module(name)
        if getattr(module, "threading", None) is threading:
            module.threading = _threading
        if getattr(module, "Lock", None) is threading.Lock:
            module.Lock = REENTRANT
    for name in MEASURING:
        module = import_module(name)
        if getattr(module, "Lock", None) is threading.Lock:
            module.Lock = measuring
