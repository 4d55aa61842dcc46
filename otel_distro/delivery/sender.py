"""Sends what is in the lanes: one thread for all signals."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from otel_distro.delivery.alarm import Alarm
from otel_distro.delivery.encoding import Chunk, halve, join, truncate
from otel_distro.delivery.endpoint import Endpoint
from otel_distro.delivery.faults import Faults
from otel_distro.delivery.lane import MOST_BYTES, Lane, Load
from otel_distro.delivery.patching import own_cpu_seconds
from otel_distro.delivery.reasons import REJECTED, TOO_LARGE
from otel_distro.delivery.signal import Signal
from otel_distro.delivery.transport import (
    Accepted,
    Outcome,
    Refused,
    TooLarge,
    Transport,
    Unavailable,
)

# Seconds between attempts: doubled from the first to the longest, then spread.
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 5.0
# Where a person has to act first.
_SLOW_PAUSE_S: Final = 30.0
# A request of so few bytes that is too large still: the record cannot be sent.
_HOPELESS_BYTES: Final = 2048
# Seconds to wait for the lock at the end.
_PATIENCE_S: Final = 1.0
# Seconds between two looks at what other processes left behind.
_ADOPTION_S: Final = 30.0


@dataclass(slots=True)
class Route:
    """One lane and where it leads.

    Attributes:
        failures: Attempts that failed in a row.
        failed: Attempts that failed, ever.
        next_try: When to try again, on the monotonic clock.
        asked_to_wait: Whether `next_try` is the endpoint's wish.
        hurry: Whether what waits for company is sent now.
        hangs: Whether it did not answer the last time.
        last_cause: Of the last failure.
    """

    lane: Lane
    endpoint: Endpoint
    transport: Transport
    failures: int = 0
    failed: int = 0
    next_try: float = 0.0
    asked_to_wait: bool = False
    hurry: bool = False
    hangs: bool = False
    last_cause: str = ""

    def due_at(self) -> float | None:
        """Return when there is something to do, on the monotonic clock, if ever."""
        ready = self.lane.ready_at()
        if ready is None:
            return None
        return max(0.0 if self.hurry else ready, self.next_try)

    def hasten(self) -> None:
        """Wait neither for company nor for a better moment, unless the endpoint asked for it."""
        self.hurry = True
        if not self.asked_to_wait:
            self.next_try = 0.0


class Sender:
    """Sends batches, retries, and settles what came of them.

    Attributes:
        cpu_seconds: What its thread has used of a processor.
    """

    def __init__(
        self,
        routes: list[Route],
        lock: threading.Lock,
        faults: Faults,
        adopt: Callable[[], bool],
    ) -> None:
        self.alarm = Alarm()
        self.routes = routes
        self.cpu_seconds = 0.0
        self._lock = lock
        self._faults = faults
        self._adopt = adopt
        self._adopt_at = 0.0
        self._ending = False
        self._until: float | None = None

    def run(self) -> None:
        """Send until told to stop."""
        while self._until is None or time.monotonic() < self._until:
            self._look_for_orphans()
            sent = self.send_due()
            self.cpu_seconds = own_cpu_seconds()
            if not sent and not self._rest():
                return

    def leave_orphans(self) -> None:
        """Let the parent look for what others have left: a child that ends soon would resend it."""
        self._adopt_at = time.monotonic() + _ADOPTION_S
        self._ending = True

    def stop(self, until: float) -> None:
        """Have `run` end when there is nothing to send, or at `until` (monotonic clock)."""
        # By a signal's handler, too: the thread it interrupts may hold the lock.
        locked = self._lock.acquire(timeout=_PATIENCE_S)
        try:
            self._faults.hush()
            self._until = until
            for route in self.routes:
                route.hasten()
                if route.hangs and locked:
                    self._leave_to_the_spool(route)
        finally:
            if locked:
                self._lock.release()
        self.alarm.ring()

    def send_due(self) -> bool:
        """Send one batch of each lane that is due. Return whether there was one."""
        sent = False
        for route in self.routes:
            now = time.monotonic()
            with self._lock:
                due = route.due_at()
                batch = route.lane.next_batch() if due is not None and due <= now else []
                if batch:
                    route.lane.sending(batch)
                elif due is not None and due <= now:
                    route.next_try = now + _FIRST_PAUSE_S  # What is spooled cannot be read now.
            if batch:
                self._send(route, batch)
                sent = True
        return sent

    def close(self) -> None:
        """Close the connections."""
        for route in self.routes:
            route.transport.close()

    def _look_for_orphans(self) -> None:
        now = time.monotonic()
        if self._until is not None and not self._ending:
            # Once more at the end: what children have left that ended by `os._exit`.
            self._ending = True
            self._adopt_at = now
        if now >= self._adopt_at:
            there_is_more = self._adopt()
            self._adopt_at = now if there_is_more else now + _ADOPTION_S

    def _rest(self) -> bool:
        """Sleep until something is due. Return False where nothing will be, and it shall end."""
        with self._lock:
            due = [at for route in self.routes if (at := route.due_at()) is not None]
        if self._until is not None and (not due or min(due) > self._until):
            return False
        now = time.monotonic()
        if not due:
            self.alarm.sleep(None)
        elif min(due) > now:
            self.alarm.sleep(min(due) - now)
        return True

    def _send(self, route: Route, batch: list[Load]) -> None:
        timeout = min(route.endpoint.timeout_s, route.lane.batching.export_timeout_ms / 1000)
        if self._until is not None:
            timeout = min(timeout, max(0.1, self._until - time.monotonic()))
        body = join(load.chunk for load in batch)
        began = time.monotonic()
        outcome = route.transport.send(body, timeout)
        took_s = time.monotonic() - began
        with self._lock:
            self._conclude(route, batch, outcome, len(body), took_s)

    def _conclude(
        self, route: Route, batch: list[Load], outcome: Outcome, size: int, took_s: float
    ) -> None:
        lane, account = route.lane, route.lane.account
        if lane.is_given_up:
            return  # The end did not wait for this answer: what was sent is accounted for.
        count = sum(load.chunk.count for load in batch)
        match outcome:
            case Accepted(rejected, message):
                rejected = min(max(rejected, 0), count)
                account.exported += count - rejected
                lane.settle(batch)
                lane.widen()
                if rejected:
                    account.drop(REJECTED, rejected)
                    self._refused(route, message or "no reason given", REJECTED, rejected)
                elif message:
                    self._faults.warned(route.endpoint.url, lane.signal, message)
                self._recovered(route)
            case Refused(cause, reason):
                account.drop(reason, count)
                lane.settle(batch)
                self._refused(route, cause, reason, count)
                self._recovered(route)
            case TooLarge(cause):
                # Without a lower bound: several small chunks would be sent together for ever.
                lane.limit = min(lane.limit, size // 2)
                if len(batch) == 1:
                    self._make_smaller(route, batch[0], cause)
            case Unavailable():
                self._failed(route, batch, outcome, took_s)

    def _make_smaller(self, route: Route, load: Load, cause: str) -> None:
        lane, chunk = route.lane, load.chunk
        parts = _smaller(chunk, lane.signal, max(lane.limit, _HOPELESS_BYTES))
        if parts:
            lane.replace(load, parts)
            return
        lane.account.drop(TOO_LARGE, chunk.count)
        lane.settle([load])
        lane.limit = MOST_BYTES  # It was not its size.
        self._refused(route, cause, TOO_LARGE, chunk.count)

    def _refused(self, route: Route, cause: str, reason: str, count: int) -> None:
        self._faults.refused(route.endpoint.url, route.lane.signal, cause, reason, count)

    def _recovered(self, route: Route) -> None:
        route.failures = 0
        route.hangs = False
        route.next_try = 0.0
        route.lane.open = True
        spooled = sum(one.lane.spooled for one in self.routes)
        self._faults.delivered(route.endpoint.url, route.lane.signal, spooled)
        if route.lane.is_empty:
            route.hurry = False

    def _leave_to_the_spool(self, route: Route) -> None:
        """Try no more: the application need not wait for what a later process can do."""
        if route.lane.is_stored:
            route.next_try = float("inf")

    def _failed(self, route: Route, batch: list[Load], outcome: Unavailable, took_s: float) -> None:
        route.failures += 1
        route.failed += 1
        route.hurry = False
        route.last_cause = outcome.cause
        route.hangs = outcome.perhaps_received
        route.lane.put_back(batch, perhaps_received=outcome.perhaps_received)
        pause = min(_FIRST_PAUSE_S * 2 ** min(route.failures - 1, 10), _LONGEST_PAUSE_S)
        if outcome.slowly:
            pause = _SLOW_PAUSE_S
        # Spread, so that many processes do not come back at the same moment.
        pause *= random.uniform(0.7, 1.0)  # noqa: S311 - no secret
        route.asked_to_wait = outcome.after_s is not None
        if outcome.after_s is not None:
            pause = max(pause, outcome.after_s * random.uniform(1.0, 1.1))  # noqa: S311
        # One that hangs leaves the others as much time as it takes.
        route.next_try = time.monotonic() + max(pause, took_s)
        if self._until is not None:
            self._leave_to_the_spool(route)
        # What a person has to mend is said at once, not when it is tried again.
        attempts = route.failures + outcome.slowly
        url, lane = route.endpoint.url, route.lane
        self._faults.failed(url, lane.signal, outcome.cause, attempts, stored=lane.is_stored)


def _smaller(chunk: Chunk, signal: Signal, most_bytes: int) -> list[Chunk]:
    """Return a chunk's halves, or its only record cut; nothing where it cannot be made smaller."""
    try:
        if chunk.count > 1:
            return list(halve(chunk, signal))
        cut = truncate(chunk, signal, most_bytes)
    except Exception:  # noqa: BLE001 - of bytes that are none of ours
        return []
    return [cut] if cut.size < chunk.size else []
