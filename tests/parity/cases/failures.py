"""Handlers, dependencies and middlewares that raise; clients that go away; background tasks."""

import asyncio
import time
from typing import Annotated, Any

import fastapi
from fastapi import BackgroundTasks, Depends
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse

from parity.case import Case, Probe
from parity.cases.applications import OutOfStockError, shop
from parity.driver import Request


class AbandonError(BaseException):
    """Not an `Exception`."""


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def _answering(status: int, to: type[BaseException] | int) -> Any:
    def build(probe: Probe) -> Any:
        app = shop(probe)

        @app.exception_handler(to)
        async def handle(request: Any, error: Any) -> Any:
            probe("exception handler")
            return PlainTextResponse("sorry", status)

        return app

    return build


def _handler_that_raises(probe: Probe) -> Any:
    app = shop(probe)

    @app.exception_handler(OutOfStockError)
    async def handle(request: Any, error: Any) -> Any:
        raise ValueError("in the handler") from error

    return app


def _dependencies(probe: Probe) -> Any:
    app = fastapi.FastAPI()

    async def stock():
        probe("dependency")
        yield 1
        probe("dependency's end")

    async def out_of_stock():
        raise OutOfStockError("no dependency")

    async def fails_at_the_end():
        yield 1
        raise OutOfStockError("at the end")

    @app.get("/fine")
    async def fine(found: Annotated[int, Depends(stock)]):
        probe("handler")
        return found

    @app.get("/raises")
    async def raises(found: Annotated[int, Depends(out_of_stock)]):
        return found

    @app.get("/fails-at-the-end")
    async def at_the_end(found: Annotated[int, Depends(fails_at_the_end)]):
        return found

    return app


def _of_error(error: BaseException) -> Any:
    def build(probe: Probe) -> Any:
        app = fastapi.FastAPI()

        @app.get("/")
        async def fail():
            probe("handler")
            raise error

        return app

    return build


def _middlewares(probe: Probe) -> Any:
    app = shop(probe)

    @app.middleware("http")
    async def fails(request: Any, call_next: Any) -> Any:
        probe("middleware")
        if "before" in request.url.query:
            raise OutOfStockError("before")
        response = await call_next(request)
        if "after" in request.url.query:
            raise OutOfStockError("after")
        return response

    return app


def _under_middleware(app: Any) -> Any:
    async def pass_on(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    return app


def _slow(probe: Probe) -> Any:
    app = fastapi.FastAPI()

    @app.get("/slow")
    async def slow():
        probe("handler")
        probe.inside.set()
        await asyncio.Event().wait()

    @app.get("/asks")
    async def asks(request: fastapi.Request):
        return await request.is_disconnected()

    @app.post("/upload")
    async def upload(request: fastapi.Request):
        return await request.body()

    return app


def _recording(probe: Probe) -> Any:
    """Return an application that records on its span by itself."""
    from opentelemetry import trace

    app = fastapi.FastAPI()

    @app.get("/")
    async def record():
        span = trace.get_current_span()
        span.update_name("a name of its own")
        span.set_attribute("mine", [1, 2])
        span.add_event("seen", {"n": 1})
        span.record_exception(OutOfStockError("by hand"))
        span.set_status(trace.StatusCode.ERROR, "by hand")
        return "ok"

    @app.get("/ok")
    async def ok():
        trace.get_current_span().set_status(trace.StatusCode.OK)
        raise OutOfStockError("after all")

    return app


def _background(probe: Probe) -> Any:  # noqa: C901 - one route after the other
    app = fastapi.FastAPI()

    async def succeed(): probe("background task")  # fmt: skip

    def in_a_thread(): probe("background task")  # fmt: skip

    async def fail():
        probe("background task")
        raise OutOfStockError("in the background")

    async def take_long():
        await asyncio.sleep(0.02)
        probe("background task")

    def take_long_in_a_thread():
        time.sleep(0.02)
        probe("background task")

    tasks = {f.__name__: f for f in (succeed, in_a_thread, fail, take_long, take_long_in_a_thread)}

    @app.get("/later/{name}")
    async def later(name: str, background: BackgroundTasks):
        probe("handler")
        for one in name.split(","):
            background.add_task(tasks[one])

    @app.get("/unavailable/{name}")
    async def unavailable(name: str):
        return PlainTextResponse("later", 503, background=BackgroundTask(tasks[name]))

    @app.get("/conflict")
    async def conflict():
        raise OutOfStockError("handled")

    @app.get("/task/{name}")
    async def one_task(name: str):
        return PlainTextResponse("ok", background=BackgroundTask(tasks[name]))

    app.exception_handler(OutOfStockError)(_sorry)
    return app


async def _sorry(request: Any, error: Any) -> Any:
    return PlainTextResponse("sorry", 409, background=BackgroundTask(_nothing))


async def _nothing() -> None:
    """Do nothing."""


_RAISES = Request(path="/raises/1")

CASES = [
    Case("raises", shop, _RAISES, on_the_wire=True),
    Case("raises in debug mode", lambda probe: shop(probe, debug=True), _RAISES),
    Case("raises, answered with 409", _answering(409, OutOfStockError), _RAISES, on_the_wire=True),
    Case("raises, answered with 503", _answering(503, OutOfStockError), _RAISES, on_the_wire=True),
    Case("raises, answered at the last resort with 503", _answering(503, Exception), _RAISES),
    Case("raises, answered at the last resort with 200", _answering(200, Exception), _RAISES),
    Case("raises, answered by the handler of 500", _answering(500, 500), _RAISES),
    Case("HTTPException with a handler", _answering(410, 404), Request(path="/refuses/404")),
    Case("raises in its exception handler", _handler_that_raises, _RAISES),
    Case("raises what cannot be printed", _of_error(UnprintableError()), Request()),
    Case("raises without a text", _of_error(OutOfStockError()), Request()),
    Case("raises what is no Exception", _of_error(AbandonError("gone")), Request()),
    Case(
        "raises a group",
        _of_error(ExceptionGroup("two", [OutOfStockError("a"), ValueError("b")])),
        Request(),
    ),
    Case("raises CancelledError", _of_error(asyncio.CancelledError("inside")), Request()),
    Case("dependency", _dependencies, Request(path="/fine")),
    Case("raises in a dependency", _dependencies, Request(path="/raises"), on_the_wire=True),
    Case("raises at the end of a dependency", _dependencies, Request(path="/fails-at-the-end")),
    Case("raises in a middleware before", _middlewares, Request(path="/items/7", query=b"before")),
    Case("raises in a middleware after", _middlewares, Request(path="/items/7", query=b"after")),
    Case("raises below a middleware", _middlewares, _RAISES),
    Case(
        "raises below a BaseHTTPMiddleware",
        lambda probe: _under_middleware(shop(probe)),
        _RAISES,
        on_the_wire=True,
    ),
    Case("cancelled", _slow, Request(path="/slow", cancelled=True)),
    Case("the client goes away and the handler asks", _slow, Request(path="/asks", leaves=True)),
    Case(
        "the client goes away during its upload",
        _slow,
        Request("POST", "/upload", body=(), leaves=True),
    ),
    Case("the connection breaks before the answer", shop, Request(path="/items/7", broken_from=1)),
    Case("the connection breaks in the answer", shop, Request(path="/items/7", broken_from=2)),
    Case("records by itself", _recording, Request()),
    Case("sets OK and raises", _recording, Request(path="/ok")),
    *(
        Case(f"background: {name}", _background, Request(path=f"/later/{name}"), on_the_wire=True)
        for name in ("succeed", "in_a_thread", "fail", "take_long", "take_long_in_a_thread")
    ),
    Case(
        "background: below a BaseHTTPMiddleware",
        lambda probe: _under_middleware(_background(probe)),
        Request(path="/later/succeed"),
        on_the_wire=True,
    ),
    Case(
        "background: fails below a BaseHTTPMiddleware",
        lambda probe: _under_middleware(_background(probe)),
        Request(path="/later/fail"),
    ),
    Case("background: after a 503", _background, Request(path="/unavailable/succeed")),
    Case("background: long after a 503", _background, Request(path="/unavailable/take_long")),
    Case("background: fails after a 503", _background, Request(path="/unavailable/fail")),
    Case("background: after a handled exception", _background, Request(path="/conflict")),
    Case("background: two tasks", _background, Request(path="/later/succeed,in_a_thread")),
    Case("background: the second fails", _background, Request(path="/later/succeed,fail")),
    Case("background: a task of Starlette", _background, Request(path="/task/succeed")),
    Case("background: a task of Starlette fails", _background, Request(path="/task/fail")),
    Case(
        "an error and then none",
        shop,
        Request(path="/raises/1"),
        then=(Request(path="/items/7"), Request(path="/raises/2")),
    ),
]
