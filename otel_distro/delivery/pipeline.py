"""Takes records from the application and sees to it that they arrive."""

import os
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_distro.delivery.engine import Engine
from otel_distro.delivery.ledger import Balance
from otel_distro.delivery.model import DeliverySettings, Notice
from otel_distro.delivery.patching import Era
from otel_distro.delivery.signal import NOUNS, Signal
from otel_distro.delivery.suppression import without_instrumentation

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

# Seconds until threads that could not be started are tried again.
_PAUSE_S: Final = 1.0
# Seconds between two looks whether something has been delivered. Looking, and not waiting for an
# event: the thread may have been interrupted, by a signal's handler, while it held the event.
_LOOK_S: Final = 0.005
_RECENTLY_S: Final = 5.0


class Pipeline:
    """The way of all records of a process to their endpoints.

    Threads are started with the first record, never before a fork. A forked child begins with
    nothing: what was queued is its parent's to send. No method raises.
    """

    def __init__(self, settings: DeliverySettings, notice: Notice) -> None:
        self.settings = settings
        self._notice = notice
        self._followers: list[Callable[[], None]] = []
        self._look: Callable[[], float | None] | None = None
        self._begin()
        _pipelines.add(self)

    def _begin(self) -> None:
        self._era = Era()
        self._engine = Engine(self.settings, self._attend, self._notice)
        self._starting = threading.Lock()
        self._start_again_at = 0.0
        self._ran_out_at = float("-inf")
        self._threads: dict[str, threading.Thread] = {}
        self._running = False
        self._stopped = False
        self._expects_more = False
        if self._look is not None:
            self._engine.writer.look = self._look
        # The application's way in, one attribute look-up shorter.
        self._spans = self._engine.spans
        self._logs = self._engine.logs

    def add_span(self, span: "ReadableSpan") -> None:
        """Take an ended span. Never waits."""
        self._spans.put(span)

    def add_log(self, record: "ReadWriteLogRecord") -> None:
        """Take a log record. Never waits."""
        self._logs.put(record)

    def add_metrics(self, data: "MetricsData") -> None:
        """Take what a reader has collected, on the reader's thread."""
        if self._stopped:
            return
        if self._start() or not self._era.is_over:
            self._engine.add_metrics(data)

    def when_started(self, follow: Callable[[], None]) -> None:
        """Call `follow` each time that threads were started: others can be had then, too."""
        self._followers.append(follow)

    def look_after_rounds(self, look: Callable[[], float | None]) -> None:
        """Call `look` on the writer's thread after each round, in forked children too.

        It returns within how many seconds it wants to be called again at the latest, None for
        whenever there is something to write. It must not raise.
        """
        self._look = self._engine.writer.look = look

    @property
    def cpu_seconds(self) -> float:
        """What the threads have used of a processor so far; 0 for greenlets."""
        return self._engine.writer.cpu_seconds + self._engine.sender.cpu_seconds

    def balance(self) -> dict[Signal, Balance] | None:
        """Return what became of the records of each signal; None where it cannot be had now."""
        return self._engine.balance()

    @property
    def is_failing(self) -> bool:
        """Whether an endpoint did not take what it was last sent."""
        return any(route.failures for route in self._engine.sender.routes)

    def adopt(self) -> None:
        """Take over what ended processes of the service have left, now and not when it suits."""
        self._engine.adopt()

    @property
    def quarantined(self) -> int:
        """Files of the spool that were damaged and set aside."""
        spool = self._engine.spool
        return spool.quarantined if spool else 0

    @property
    def causes(self) -> list[str]:
        """Why endpoints did not take what they were last sent."""
        routes = self._engine.sender.routes
        return sorted({route.last_cause for route in routes if route.last_cause})

    def spool_bytes(self) -> int:
        """Return how large the spool is, that of other processes included; 0 without one."""
        return self._engine.spool_bytes()

    def persist(self, timeout_s: float) -> None:
        """Have what is queued written to the spool, without waiting for any endpoint."""
        engine = self._engine
        if self._stopped:
            return
        if not self._running:
            engine.writer.drain()
            return
        until = time.monotonic() + timeout_s
        ticket = engine.writer.request()
        while engine.writer.served < ticket and time.monotonic() < until:
            time.sleep(_LOOK_S)

    def flush(self, timeout_s: float) -> bool:
        """Deliver what is queued and what is spooled; return whether all of it went in time.

        An endpoint that fails is not waited for: what it did not take stays where it is.
        """
        if self._stopped or (not self._running and self._engine.is_empty):
            return True
        until = time.monotonic() + timeout_s
        self._start()
        engine = self._engine
        self.persist(timeout_s)
        if not self._running or self._expects_more:  # `stop` comes next, and has its own time
            return False
        marks = engine.marks()
        for route in engine.sender.routes:
            route.hasten()
        engine.sender.alarm.ring()
        waiting, hope = engine.undelivered(marks, until)
        while waiting and hope and not self._is_over(until):
            time.sleep(_LOOK_S)
            waiting, hope = engine.undelivered(marks, until)
        if waiting and hope:
            self._ran_out_at = time.monotonic()
        return not waiting

    def expect_more(self) -> None:
        """Have records that come after `stop` in the spool: the process is ending."""
        self._expects_more = True

    def stop(self, timeout_s: float) -> None:
        """Deliver what can be in time, leave the rest to the spool, and say what is left.

        A second call does nothing.
        """
        if self._stopped:
            return
        self._stopped = True
        now = time.monotonic()
        # A server flushes before it stops: what was too slow then will not be quicker now.
        ran_out = now - self._ran_out_at < _RECENTLY_S
        until = now + (min(timeout_s, _RECENTLY_S / 10) if ran_out else timeout_s)
        engine = self._engine
        engine.writer.stop()
        if self._running:
            self._threads["writer"].join(max(0.0, until - time.monotonic()))
            engine.sender.stop(until)
            self._threads["sender"].join(max(0.0, until - time.monotonic()))
        else:
            engine.writer.drain()
            engine.sender.stop(until)
            engine.sender.run()
        engine.give_up()
        self._say_what_is_left()
        engine.close()
        engine.alarm.asleep = True

    def _is_over(self, until: float) -> bool:
        return self._stopped or time.monotonic() >= until

    def _attend(self) -> None:
        if self._stopped:
            self._engine.take_late(keep=self._expects_more)
        elif self._start():
            self._engine.alarm.ring()

    def _start(self) -> bool:
        """Start the threads unless they run. Return whether they do."""
        if self._era.is_over and self._era.began_on_this_thread():
            self._go_on_patched()
        if self._running or self._era.is_over:
            return self._running
        if time.monotonic() < self._start_again_at or not self._starting.acquire(blocking=False):
            return False
        try:
            engine = self._engine
            for name, work in ("writer", engine.writer.run), ("sender", engine.send):
                if name not in self._threads:
                    thread = threading.Thread(
                        target=without_instrumentation(partial(self._keep_doing, work)),
                        name=f"blipee-otel {name}",
                        daemon=True,
                    )
                    thread.start()
                    self._threads[name] = thread
            self._running = True
            self._tell_followers()
        except RuntimeError:
            # No more threads are to be had, or the interpreter is ending. The queue is bounded.
            self._start_again_at = time.monotonic() + _PAUSE_S
        finally:
            self._starting.release()
        return self._running

    def _keep_doing(self, work: Callable[[], None]) -> None:
        """Do it again where it fails: without it nothing would be delivered any more."""
        while True:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - a fault of ours
                self._notice(
                    f"delivery {type(error).__name__}",
                    f"delivery failed ({type(error).__name__}: {error}) and goes on. This is a "
                    "fault of blipee-otel-distro: please report it.",
                )
                time.sleep(_PAUSE_S)
            else:
                return

    def _go_on_patched(self) -> None:
        """Have what starts from now on started with threads and locks of gevent's.

        Threads that run already go on: the application waits for nothing that they hold.
        """
        if self._running:
            self._era = Era()
            self._tell_followers()
            return
        old = self._engine
        self._begin()
        for span in old.spans.take(old.spans.capacity):
            self.add_span(span)
        for record in old.logs.take(old.logs.capacity):
            self.add_log(record)

    def _tell_followers(self) -> None:
        for follow in self._followers:
            follow()

    def _say_what_is_left(self) -> None:
        balance = self.balance() or {}
        spooled = {NOUNS[signal]: one.spooled + one.in_flight for signal, one in balance.items()}
        lost = {NOUNS[signal]: one.lost for signal, one in balance.items()}
        said = []
        spool = self.settings.spool
        if spool and any(spooled.values()):
            why = "; ".join(self.causes)
            said.append(
                f"{_counted(spooled)} could not be delivered{f' ({why})' if why else ''} and wait "
                f"in the spool {spool.root}; the next process of {spool.service} sends them"
            )
        if any(lost.values()):
            reasons = sorted({reason for one in balance.values() for reason in one.dropped})
            said.append(f"{_counted(lost)} were lost ({', '.join(reasons)})")
        if said:
            self._notice("left at exit", f"{'. '.join(said)}.")

    def _after_fork_in_child(self) -> None:
        self._engine.abandon()
        # Not collected: to close a gRPC channel of the parent may hang.
        _inherited.append(self._engine)
        self._begin()
        self._engine.sender.leave_orphans()


def _counted(counts: dict[str, int]) -> str:
    parts = [f"{count:,} {noun}" for noun, count in counts.items() if count]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


_inherited: list[Engine] = []
_pipelines: "weakref.WeakSet[Pipeline]" = weakref.WeakSet()


def _begin_again() -> None:
    for pipeline in list(_pipelines):
        pipeline._after_fork_in_child()  # noqa: SLF001 - this module's


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_again)
