"""One row of the table: an application, what is asked of it, and under which circumstances."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from time import time_ns
from typing import Any

from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from parity.driver import Request

CALLER_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER_SPAN = "00f067aa0ba902b7"
TRACEPARENT = f"00-{CALLER_TRACE}-{CALLER_SPAN}-01".encode()


class Probe:
    """What an application sees of its own telemetry; its parts call it with their names."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log
        self.inside = asyncio.Event()
        self.seen: dict[str, int] = {}
        self.times: dict[str, int] = {}
        # More that is to be compared, in words.
        self.facts: dict[str, Any] = {}
        self.telemetry: Any = None

    def __call__(self, place: str) -> None:
        """Note which span is current in this place."""
        self.log.append(place)
        self.times[place] = time_ns()
        self.seen[place] = trace.get_current_span().get_span_context().span_id
        if baggage.get_all():
            self.facts["baggage"] = dict(baggage.get_all())


_A_GET = Request()


@dataclass(frozen=True)
class Case:
    """A row of the table."""

    name: str
    app: Callable[[Probe], Any]
    request: Request = _A_GET
    then: tuple[Request, ...] = ()
    # What it is instrumented as: "fastapi", "starlette", or "asgi" for a middleware around it.
    kind: str = "fastapi"
    made_before: bool = False
    excluded_urls: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    around: Callable[[TracerProvider], AbstractContextManager[Any]] | None = None
    sampler: Sampler = ALWAYS_ON
    response_propagator: Any = None
    # The instrumentation has a part in the answer: it is not that of the bare application.
    changes_answer: bool = False
    # Also asked over a socket, of a real server.
    on_the_wire: bool = False

    @property
    def requests(self) -> tuple[Request, ...]:
        """Return all requests in their order."""
        return (self.request, *self.then)
