"""The parts of a pipeline that belong to one process: made anew in each fork."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from otel_distro.delivery.alarm import Alarm
from otel_distro.delivery.encoding import Encoded, encode_logs, encode_metrics, encode_spans
from otel_distro.delivery.faults import Faults
from otel_distro.delivery.forks import no_fork_meanwhile
from otel_distro.delivery.lane import Lane
from otel_distro.delivery.ledger import Account, Balance
from otel_distro.delivery.model import DeliverySettings, Notice
from otel_distro.delivery.queue import RecordQueue
from otel_distro.delivery.reasons import UNENCODABLE
from otel_distro.delivery.sender import Route, Sender
from otel_distro.delivery.signal import SIGNALS, Signal
from otel_distro.delivery.spool import Spool
from otel_distro.delivery.transport import load, open_transport
from otel_distro.delivery.writer import Source, Writer

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

# `StatusCode.ERROR` and `SeverityNumber.ERROR`, not imported for the weight of the SDK.
_ERROR_STATUS: Final = 2
_ERROR_SEVERITY: Final = 17
# Seconds to wait for the lock where an answer that comes late is worse than none.
_PATIENCE_S: Final = 1.0
_LEAST_TIME_S: Final = 0.05


class Engine:
    """Queues, lanes, spool and the two threads' work."""

    def __init__(
        self, settings: DeliverySettings, attend: Callable[[], None], notice: Notice
    ) -> None:
        self.settings = settings
        self.alarm = Alarm()
        self.alarm.asleep = True
        self.lock = threading.Lock()
        self._notice = notice
        self._orphans_left = False
        self.accounts = {signal: Account() for signal in SIGNALS}
        self.spool = Spool(settings.spool, self.accounts, notice) if settings.spool else None
        self.lanes = {
            signal: Lane(signal, settings.batching[signal], self.spool, self.accounts[signal])
            for signal in SIGNALS
        }
        self.spans = self._queue("traces", attend, _is_failed_span)
        self.logs = self._queue("logs", attend, _is_failed_log)
        kept = f"in the spool {settings.spool.root}" if settings.spool else "in memory"
        self.sender = Sender(
            [
                Route(self.lanes[signal], endpoint, open_transport(signal, endpoint))
                for signal, endpoint in settings.endpoints.items()
            ],
            self.lock,
            Faults(notice, kept),
            self.adopt,
        )
        self.writer = Writer(
            [
                Source(self.spans, self._encode(encode_spans), self.lanes["traces"]),
                Source(self.logs, self._encode(encode_logs), self.lanes["logs"]),
            ],
            self.lock,
            self.alarm,
            settings.window_s,
            self.sender.alarm.ring,
        )

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to deliver."""
        return (
            not len(self.spans)
            and not len(self.logs)
            and all(lane.is_empty for lane in self.lanes.values())
        )

    def send(self) -> None:
        """Send until told to stop."""
        with no_fork_meanwhile():
            for protocol in {route.endpoint.protocol for route in self.sender.routes}:
                with suppress(Exception):  # the first request says what is wrong
                    load(protocol)
        self.sender.run()

    def add_metrics(self, data: "MetricsData") -> None:
        """Encode what was collected, and add it."""
        chunks, unencodable = self._encode(encode_metrics)(data)
        with self.lock:
            account = self.accounts["metrics"]
            account.created += sum(chunk.count for chunk in chunks) + unencodable
            account.drop(UNENCODABLE, unencodable)
            for chunk in chunks:
                self.lanes["metrics"].add(chunk)
        self.sender.alarm.ring()

    def balance(self) -> dict[Signal, Balance] | None:
        """Return every account; None where it cannot be had now."""
        if not self.lock.acquire(timeout=_PATIENCE_S):
            return None
        try:
            return {signal: self._balance(signal) for signal in SIGNALS}
        finally:
            self.lock.release()

    def spool_bytes(self) -> int:
        """Return how large the spool is."""
        with self.lock:
            return self.spool.used_bytes() if self.spool else 0

    def marks(self) -> list[tuple[int, int]]:
        """Return what `undelivered` needs to know of now."""
        return [(route.failed, route.lane.sequence) for route in self.sender.routes]

    def undelivered(self, marks: Sequence[tuple[int, int]], until: float) -> tuple[bool, bool]:
        """Return whether something is still to be delivered, and whether it may be in time.

        Of what came after the `marks` were taken nothing is waited for, and neither for a route
        that has failed since, or asked to be left alone for longer.
        """
        if not self.lock.acquire(timeout=_LEAST_TIME_S):
            return True, True
        try:
            waiting = [
                route.failed == failed and route.next_try < until
                for route, (failed, sequence) in zip(self.sender.routes, marks, strict=True)
                if route.lane.waits_for(sequence)
            ]
        finally:
            self.lock.release()
        if not waiting:
            return self._orphans_left, self._orphans_left
        return True, any(waiting)

    def take_late(self, *, keep: bool) -> None:
        """Take what came after the end to the spool, or count it as lost. Does not raise."""
        # The thread may have been interrupted while it held the lock: then the next one is taken.
        if not self.lock.acquire(timeout=_LEAST_TIME_S):
            return
        self.lock.release()
        if not keep:
            self.writer.discard()
            return
        with suppress(Exception):  # the interpreter may be half gone
            self.writer.drain()
            self.give_up()

    def give_up(self) -> None:
        """Write to the spool what it did not take before, and count as lost what is not there."""
        if self.lock.acquire(timeout=_PATIENCE_S):
            try:
                if self.spool:
                    self.spool.try_again()
                for lane in self.lanes.values():
                    lane.give_up()
            finally:
                self.lock.release()

    def close(self) -> None:
        """Close connections and files. What is not delivered stays in the spool."""
        self.sender.close()
        # The thread may have been interrupted while it held the lock. The kernel closes files too.
        if self.spool and self.lock.acquire(timeout=_PATIENCE_S):
            try:
                self.spool.close()
            finally:
                self.lock.release()

    def abandon(self) -> None:
        """Let go of files that are the parent's, without touching them."""
        if self.spool:
            self.spool.abandon()

    def _queue(
        self, signal: Signal, attend: Callable[[], None], is_failure: Callable[[Any], bool]
    ) -> RecordQueue[Any]:
        batching = self.settings.batching[signal]
        return RecordQueue(
            capacity=batching.max_queue_size,
            wake_at=batching.enough,
            alarm=self.alarm,
            attend=attend,
            is_failure=is_failure,
        )

    def _encode(self, encode: Callable[[Any], Encoded]) -> Callable[[Any], Encoded]:
        def encode_or_say(records: Any) -> Encoded:  # noqa: ANN401 - of three signals
            try:
                return encode(records)
            except Exception as error:  # noqa: BLE001 - a fault of ours costs no more than its records
                self._notice(
                    f"encoding {type(error).__name__}",
                    f"records could not be encoded ({type(error).__name__}) and are lost. This is "
                    "a fault of blipee-otel-distro: please report it.",
                )
                return Encoded([], 0)

        return encode_or_say

    def _balance(self, signal: Signal) -> Balance:
        account, lane = self.accounts[signal], self.lanes[signal]
        queued = encoding = capacity = 0
        for source in self.writer.sources:
            if source.lane is lane:
                queued, encoding = len(source.queue), source.encoding
                capacity = source.queue.capacity
        return Balance(
            created=account.created + queued,
            adopted=account.adopted,
            exported=account.exported,
            resent=account.resent,
            dropped=dict(account.dropped),
            queued=queued,
            capacity=capacity,
            in_flight=queued + encoding + lane.on_the_way,
            spooled=lane.spooled,
        )

    def adopt(self) -> bool:
        """Take over what ended processes have left. Return whether there may be more of it."""
        if self.spool is None:
            return False
        with self.lock:
            self.spool.adopt(self.settings.endpoints)
            self._orphans_left = not self.spool.may_adopt
        return self._orphans_left


def _is_failed_span(span: Any) -> bool:  # noqa: ANN401 - a ReadableSpan, or what looks like one
    try:
        return span.status.status_code.value == _ERROR_STATUS  # type: ignore[no-any-return]
    except AttributeError:
        return False


def _is_failed_log(record: Any) -> bool:  # noqa: ANN401 - a ReadWriteLogRecord
    try:
        return record.log_record.severity_number.value >= _ERROR_SEVERITY  # type: ignore[no-any-return]
    except AttributeError:
        return False
