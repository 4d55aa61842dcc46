"""Whether gevent has replaced threads and locks since something was made with them.

What was made before does not go with what is made after: a greenlet that waits for a lock of the
system's stops all greenlets, and a thread of the system's that starts "threads" starts greenlets
of its own, which nobody runs.
"""

import _thread
import threading
import time
from _thread import get_ident  # the system's, also where gevent replaces it later
from types import BuiltinFunctionType


class Era:
    """The kind of threads and locks there was when it was made."""

    def __init__(self) -> None:
        self.start_thread = _thread.start_new_thread
        self.make_lock = _thread.allocate_lock
        self._main = threading.main_thread().ident

    @property
    def is_over(self) -> bool:
        """Whether they have been replaced since."""
        return _thread.start_new_thread is not self.start_thread

    def began_on_this_thread(self) -> bool:
        """Whether this is the main thread of then, whose greenlets run what is started now."""
        return get_ident() == self._main


def own_cpu_seconds() -> float:
    """Return what the calling thread of ours has used of a processor so far, in seconds.

    0 for a greenlet: all of them share one thread, and its time is the application's.
    """
    is_thread = isinstance(_thread.start_new_thread, BuiltinFunctionType)
    return time.thread_time() if is_thread else 0.0
