"""Requests and connections of servers that no instrumentation sees. FastAPI reports by itself."""

import time
from typing import Final, Literal

from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider

from otel_distro.instruments import outcomes, recorder
from otel_distro.instruments.timed import Timed

UNMATCHED: Final = "<unmatched>"
_SERVER_ERROR: Final = 500


class Request:
    """A request that is being answered.

    Attributes:
        status_code: Set it to the answer's; from 500 on the request is an error.
    """

    def __init__(self, endpoint: str | None, method: str) -> None:
        self.status_code = 200
        self._endpoint = endpoint
        self._method = method
        self._started = time.perf_counter()

    def end(self, error: BaseException | None) -> None:
        """Record the outcome."""
        elapsed = time.perf_counter() - self._started
        failed = error is not None or self.status_code >= _SERVER_ERROR
        answered(self._endpoint, self._method, seconds=elapsed, failed=failed)
        convention: dict[str, str | int] = {"http.request.method": self._method}
        if self._endpoint is not None:
            convention["http.route"] = self._endpoint
        if error is None:
            convention["http.response.status_code"] = self.status_code
        else:
            convention["error.type"] = type(error).__qualname__
        recorder.histogram("http.server.request.duration").record(elapsed, convention)


class Connection:
    """A connection that is open."""

    def __init__(self, kind: str, provider: MeterProvider | None) -> None:
        self._counter = recorder.up_down_counter("api.active_connections", provider)
        self._attributes = {"type": kind}
        self._counter.add(1, self._attributes)

    def end(self, _error: BaseException | None) -> None:
        """Count it no more."""
        self._counter.add(-1, self._attributes)


def request(*, endpoint: str | None, method: str) -> Timed[Request]:
    """Measure requests: `with api.request(endpoint="/items/{id}", method="GET") as request: …`.

    Also `async with`, and as decorator of sync and async functions. Raising is an error.

    Args:
        endpoint: The route's template, of a bounded set; None where no route fits.
        method: The HTTP method.
    """
    return Timed(lambda: Request(endpoint, method))


def connection(
    *,
    type: Literal["http", "websocket"],  # noqa: A002 - the attribute's name
    provider: MeterProvider | None = None,
) -> Timed[Connection]:
    """Count a connection while it is open: `with api.connection(type="websocket"): …`."""
    return Timed(lambda: Connection(type, provider))


def answered(  # noqa: PLR0913 - what there is to say of a request
    endpoint: str | None,
    method: str,
    *,
    seconds: float,
    failed: bool,
    context: Context | None = None,
    provider: MeterProvider | None = None,
) -> None:
    """Report a request that was measured elsewhere.

    Args:
        endpoint: The route's template; None where no route fits.
        method: The HTTP method.
        seconds: Until the answer was sent.
        failed: Whether it was a 5xx or an unhandled exception.
        context: Of the request, for exemplars; the current one by default.
        provider: Of the meter, the global one by default.
    """
    attributes = {"endpoint": endpoint or UNMATCHED, "method": method}
    status = "error" if failed else "success"
    outcomes.count("api.requests", attributes, status, provider)
    recorder.histogram("api.response_time", provider).record(
        seconds * 1000, {**attributes, "status": status}, context
    )
