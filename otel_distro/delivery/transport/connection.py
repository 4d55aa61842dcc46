"""One connection to an HTTP server, on which nothing takes longer than its deadline."""

import io
import select
import socket
import ssl
import time
from contextlib import suppress
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import Final, NamedTuple

from otel_distro.delivery.transport.proxies import Proxy

# The answers of OTLP are a few bytes; error pages of proxies a few thousand.
_LARGEST_ANSWER: Final = 64 * 1024
_SENT_AT_ONCE: Final = 256 * 1024
# Enough to tell what speaks there.
_KEPT_OF_ANSWER: Final = 64


class Deadline:
    """The moment at which a request is over, whatever part of it is under way."""

    __slots__ = ("_at",)

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left. Raises TimeoutError if there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for this request is over")
        return left


class Route(NamedTuple):
    """Where a connection goes: directly, or through a proxy. `tls` is None for plain text."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    proxy: Proxy | None


class Answer(NamedTuple):
    """A response. The body is cut off where it is too long, or ended before its time."""

    status: int
    headers: Message
    body: bytes


class ProxyRefusedError(OSError):
    """The proxy opened no tunnel. `status` is its answer's."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the proxy answered {status}")
        self.status = status


class UnansweredError(Exception):
    """A request got no answer.

    Attributes:
        error: What happened instead.
        written: Whether the whole request was written, so that it may have been received.
        heard: The first bytes that came back, if any did.
    """

    def __init__(self, error: Exception, heard: bytes, *, written: bool) -> None:
        super().__init__(type(error).__name__)
        self.error = error
        self.written = written
        self.heard = heard


class Connection:
    """Asks one question after another. `reusable` says whether another one may follow."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.reusable = True
        self.idle_since = time.monotonic()

    def ask(self, head: bytes, body: bytes, deadline: Deadline) -> Answer:
        """Write a request and read its answer.

        Raises:
            UnansweredError: There was no answer, or not in time.
        """
        # Until the answer is complete, whatever ends this: a greenlet's time-out, too.
        self.reusable = False
        reading = _Reading(self._socket, deadline)
        try:
            self._write(head, body, deadline)
        except Exception as error:  # noqa: BLE001 - raised anew, as one kind
            # A server that takes no more (a body too large) answers and closes: the answer says
            # more than the broken pipe.
            if not isinstance(error, TimeoutError):
                try:
                    answer = self._read(reading)
                except (ssl.SSLError, HTTPException) as instead:
                    if reading.heard or isinstance(instead, ssl.SSLError):
                        error = instead
                except Exception:  # noqa: BLE001, S110 - the first error is the one to tell
                    pass
                else:
                    self.reusable = False
                    return answer
            raise UnansweredError(error, reading.heard, written=False) from None
        try:
            answer = self._read(reading)
        except Exception as error:  # noqa: BLE001 - raised anew, as one kind
            raise UnansweredError(error, reading.heard, written=True) from None
        self.idle_since = time.monotonic()
        return answer

    def is_quiet(self) -> bool:
        """Tell whether nothing came since the last answer: not even the other side's closing."""
        try:
            if hasattr(select, "poll"):  # `select` fails for more than 1,024 open files
                watch = select.poll()
                watch.register(self._socket, select.POLLIN)
                return not watch.poll(0)
            return not select.select([self._socket], [], [], 0)[0]
        except (OSError, ValueError):
            return False

    def close(self) -> None:
        """Close it. Never raises."""
        self.reusable = False
        with suppress(OSError):
            self._socket.close()

    def _write(self, head: bytes, body: bytes, deadline: Deadline) -> None:
        pieces = [head + body] if len(body) < _SENT_AT_ONCE else [head, body]
        for piece in pieces:
            # Not `sendall`: on a TLS socket its limit counts anew with each part.
            rest = memoryview(piece)
            while rest:
                self._socket.settimeout(deadline.left())
                rest = rest[self._socket.send(rest[:_SENT_AT_ONCE]) :]

    def _read(self, reading: "_Reading") -> Answer:
        # All that a response uses of its socket is `makefile`.
        response = HTTPResponse(reading, method="POST")  # type: ignore[arg-type]
        try:
            response.begin()
            body = b""
            # Without its end, the status has been said all the same, and is the answer.
            with suppress(OSError, HTTPException, ValueError):
                body = response.read(_LARGEST_ANSWER + 1)
                self.reusable = response.isclosed() and not response.will_close
            return Answer(response.status, response.headers, body[:_LARGEST_ANSWER])
        finally:
            response.close()


class _Reading(io.RawIOBase):
    """The bytes of one answer, until the deadline, however slowly they come."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._socket = sock
        self._deadline = deadline
        self.heard = b""

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        self._socket.settimeout(self._deadline.left())
        count = self._socket.recv_into(buffer)
        if len(self.heard) < _KEPT_OF_ANSWER:
            self.heard += bytes(buffer[: min(count, _KEPT_OF_ANSWER)])
        return count


def connect(route: Route, deadline: Deadline) -> Connection:
    """Open a connection. Only the look-up of the name has no limit but the system's.

    Raises:
        OSError: It can't be opened; TimeoutError, ssl.SSLError and ProxyRefusedError among it.
    """
    first = route.proxy or route
    sock = _connected(first.host, first.port, deadline)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if route.tls is None:
            return Connection(sock)
        if route.proxy is not None:
            _open_tunnel(sock, route, route.proxy, deadline)
        sock.settimeout(deadline.left())
        return Connection(route.tls.wrap_socket(sock, server_hostname=route.host))
    except BaseException:
        sock.close()
        raise


def _connected(host: str, port: int, deadline: Deadline) -> socket.socket:
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    problem: OSError = OSError(f"{host} has no address")
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        # Shared, so that an IPv6 address that leads nowhere leaves time for the others.
        share = deadline.left() / (len(addresses) - index)
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(share)
            sock.connect(address)
        except OSError as error:
            sock.close()
            problem = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise problem


def _open_tunnel(sock: socket.socket, route: Route, proxy: Proxy, deadline: Deadline) -> None:
    place = f"[{route.host}]" if ":" in route.host else route.host
    lines = [f"CONNECT {place}:{route.port} HTTP/1.1", f"Host: {place}:{route.port}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    sock.settimeout(deadline.left())
    sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    response = HTTPResponse(_Reading(sock, deadline), method="CONNECT")  # type: ignore[arg-type]
    try:
        response.begin()
        if response.status // 100 != 2:  # noqa: PLR2004
            raise ProxyRefusedError(response.status)
    except HTTPException:
        raise ProxyRefusedError(0) from None
    finally:
        response.close()
