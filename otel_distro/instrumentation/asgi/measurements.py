"""One measurement of a request, under the convention's names and under Blipee's own.

Each combination of attributes is bound to its instruments once; a request then hands over
numbers only.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import SpanContext
from opentelemetry.util.types import AttributeValue

from otel_distro.instruments import recorder
from otel_distro.instruments.api import UNMATCHED
from otel_distro.instruments.bound import (
    Bound,
    Example,
    Tally,
    bind,
    settle_before_collections,
    tally,
)
from otel_distro.instruments.outcomes import STATUSES
from otel_distro.notices import notice

_DEFAULT_SCHEME: Final = "http"
_SECOND: Final = 1_000_000_000
_TOGETHER: Final = 128
# Beyond this many they are given up.
_MOST: Final = 100 * _TOGETHER
# A collection goes on without what another thread is settling for longer than this.
_PATIENCE_S: Final = 2.0
# As many as the SDK has of one instrument.
_MAX_SERIES: Final = 2_000
# For exemplars, of those that are recorded together.
_EXAMPLES: Final = 16


# Method, scheme, version, route, status and error.type: what tells one series from another.
Series = tuple[str, str | None, str | None, str | None, int | None, str | None]


# Of one request: seconds, bytes of the response and of the request where they are known, when it
# began in ns since 1970, and the context of its span if that is sampled.
Row = tuple[float, int | None, int | None, int, SpanContext | None]


class Answered:
    """What the requests of a series are recorded with, many together.

    Args:
        requests: Counts them.
        duration: In seconds.
        response_time: The same in milliseconds.
        response_size: In bytes.
        request_size: In bytes.

    Attributes:
        most: How many are recorded together.
    """

    def __init__(
        self,
        requests: Bound,
        duration: Bound,
        response_time: Bound,
        response_size: Bound,
        request_size: Bound,
    ) -> None:
        self._requests = requests
        self._duration = duration
        self._response_time = response_time
        self._sizes = ((1, response_size), (2, request_size))
        self.most = 1
        # The first is there at once: sums count from it.
        self._room = 1
        self._settling = threading.Lock()
        self._settler = 0
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Record a request."""
        if self.most == 1:
            self._record([row])
            return
        rows = self._rows
        rows.append(row)
        if len(rows) >= self._room:
            self.settle(0)

    def add_stream(self, row: Row) -> None:
        """Record a request that was answered by a stream: all of it but its latency."""
        self._requests.add(1, row[4])
        self._record_sizes([row])

    def settle(self, patience_s: float) -> None:
        """Record what is kept back, as soon as another thread does not."""
        if self._settler == threading.get_ident():  # and was interrupted in it
            return
        if not self._settling.acquire(timeout=patience_s):
            if len(self._rows) > _MOST:
                self._rows.clear()
                notice("requests", "measurements of requests are lost: a thread holds them up.")
            return
        try:
            self._settler = threading.get_ident()
            self._room = self.most
            rows = self._rows[:]
            del self._rows[: len(rows)]
            if rows:
                self._record(rows)
        finally:
            self._settler = 0
            self._settling.release()

    def forget(self) -> None:
        """Forget what is kept back: this is a forked child, and its parent records it."""
        self._settling = threading.Lock()
        self._settler = 0
        self._rows.clear()

    def _record(self, rows: Sequence[Row]) -> None:
        self._requests.add(len(rows), rows[-1][4])
        seconds = [row[0] for row in rows]
        self._duration.record_all(seconds, _examples(seconds, rows))
        milliseconds = [one * 1000 for one in seconds]
        self._response_time.record_all(milliseconds, _examples(milliseconds, rows))
        self._record_sizes(rows)

    def _record_sizes(self, rows: Sequence[Row]) -> None:
        for column, histogram in self._sizes:
            known = [row for row in rows if row[column] is not None]
            if known:
                sizes: list[Any] = [row[column] for row in known]
                histogram.record_all(sizes, _examples(sizes, known))


def _examples(values: Sequence[float], rows: Sequence[Row]) -> list[Example]:
    """Return some of the values, of the last rows, with when they were measured and where."""
    return [
        (value, row[3] + int(row[0] * _SECOND), row[4])
        for value, row in zip(values[-_EXAMPLES:], rows[-_EXAMPLES:], strict=True)
        if row[4] is not None
    ]


class Measurements:
    """The instruments of one meter provider.

    Args:
        provider: The global one by default.
    """

    def __init__(self, provider: MeterProvider | None) -> None:
        self._provider = provider
        self._active: dict[tuple[str, str | None], tuple[Tally, Tally]] = {}
        self._answered: dict[Series, Answered] = {}
        # Whether the provider has it settled before it collects; None until there is something.
        self._is_settled: bool | None = None

    def active(self, method: str, scheme: str | None) -> tuple[Tally, Tally]:
        """Return what counts the requests that are being answered, under both names."""
        key = method, scheme
        found = self._active.get(key)
        if found is None:
            found = (
                tally(
                    recorder.up_down_counter("http.server.active_requests", self._provider),
                    {"http.request.method": method, "url.scheme": scheme or _DEFAULT_SCHEME},
                ),
                tally(
                    recorder.up_down_counter("api.active_connections", self._provider),
                    {"type": "http"},
                ),
            )
            if len(self._active) < _MAX_SERIES:
                found = self._active.setdefault(key, found)
        return found

    def answered(self, series: Series) -> Answered:
        """Return what the requests of a series are recorded with."""
        return self._answered.get(series) or self._bind(series)

    def settle(self) -> None:
        """Record what is kept back."""
        for one in list(self._answered.values()):
            one.settle(_PATIENCE_S)

    def forget(self) -> None:
        """Forget what is kept back: this is a forked child, and its parent records it."""
        for one in list(self._answered.values()):
            one.forget()

    def _bind(self, series: Series) -> Answered:
        method, scheme, version, route, status, error_type = series
        said = {
            "http.request.method": method,
            "url.scheme": scheme or _DEFAULT_SCHEME,
            "network.protocol.version": version,
            "http.route": route,
            "http.response.status_code": status,
            "error.type": error_type,
        }
        conventional = {name: value for name, value in said.items() if value is not None}
        ours = {"endpoint": route or UNMATCHED, "method": method}
        counter = recorder.counter("api.requests", self._provider)
        of_status = {one: bind(counter, {**ours, "status": one}) for one in STATUSES}
        for sibling in of_status.values():
            sibling.add(0)
        # Without a status the application has raised, or given up, before it answered.
        outcome = "success" if error_type is None and status is not None else "error"
        duration = recorder.histogram("http.server.request.duration", self._provider)
        answered = Answered(
            of_status[outcome],
            bind(duration, conventional),
            self._histogram("api.response_time", {**ours, "status": outcome}),
            self._histogram("http.server.response.body.size", conventional),
            self._histogram("http.server.request.body.size", conventional),
        )
        # The SDK has no more series of an instrument either. What is not kept keeps nothing back.
        if len(self._answered) < _MAX_SERIES:
            answered = self._answered.setdefault(series, answered)
            if self._is_settled is None:
                self._is_settled = settle_before_collections(duration, self)
            if self._is_settled:
                answered.most = _TOGETHER
        return answered

    def _histogram(self, name: str, attributes: Mapping[str, AttributeValue]) -> Bound:
        return bind(recorder.histogram(name, self._provider), attributes)
