"""What became of the telemetry, as metrics."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from opentelemetry.metrics import MeterProvider

from otel_distro.delivery import Balance, Signal, reasons
from otel_distro.delivery.pipeline import Pipeline
from otel_distro.instrumentation.system import FRESH_S
from otel_distro.instruments import recorder
from otel_distro.instruments.recorder import Attributes

Values = Iterable[tuple[float, Attributes]]

_NOUNS: Final[dict[Signal, str]] = {
    "traces": "span",
    "logs": "log",
    "metrics": "metric_data_point",
}
# What the convention calls them.
_OF_PROCESSOR: Final = {reasons.QUEUE_FULL: "queue_full", reasons.STOPPED: "already_shutdown"}


def report_delivery(pipeline: Pipeline, provider: MeterProvider | None = None) -> None:
    """Report a pipeline's ledger to a meter provider, the global one by default."""

    def observe(name: str, read: Callable[[], Values]) -> None:
        recorder.observe(name, read, provider)

    ledger = _Ledger(pipeline)

    def of_signal(name: str, signal: Signal, read: Callable[[Balance], Values]) -> None:
        def values() -> Values:
            balance = ledger.read().get(signal)
            return read(balance) if balance else ()

        observe(name, values)

    def of_all(name: str, read: Callable[[Balance], Values]) -> None:
        observe(
            name,
            lambda: [
                (value, {"signal": signal, **attributes})
                for signal, balance in ledger.read().items()
                for value, attributes in read(balance)
            ],
        )

    for signal in pipeline.settings.endpoints:
        noun = _NOUNS[signal]
        if signal != "metrics":
            processor = f"otel.sdk.processor.{noun}"
            of_signal(f"{processor}.processed", signal, _processed)
            of_signal(f"{processor}.queue.size", signal, lambda one: [(one.queued, {})])
            of_signal(f"{processor}.queue.capacity", signal, lambda one: [(one.capacity, {})])
        exporter = f"otel.sdk.exporter.{noun}"
        of_signal(f"{exporter}.exported", signal, _exported)
        of_signal(f"{exporter}.inflight", signal, _in_flight)
    of_all("blipee.delivery.spooled", lambda one: [(one.spooled, {})])
    of_all("blipee.delivery.dropped", _dropped)
    of_all("blipee.delivery.resent", lambda one: [(one.resent, {})])
    of_all("blipee.delivery.adopted", lambda one: [(one.adopted, {})])
    observe("blipee.delivery.spool.size", lambda: [(pipeline.spool_bytes(), {})])
    observe("blipee.delivery.quarantined", lambda: [(pipeline.quarantined, {})])


class _Ledger:
    """Reads a pipeline's ledger: once for all instruments of an export."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._at = float("-inf")
        self._last: dict[Signal, Balance] = {}

    def read(self) -> dict[Signal, Balance]:
        now = time.monotonic()
        if now - self._at > FRESH_S:
            self._at, self._last = now, self._pipeline.balance() or {}
        return self._last


def _processed(one: Balance) -> Values:
    yield one.created - one.queued - sum(one.dropped.get(reason, 0) for reason in _OF_PROCESSOR), {}
    for reason, error in _OF_PROCESSOR.items():
        yield one.dropped.get(reason, 0), {"error.type": error}


def _exported(one: Balance) -> Values:
    yield one.exported, {}
    for reason, count in one.dropped.items():
        if reason not in _OF_PROCESSOR:
            yield count, {"error.type": reason}


def _in_flight(one: Balance) -> Values:
    yield one.in_flight - one.queued + one.spooled, {}


def _dropped(one: Balance) -> Values:
    # Those of our own from the start, so that the first loss is an increase.
    for reason in dict.fromkeys((*reasons.OWN, *one.dropped)):
        yield one.dropped.get(reason, 0), {"reason": reason}
