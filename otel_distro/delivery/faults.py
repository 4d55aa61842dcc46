"""Says that an endpoint is away, once, and that it is back, with a count."""

import time
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from otel_distro.delivery.model import Notice
from otel_distro.delivery.signal import Signal

# Seconds after the end of a fault in which another one of the same endpoint is not worth a line.
_FLAPPING_S: Final = 60.0
# Failed attempts in a row before a line: a Collector that restarts is no fault.
_ATTEMPTS: Final = 2


@dataclass(eq=False, repr=False, slots=True)
class _Fault:
    began: float
    quiet: bool
    said: bool = False
    signals: set[Signal] = field(default_factory=set[Signal])


class Faults:
    """One line for each endpoint and outage, however many signals and attempts it concerns.

    Not thread-safe: delivery holds its lock.
    """

    def __init__(self, notice: Notice, kept: str) -> None:
        self._notice = notice
        self._kept = kept
        self._open: dict[str, _Fault] = {}
        self._ended: dict[str, float] = {}
        self._number = 0
        self._hushed = False

    def hush(self) -> None:
        """Say no more: the process is ending, and there is one line for that."""
        self._open.clear()
        self._hushed = True

    def failed(
        self, url: str, signal: Signal, cause: str, attempts: int, *, stored: bool = True
    ) -> None:
        """Note that so many attempts in a row failed, and whether what they had is on disk."""
        endpoint = _endpoint(url)
        now = time.monotonic()
        fault = self._open.get(endpoint)
        if fault is None:
            quiet = now - self._ended.get(endpoint, float("-inf")) < _FLAPPING_S
            fault = self._open[endpoint] = _Fault(now, quiet)
        fault.signals.add(signal)
        # One that lasts is no flapping.
        quiet = fault.quiet and now - fault.began < _FLAPPING_S
        if attempts >= _ATTEMPTS and not fault.said and not quiet:
            fault.said = True
            kept = self._kept if stored else "in memory"
            self._say(f"{endpoint} takes no telemetry: {cause}; it is kept {kept}.")

    def delivered(self, url: str, signal: Signal, spooled: int) -> None:
        """Note that an attempt succeeded. `spooled` records are yet to be sent."""
        endpoint = _endpoint(url)
        fault = self._open.get(endpoint)
        if fault is None:
            return
        fault.signals.discard(signal)
        if fault.signals:
            return
        now = self._ended[endpoint] = time.monotonic()
        self._open.pop(endpoint, None)
        if fault.said:
            self._say(
                f"{endpoint} takes telemetry again after {now - fault.began:.0f} s; "
                f"{spooled:,} records that were kept are being sent."
            )

    def warned(self, url: str, signal: Signal, message: str) -> None:
        """Note what an endpoint says of records that it took."""
        self._notice(f"warned {url}", f"{url} took {signal} and says: {message}. Said once.")

    def refused(self, url: str, signal: Signal, cause: str, reason: str, count: int) -> None:
        """Note that records were refused for good."""
        self._notice(
            f"refused {url} {reason}",
            f"{url} refused {count:,} records of {signal}: {cause}; they are lost. "
            "Further ones are counted, not said.",
        )

    def _say(self, text: str) -> None:
        if self._hushed:
            return
        self._number += 1
        self._notice(f"endpoint {self._number}", text)


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else url
