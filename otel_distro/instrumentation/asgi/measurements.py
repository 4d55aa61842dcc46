"""One measurement of a request, under the convention's names and under Blipee's own.

Each combination of attributes is bound to its instruments once; a request then hands over
numbers only.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

from opentelemetry.metrics import MeterProvider
from opentelemetry.util.types import AttributeValue

from otel_distro.instrumentation.asgi.messages import MAX_KEPT
from otel_distro.instruments import recorder
from otel_distro.instruments.api import UNMATCHED
from otel_distro.instruments.bound import Bound, Tally, bind, tally
from otel_distro.instruments.outcomes import STATUSES

K = TypeVar("K")
V = TypeVar("V")

_DEFAULT_SCHEME: Final = "http"


# Method, scheme, version, route, status and error.type: what tells one series from another.
Series = tuple[str, str | None, str | None, str | None, int | None, str | None]


class Answered(NamedTuple):
    """What a request is recorded with: histograms in seconds, milliseconds and bytes."""

    duration: Bound
    response_time: Bound
    requests: Bound
    request_size: Bound
    response_size: Bound


class Measurements:
    """The instruments of one meter provider.

    Args:
        provider: The global one by default.
    """

    def __init__(self, provider: MeterProvider | None) -> None:
        self._provider = provider
        self._active: dict[tuple[str, str | None], tuple[Tally, Tally]] = {}
        self._answered: dict[Series, Answered] = {}

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
            _keep(self._active, key, found)
        return found

    def answered(self, series: Series) -> Answered:
        """Return what the requests of a series are recorded with."""
        return self._answered.get(series) or self._bind(series)

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
        answered = Answered(
            self._histogram("http.server.request.duration", conventional),
            self._histogram("api.response_time", {**ours, "status": outcome}),
            of_status[outcome],
            self._histogram("http.server.request.body.size", conventional),
            self._histogram("http.server.response.body.size", conventional),
        )
        _keep(self._answered, series, answered)
        return answered

    def _histogram(self, name: str, attributes: Mapping[str, AttributeValue]) -> Bound:
        return bind(recorder.histogram(name, self._provider), attributes)


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    if len(kept) >= MAX_KEPT:
        kept.clear()
    kept[key] = value
