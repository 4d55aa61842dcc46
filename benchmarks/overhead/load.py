"""Sends requests to a server on loopback and takes the time of each. HTTP/1.1, kept alive.

In the process that asks, which is another than the server's: what it costs is not the server's.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

_REQUEST = b"GET /orders/%d?expand=items HTTP/1.1\r\nhost: shop\r\nuser-agent: bench/1\r\n\r\n"
_LENGTH = b"content-length: "
_PATIENCE_S = 60
_MOST_AT_ONCE = 64


async def closed_loop(port: int, connections: int, requests: int) -> tuple[list[float], float]:
    """Send requests, the next of a connection when the one before is answered.

    Returns:
        The seconds that each took, and those of the whole.
    """
    latencies: list[float] = []
    finished = asyncio.Event()
    left = requests

    def next_one(connection: "_Connection") -> None:
        nonlocal left
        if left > 0:
            left -= 1
            connection.send(left, time.perf_counter())
        elif len(latencies) == requests:
            finished.set()

    async with _connections(connections, port, latencies, next_one) as opened:
        began = time.perf_counter()
        for connection in opened:
            next_one(connection)
        await asyncio.wait_for(finished.wait(), _PATIENCE_S)
        return latencies, time.perf_counter() - began


async def open_loop(port: int, rate: int, seconds: float) -> list[float]:
    """Send requests at a fixed rate, whether or not those before are answered.

    Returns:
        The seconds that each took, and those it waited for a free connection.
    """
    latencies: list[float] = []
    idle: deque[_Connection] = deque()
    waiting: deque[float] = deque()
    finished = asyncio.Event()
    number = int(rate * seconds)

    def answered(connection: "_Connection") -> None:
        if waiting:
            connection.send(0, waiting.popleft())
        else:
            idle.append(connection)
        if len(latencies) == number:
            finished.set()

    async with _connections(_MOST_AT_ONCE, port, latencies, answered) as opened:
        idle.extend(opened)
        began = time.perf_counter()
        for order in range(number):
            await asyncio.sleep(began + order / rate - time.perf_counter())
            if idle:
                idle.popleft().send(order, time.perf_counter())
            else:
                waiting.append(time.perf_counter())
        await asyncio.wait_for(finished.wait(), _PATIENCE_S)
    return latencies


@asynccontextmanager
async def _connections(
    number: int, port: int, latencies: list[float], answered: Callable[["_Connection"], None]
) -> AsyncIterator[list["_Connection"]]:
    opened: list[_Connection] = []
    try:
        while len(opened) < number:
            opened.append(await _connect(port, latencies, answered))
        yield opened
    finally:
        for connection in opened:
            connection.close()


async def _connect(
    port: int, latencies: list[float], answered: Callable[["_Connection"], None]
) -> "_Connection":
    deadline = time.monotonic() + 30
    while True:
        with suppress(ConnectionRefusedError):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(latencies, answered), "127.0.0.1", port
            )
            return connection
        assert time.monotonic() < deadline, f"nothing listens on port {port}"
        await asyncio.sleep(0.05)


class _Connection(asyncio.Protocol):
    """One connection; at most one request is on it."""

    def __init__(self, latencies: list[float], answered: Callable[["_Connection"], None]) -> None:
        self._latencies = latencies
        self._answered = answered
        self._read = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, order: int, due: float) -> None:
        """Send a request that takes time from `due` on."""
        self._sent = due
        self._transport.write(_REQUEST % order)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, blank, body = self._read.partition(b"\r\n\r\n")
        if not blank:
            return
        length = head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        assert head.startswith(b"HTTP/1.1 200 "), head
        self._read = b""
        self._latencies.append(time.perf_counter() - self._sent)
        self._answered(self)

    def close(self) -> None:
        self._transport.close()
