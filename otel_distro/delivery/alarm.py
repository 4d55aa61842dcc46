"""Wakes a sleeping thread, from anywhere."""

import threading


class Alarm:
    """Lets one thread sleep until another one rings.

    A bare lock, because records are also emitted from signal handlers and finalizers, which may
    interrupt the very thread that is ringing: `threading.Event` and `queue.Queue` deadlock then.

    Attributes:
        asleep: Whether the sleeper waits for whatever comes, so that any record has to ring.
    """

    __slots__ = ("_lock", "asleep")

    def __init__(self) -> None:
        self.asleep = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Wake the sleeper; one that is awake finds its next sleep cut short."""
        self.asleep = False
        if self._lock.locked():
            try:
                self._lock.release()
            except RuntimeError:  # somebody else rang in between
                return

    def sleep(self, seconds: float | None) -> None:
        """Sleep until it rings, or for `seconds`."""
        # A platform's longest timeout is somewhere above this.
        self._lock.acquire(timeout=-1 if seconds is None else min(max(seconds, 0.0), 86_400.0))
