"""Requests at the same time, and on the same connection, keep what is theirs."""

import asyncio
from collections.abc import Callable
from typing import Any

import fastapi
import pytest
from opentelemetry import baggage, trace

from parity.case import Case, Probe
from parity.driver import Answer, Request, drive
from parity.facts import Telemetry
from parity.sides import run
from parity.wire import serving

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

_MANY = 20


def traces(probe: Probe) -> Any:
    """Return an application that answers with what it knows of its caller."""
    app = fastapi.FastAPI()

    @app.middleware("http")
    async def outside(request: Any, call_next: Callable[[Any], Any]) -> Any:
        await asyncio.sleep(0)
        return await call_next(request)

    @app.get("/{number}")
    async def answer(number: int):
        before = _known()
        await asyncio.sleep(0.001 * (number % 3))
        return [before, _known()]

    @app.get("/some-fail/{number}")
    async def some_fail(number: int):
        found = await answer(number)
        if number % 5 == 0:
            raise ValueError(str(number))
        return found

    @app.get("/in-a-thread/{number}")
    def in_a_thread(number: int):
        return [_known(), _known()]

    return app


def _known() -> list[Any]:
    context = trace.get_current_span().get_span_context()
    return [f"{context.trace_id:032x}", baggage.get_baggage("number")]


def _request(number: int, path: str) -> Request:
    parent = f"00-{number:032x}-{number:016x}-01".encode()
    headers = ((b"traceparent", parent), (b"baggage", b"number=%d" % number))
    return Request(path=f"{path}{number}", headers=headers)


async def _at_once(
    case: Case, app: Any, telemetry: Telemetry, probe: Probe
) -> tuple[list[Answer], bool]:
    asked = (drive(app, one, telemetry.log, probe.inside) for one in case.requests)
    return list(await asyncio.gather(*asked)), False


async def _on_one_connection(
    case: Case, app: Any, telemetry: Telemetry, probe: Probe
) -> tuple[list[Answer], bool]:
    answers = []
    async with serving(app) as address:
        reader, writer = await asyncio.open_connection(*address)
        for request in case.requests:
            lines = [b"GET %s HTTP/1.1" % request.path.encode(), b"host: service"]
            lines += [b"%s: %s" % header for header in request.headers]
            writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            answers.append(Answer([{"body": body}]))
        writer.close()
        await writer.wait_closed()
    return answers, False


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (_at_once, "/"),
        (_at_once, "/in-a-thread/"),
        (_at_once, "/some-fail/"),
        (_on_one_connection, "/"),
        (_on_one_connection, "/in-a-thread/"),
    ],
)
def test_each_request_goes_on_with_the_trace_and_the_baggage_of_its_own_caller(asked, path):
    first, *others = (_request(number, path) for number in range(1, _MANY))
    done = run(Case("many", traces, first, tuple(others)), "ours", answering=asked)

    def fails(number: int) -> bool:
        return path == "/some-fail/" and number % 5 == 0

    for number, answer in enumerate(done.answers, 1):
        body = b"".join(message.get("body", b"") for message in answer.messages).decode()
        known = f'["{number:032x}","{number}"]'
        assert body == ("Internal Server Error" if fails(number) else f"[{known},{known}]")
    spans = {span.context.trace_id: span for span, _ in done.telemetry.ended}
    assert spans.keys() == set(range(1, _MANY))
    for number, span in spans.items():
        assert span.parent.span_id == number
        assert span.attributes["url.path"] == f"{path}{number}"
        assert len(span.events) == fails(number)
