"""One measurement of a request, under the convention's names and under Blipee's own.

Each combination of attributes is bound to its instruments once; a request then hands over
numbers only.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import SpanContext
from opentelemetry.util.types import AttributeValue

from otel_distro.instrumentation.asgi.messages import MAX_KEPT, Scope
from otel_distro.instruments import recorder
from otel_distro.instruments.api import UNMATCHED
from otel_distro.instruments.bound import Bound, bind
from otel_distro.instruments.outcomes import STATUSES

K = TypeVar("K")
V = TypeVar("V")


# Method, scheme, version, route, status and error.type: what tells one series from another.
_Key = tuple[str, str, str | None, str | None, int | None, str | None]


class _Bound(NamedTuple):
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
        self._active: dict[tuple[str, str], tuple[Bound, Bound]] = {}
        self._answers: dict[_Key, _Bound] = {}

    def active(self, method: str, scope: Scope) -> tuple[Bound, Bound]:
        """Return what counts the requests that are being answered, under both names."""
        key = method, scope.get("scheme") or "http"
        try:
            return self._active[key]
        except KeyError:
            return self._bind_active(key)

    def answered(  # noqa: PLR0913 - what there is to say of a request
        self,
        method: str,
        scope: Scope,
        route: str | None,
        status: int | None,
        error_type: str | None,
        *,
        seconds: float,
        sizes: tuple[int | None, int | None],
        exemplar: SpanContext | None,
        in_latency: bool,
    ) -> None:
        """Record a request.

        Args:
            method: As `http.request.method`.
            scope: Has the scheme and the version.
            route: As `http.route`; None where no route fits.
            status: As `http.response.status_code`; None where there was no response.
            error_type: As `error.type`; None for none.
            seconds: From the first byte of the request to the last of the response.
            sizes: Of the bodies of request and response, in bytes, where they are known.
            exemplar: Of its span, if that is sampled.
            in_latency: Whether it belongs in the histograms of latency.
        """
        key = (
            method,
            scope.get("scheme") or "http",
            scope.get("http_version"),
            route,
            status,
            error_type,
        )
        bound = self._answers.get(key) or self._bind_answer(key)
        bound.requests.add(1, exemplar)
        if in_latency:
            bound.duration.record(seconds, exemplar)
            bound.response_time.record(seconds * 1000, exemplar)
        received, sent = sizes
        if received is not None:
            bound.request_size.record(received, exemplar)
        if sent is not None:
            bound.response_size.record(sent, exemplar)

    def _bind_active(self, key: tuple[str, str]) -> tuple[Bound, Bound]:
        method, scheme = key
        provider = self._provider
        bound = (
            bind(
                recorder.up_down_counter("http.server.active_requests", provider),
                {"http.request.method": method, "url.scheme": scheme},
            ),
            bind(recorder.up_down_counter("api.active_connections", provider), {"type": "http"}),
        )
        _keep(self._active, key, bound)
        return bound

    def _bind_answer(self, key: _Key) -> _Bound:
        method, scheme, version, route, status, error_type = key
        said = {
            "http.request.method": method,
            "url.scheme": scheme,
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
        bound = _Bound(
            self._histogram("http.server.request.duration", conventional),
            self._histogram("api.response_time", {**ours, "status": outcome}),
            of_status[outcome],
            self._histogram("http.server.request.body.size", conventional),
            self._histogram("http.server.response.body.size", conventional),
        )
        _keep(self._answers, key, bound)
        return bound

    def _histogram(self, name: str, attributes: Mapping[str, AttributeValue]) -> Bound:
        return bind(recorder.histogram(name, self._provider), attributes)


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    if len(kept) >= MAX_KEPT:
        kept.clear()
    kept[key] = value
