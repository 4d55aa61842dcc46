"""Requests through the ASGI interface, in process.

`round N PATH PARENT` sends N to a route, with an incoming traceparent where PARENT is 1, and
answers with the CPU of the whole process: exporter threads, and the flush that ends a round.
`sample N PATH PARENT` does the same and answers with where that CPU went.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench_app import app
from control import answer, orders
from sampling import Samples
from vendors import VENDOR

Message = dict[str, Any]

_HEADERS = (
    (b"host", b"shop.example:8000"),
    (b"user-agent", b"bench/1"),
    (b"accept", b"application/json"),
)
_TRACEPARENT = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def requests(number: int, path: str, *, parent: bool) -> None:
    """Send them one after another, each answered before the next."""
    answered = 0
    serve: Callable[..., Awaitable[None]] = app

    async def send(message: Message) -> None:
        nonlocal answered
        if message["type"] == "http.response.start":
            assert message["status"] == 200, message
        elif not message.get("more_body"):
            answered += 1

    headers = (*_HEADERS, _TRACEPARENT) if parent else _HEADERS
    for order in range(number):
        whole = f"{path}/{order}"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50312),
            "scheme": "http",
            "method": "GET",
            "root_path": "",
            "path": whole,
            "raw_path": whole.encode(),
            "query_string": b"expand=items",
            "headers": list(headers),
            "state": {},
        }
        await serve(scope, receive, send)
    assert answered == number


def main() -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    answer(ready=True)
    for what, number, path, parent in orders():
        gc.collect()
        samples = Samples() if what == "sample" else None
        began = time.process_time()
        if samples:
            samples.begin()
        loop.run_until_complete(requests(int(number), path, parent=parent == "1"))
        VENDOR.flush()
        said = {"cpu_s": time.process_time() - began}
        answer(**said, **(samples.end() if samples else {}))


if __name__ == "__main__":
    main()
