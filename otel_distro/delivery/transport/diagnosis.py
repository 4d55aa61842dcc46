"""Why a request got no answer, in one sentence for a person, with what to do about it."""

import re
import socket
import ssl
from http.client import HTTPException
from typing import Final

from otel_distro.delivery.transport.connection import ProxyRefusedError, Route, UnansweredError
from otel_distro.delivery.transport.outcome import Unavailable

_CA: Final = "OTEL_EXPORTER_OTLP_CERTIFICATE"
_CLIENT: Final = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY"

# What OpenSSL says, and what it means. The first that matches.
_TLS: Final = (
    (r"certificate has expired", "shows a certificate that has expired: it has to be renewed"),
    (r"certificate is not yet valid", "shows a certificate that starts later: check the clocks"),
    (
        r"hostname mismatch|ip address mismatch|hostname verification",
        "shows a certificate for another host name: use the name that is in it",
    ),
    (
        r"certificate.verify.failed|self.signed",
        f"shows a certificate of an authority that is not trusted here: set {_CA} to its CA file",
    ),
    (
        r"alert.(handshake.failure|(bad.)?certificate|unknown.ca)",
        f"wants a client certificate that it knows: set {_CLIENT}",
    ),
    (
        r"alert.no.application.protocol",
        "speaks no HTTP/1.1, so it is most likely gRPC: use OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
    ),
    (
        r"wrong.version.number|record.layer.failure|http.request|unexpected.message|packet.length",
        "does not speak TLS: use http:// instead of https://",
    ),
    (r"protocol.version|unsupported.protocol", "speaks only an outdated version of TLS"),
)  # fmt: skip
_TLS_PORT: Final = re.compile(
    r"http request (was )?(sent )?to (an )?https (server|port)", re.IGNORECASE
)

SPEAKS_TLS: Final = "speaks TLS: use https:// instead of http://"
SPEAKS_GRPC: Final = (
    "speaks gRPC, not HTTP: use OTEL_EXPORTER_OTLP_PROTOCOL=grpc, "
    "or the port of OTLP over HTTP (mostly 4318)"
)
SPEAKS_HTTP: Final = (
    "speaks HTTP, not gRPC: use OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, "
    "or the port of OTLP over gRPC (mostly 4317)"
)


def unreachable(error: Exception, route: Route, timeout_s: float) -> Unavailable:
    """Explain why no connection could be opened: certainly nothing was received."""
    first = route.proxy or route
    place = f"{first.host}:{first.port}"
    if isinstance(error, ProxyRefusedError):
        return _refused_by_proxy(error.status, place, f"{route.host}:{route.port}")
    if route.proxy is not None:
        place = f"the proxy {place}"
    if isinstance(error, socket.gaierror):
        return Unavailable(_unknown_name(error, first.host))
    if isinstance(error, TimeoutError):
        return Unavailable(f"{place} took no connection within {timeout_s:g} s; is it blocked?")
    if isinstance(error, ConnectionRefusedError):
        return Unavailable(nobody_listens(place))
    through = f" through {place}" if route.proxy is not None else ""
    return _broken(error, f"{route.host}:{route.port}{through}")


def unanswered(
    failure: UnansweredError, route: Route, timeout_s: float, *, fresh: bool
) -> Unavailable:
    """Explain why a request got no answer; `fresh` if it was the first on its connection."""
    place = f"{route.host}:{route.port}"
    stranger = spoken(failure.heard)
    if stranger is not None:
        return Unavailable(f"{place} {stranger}", slowly=True)
    error = failure.error
    if isinstance(error, ssl.SSLError) and _tls_meaning(str(error)) is not None:
        return _broken(error, place)
    if isinstance(error, TimeoutError):
        return Unavailable(
            f"{place} did not answer within {timeout_s:g} s", perhaps_received=failure.written
        )
    if failure.heard:
        cause = f"{place} answered something that is not HTTP, or stopped in the middle"
    elif isinstance(error, ConnectionError | HTTPException | ssl.SSLError):
        cause = f"{place} closed the connection without an answer"
        if fresh:
            tls = "" if route.tls else "TLS (https://) or of "
            cause += f"; is it a port of {tls}gRPC (OTEL_EXPORTER_OTLP_PROTOCOL=grpc)?"
    else:
        cause = _broken(error, place).cause
    return Unavailable(cause, perhaps_received=failure.written)


def nobody_listens(place: str) -> str:
    """Explain a refused connection."""
    return f"nothing listens on {place}; is the Collector running?"


def spoken(heard: bytes) -> str | None:
    """Recognize another protocol by its first bytes, where HTTP/1 was expected."""
    # HTTP/2 opens with a frame of SETTINGS: three bytes of length, then its type.
    if len(heard) > 3 and heard[:1] == b"\x00" and heard[3] == 4:  # noqa: PLR2004
        return SPEAKS_GRPC
    if heard[:2] == b"\x15\x03":  # a TLS alert
        return SPEAKS_TLS
    return None


def wants_tls(said: str) -> bool:
    """Recognize the page by which servers answer plain HTTP on their TLS port."""
    return _TLS_PORT.search(said) is not None


def of_tls(text: str, place: str) -> Unavailable | None:
    """Explain a failed handshake by the words of OpenSSL or BoringSSL; None if it is none."""
    meaning = _tls_meaning(text)
    return None if meaning is None else Unavailable(f"{place} {meaning}", slowly=True)


def _tls_meaning(text: str) -> str | None:
    plain = text.replace("_", " ").lower()
    return next((meaning for words, meaning in _TLS if re.search(words, plain)), None)


def _broken(error: Exception, place: str) -> Unavailable:
    if isinstance(error, ssl.SSLError):
        known = of_tls(str(error), place)
        if known is not None:
            return known
        # A peer that just hangs up may be restarting; the rest needs a person.
        hung_up = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        return Unavailable(
            f"{place} and this process could not agree on TLS ({error.reason or 'hung up'})",
            slowly=not hung_up,
        )
    if isinstance(error, ConnectionError):
        return Unavailable(f"{place} closed the connection before it was open")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else ""
    return Unavailable(f"{place} can't be reached ({reason or type(error).__name__})")


def _unknown_name(error: socket.gaierror, host: str) -> str:
    if error.errno == socket.EAI_AGAIN:
        return f"the name {host} can't be looked up now: the name service does not answer"
    return f"the name {host} is not known; check the endpoint"


def _refused_by_proxy(status: int, proxy: str, place: str) -> Unavailable:
    if status in {401, 403, 407}:
        return Unavailable(
            f"the proxy {proxy} refused to connect to {place} (status {status}): "
            "check the user and password in HTTPS_PROXY",
            slowly=True,
        )
    if status == 0:
        return Unavailable(f"the proxy {proxy} answered something that is not HTTP", slowly=True)
    return Unavailable(f"the proxy {proxy} could not connect to {place} (status {status})")
