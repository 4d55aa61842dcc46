"""OTLP over HTTP, by the standard library alone: nothing of it logs or is instrumented."""

import os
import time
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from otel_distro.delivery.endpoint import Endpoint
from otel_distro.delivery.signal import Signal
from otel_distro.delivery.transport.headers import Mistake, checked, secrets, user_agent
from otel_distro.delivery.transport.outcome import Outcome, Unavailable
from otel_distro.delivery.transport.proxies import Proxy, proxy_for

if TYPE_CHECKING:
    import ssl

    from otel_distro.delivery.transport.answers import Asked
    from otel_distro.delivery.transport.connection import Connection, Deadline, Route

# A connection that rested longer may be dead without having been closed (a load balancer that
# forgot it), which only a time-out would tell.
_LONGEST_REST_S: Final = 30.0
# Higher levels save little of protobuf and cost several times as much.
_LEVEL: Final = 1
_GZIP_WINDOW: Final = 31
_DEFLATE_WINDOW: Final = 15
_PORTS: Final = {"http": 80, "https": 443}
# Said by this module; a user's own would make the request unreadable.
_OURS: Final = frozenset(
    {"content-type", "content-encoding", "content-length", "transfer-encoding", "connection"}
)


class _Plan(NamedTuple):
    """All that requests to one endpoint have in common."""

    route: "Route"
    head: bytes
    asked: "Asked"


class HttpTransport:
    """Sends by POST on one connection that is kept open. See `Transport`."""

    def __init__(self, signal: Signal, endpoint: Endpoint) -> None:
        self._signal = signal
        self._endpoint = endpoint
        self._environ = {
            name: value
            for name, value in os.environ.items()
            if name.lower().endswith("_proxy") or name == "REQUEST_METHOD"
        }
        self._plan: _Plan | None = None
        self._connection: Connection | None = None
        self._process = os.getpid()

    def send(self, body: bytes, timeout_s: float) -> Outcome:
        """Send one request. Blocks for at most about `timeout_s`. Never raises.

        A connection that the server closed while it rested is opened anew. The request is sent
        again only if it had not been written whole: what may have been received is the caller's
        to repeat (`perhaps_received`).
        """
        try:
            return self._send(body, timeout_s)
        except Mistake as mistake:
            return Unavailable(str(mistake), slowly=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, the application goes on
            # Only its kind: the text may repeat a header.
            return Unavailable(f"the request could not be made ({type(error).__name__})")

    def close(self) -> None:
        """Close the connection; a later `send` opens a new one. Never raises."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _send(self, body: bytes, timeout_s: float) -> Outcome:
        from otel_distro.delivery.transport import diagnosis
        from otel_distro.delivery.transport.answers import outcome_of
        from otel_distro.delivery.transport.connection import Deadline, UnansweredError

        deadline = Deadline(timeout_s)
        if self._plan is None:
            self._plan = _plan(self._signal, self._endpoint, self._environ)
        plan = self._plan
        packed = _packed(body, self._endpoint.compression)
        head = b"%bcontent-length: %d\r\n\r\n" % (plan.head, len(packed))
        connection = self._rested()
        while True:
            reused = connection is not None
            if connection is None:
                try:
                    connection = self._opened(plan.route, deadline)
                except OSError as error:
                    return self._slowed(diagnosis.unreachable(error, plan.route, timeout_s))
            try:
                answer = connection.ask(head, packed, deadline)
            except UnansweredError as failure:
                stale = reused and not failure.written and not failure.heard
                if not stale or isinstance(failure.error, TimeoutError):
                    return self._slowed(
                        diagnosis.unanswered(failure, plan.route, timeout_s, fresh=not reused)
                    )
            else:
                return outcome_of(answer, plan.asked)
            finally:
                if connection.reusable:
                    self._connection = connection
                else:
                    connection.close()
            connection = None

    def _rested(self) -> "Connection | None":
        """Take the open connection, if it can be trusted."""
        connection, self._connection = self._connection, None
        if connection is None:
            return None
        here = self._process == os.getpid()
        rested_s = time.monotonic() - connection.idle_since
        if here and rested_s <= _LONGEST_REST_S and connection.is_quiet():
            return connection
        connection.close()
        return None

    def _opened(self, route: "Route", deadline: "Deadline") -> "Connection":
        from otel_distro.delivery.transport.connection import connect

        self._process = os.getpid()
        return connect(route, deadline)

    def _slowed(self, outcome: Unavailable) -> Unavailable:
        if outcome.slowly:
            # Certificates may have been put right meanwhile: read them again.
            self._plan = None
        return outcome


def _plan(signal: Signal, endpoint: Endpoint, environ: dict[str, str]) -> _Plan:
    from otel_distro.delivery.transport.answers import Asked
    from otel_distro.delivery.transport.connection import Route

    try:
        parts = urlsplit(endpoint.url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
        name = None if host is None else host.encode("ascii" if host.isascii() else "idna")
    except ValueError:
        scheme, host, port, name = "", None, None, None
    if scheme not in _PORTS or host is None or name is None:
        raise Mistake("the endpoint is not of the form http://host:port/path")
    port = port or _PORTS[scheme]
    proxy = proxy_for(scheme, host, port, environ)
    headers = checked(endpoint.headers, "latin-1")
    hidden = secrets(headers)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        basic = {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        headers = {**basic, **headers}
        hidden += secrets({**basic, "password": unquote(parts.password or "")})
    server = f"[{host}]" if ":" in host else name.decode()
    if port != _PORTS[scheme]:
        server = f"{server}:{port}"
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    return _Plan(
        route=Route(host, port, _context(endpoint) if scheme == "https" else None, proxy),
        head=_head(endpoint, scheme, server, f"{path}?{_query(parts.query)}", headers, proxy),
        asked=Asked(signal, place, parts.path.rstrip("/").endswith(f"/v1/{signal}"), hidden),
    )


def _query(query: str) -> str:
    return quote(query, safe="/%:@!$&'()*+,;=~?")


def _head(  # noqa: PLR0913, PLR0917 - the parts of one text
    endpoint: Endpoint,
    scheme: str,
    server: str,
    target: str,
    headers: dict[str, str],
    proxy: Proxy | None,
) -> bytes:
    target = target.removesuffix("?")
    sent = {
        "host": server,
        "user-agent": user_agent(),
        "accept-encoding": "identity",
        **{name: value for name, value in headers.items() if name not in _OURS},
        "content-type": "application/x-protobuf",
    }
    if endpoint.compression != "none":
        sent["content-encoding"] = endpoint.compression
    if proxy is not None and scheme == "http":
        # Through a tunnel the proxy sees nothing of this.
        target = f"http://{server}{target}"
        if proxy.authorization is not None:
            sent["proxy-authorization"] = proxy.authorization
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), ""]
    return "\r\n".join(lines).encode("latin-1")


def _context(endpoint: Endpoint) -> "ssl.SSLContext":
    import ssl

    try:
        context = ssl.create_default_context(cafile=endpoint.certificate)
    except (OSError, ssl.SSLError) as error:
        raise Mistake(_unreadable(endpoint.certificate or "the system's", error)) from None
    context.set_alpn_protocols(["http/1.1"])
    if endpoint.client_certificate is not None:
        try:
            # A password would be asked for on the terminal.
            context.load_cert_chain(endpoint.client_certificate, endpoint.client_key, password="")
        except (OSError, ssl.SSLError) as error:
            raise Mistake(_unreadable(endpoint.client_certificate, error)) from None
    return context


def _unreadable(path: str, error: OSError) -> str:
    why = error.strerror if error.errno and error.strerror else "it is no such file in PEM form"
    return f"the certificate {path} can't be used: {why}"


def _packed(body: bytes, compression: str) -> bytes:
    if compression == "gzip":
        return zlib.compress(body, _LEVEL, _GZIP_WINDOW)
    if compression == "deflate":
        return zlib.compress(body, _LEVEL, _DEFLATE_WINDOW)
    return body
