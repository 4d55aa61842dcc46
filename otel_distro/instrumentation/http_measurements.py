"""One measurement of a request, under both names.

Upstream's ASGI middleware measures; the meter given to it hands each value on to Blipee's own
instruments as well.
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, Meter, MeterProvider, UpDownCounter
from opentelemetry.util.types import AttributeValue

from otel_distro.instruments import api, recorder

_SERVER_ERROR: Final = 500

# Set where an exception passes that the application did not handle; a context variable, because
# upstream's middleware records without a word of it.
request_failed: ContextVar[bool] = ContextVar("otel_distro_request_failed", default=False)

Attributes = Mapping[str, AttributeValue] | None


class _RequestDuration:
    """`http.server.request.duration` that also feeds `api.response_time` and `api.requests`."""

    def __init__(self, convention: Histogram, provider: MeterProvider | None) -> None:
        self._convention = convention
        self._provider = provider

    def record(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Record seconds, with the attributes of the convention."""
        self._convention.record(amount, attributes, context)
        said = attributes or {}
        status = said.get("http.response.status_code")
        # Without a status the application raised before it answered; with one it may have raised
        # in the middle of the body, and upstream measures while that exception passes by.
        failed = not isinstance(status, int) or status >= _SERVER_ERROR or request_failed.get()
        route = said.get("http.route")
        api.answered(
            None if route is None else str(route),
            str(said.get("http.request.method", "_OTHER")),
            seconds=amount,
            failed=failed,
            context=context,
            provider=self._provider,
        )


class _ActiveRequests:
    """`http.server.active_requests` that also feeds `api.active_connections`."""

    def __init__(self, convention: UpDownCounter, provider: MeterProvider | None) -> None:
        self._convention = convention
        self._connections = recorder.up_down_counter("api.active_connections", provider)

    def add(
        self, amount: int, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        """Add to both."""
        self._convention.add(amount, attributes, context)
        self._connections.add(amount, {"type": "http"}, context)


class BothNames:
    """A meter for upstream's middleware whose instruments measure under both names."""

    def __init__(self, meter: Meter, provider: MeterProvider | None) -> None:
        self._meter = meter
        self._provider = provider

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> Any:  # noqa: ANN401 - what upstream's middleware needs of a histogram
        """Create a histogram."""
        convention = self._meter.create_histogram(
            name,
            unit,
            description,
            explicit_bucket_boundaries_advisory=explicit_bucket_boundaries_advisory,
        )
        if name == "http.server.request.duration":
            return _RequestDuration(convention, self._provider)
        return convention

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> Any:  # noqa: ANN401 - as above
        """Create an updowncounter."""
        convention = self._meter.create_up_down_counter(name, unit, description)
        if name == "http.server.active_requests":
            return _ActiveRequests(convention, self._provider)
        return convention
