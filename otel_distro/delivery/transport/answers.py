"""What an HTTP answer means for the request, by the OTLP specification."""

import math
import re
import time
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from otel_distro.delivery.signal import Signal
from otel_distro.delivery.transport.connection import Answer
from otel_distro.delivery.transport.diagnosis import SPEAKS_TLS, wants_tls
from otel_distro.delivery.transport.messages import partial_success
from otel_distro.delivery.transport.outcome import (
    Accepted,
    Outcome,
    Refused,
    TooLarge,
    Unavailable,
)
from otel_distro.delivery.transport.text import one_line, rejected_in, said_in

# A server that asks for more is not believed.
LONGEST_WAIT_S: Final = 3600.0
# https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes
_RETRYABLE: Final = frozenset({429, 502, 503, 504})
# The Collector says so with a 400.
_TOO_LARGE: Final = re.compile(
    r"(body|entity|payload|message|request) (is )?too large", re.IGNORECASE
)
# How the Collector says that it rejected nothing.
_ALL_TAKEN: Final = frozenset({b"", b"\x0a\x00", b"{}", b'{"partialSuccess":{}}'})


class Asked(NamedTuple):
    """What one needs to know of the request to explain its answer.

    Attributes:
        place: `host:port`.
        path_fits: Whether the path ends in `/v1/<signal>`.
        secrets: Not to be repeated.
    """

    signal: Signal
    place: str
    path_fits: bool
    secrets: tuple[str, ...]


def outcome_of(answer: Answer, asked: Asked) -> Outcome:
    """Judge an answer.

    Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
    """
    status = answer.status
    if 200 <= status < 300:  # noqa: PLR2004
        return _accepted(answer, asked)
    kind = answer.headers.get("content-type", "")
    said = said_in(answer.body, kind, asked.secrets)
    if status == 400 and wants_tls(said):  # noqa: PLR2004
        return Unavailable(f"{asked.place} {SPEAKS_TLS}", slowly=True)
    cause = f"{asked.place} answered {status}{_hint(answer, asked)}"
    if said:
        cause = f"{cause}; it said: {said}"
    if status in _RETRYABLE:
        return Unavailable(cause, after_s=wait_of(answer.headers.get("retry-after")))
    if status in {401, 403, 407} or status < 400:  # noqa: PLR2004
        return Unavailable(cause, slowly=True)
    if status == 413 or (status == 400 and _TOO_LARGE.search(said)):  # noqa: PLR2004
        return TooLarge(cause)
    return Refused(cause, reason=str(status))


def wait_of(retry_after: str | None) -> float | None:
    """Read `Retry-After`, seconds or an HTTP date, into 0 to 3600 seconds; None if unreadable."""
    if retry_after is None:
        return None
    try:
        return bounded(float(retry_after))
    except ValueError:
        pass
    try:
        return bounded(parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def bounded(seconds: float) -> float | None:
    """Bound what the other side asked for."""
    return None if math.isnan(seconds) else min(max(0.0, seconds), LONGEST_WAIT_S)


def _accepted(answer: Answer, asked: Asked) -> Accepted | Unavailable:
    if answer.body in _ALL_TAKEN:
        return Accepted()
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/html":
        # Of a login, or of an application's front end, which answers 200 to whatever it is sent.
        cause = f"{asked.place} answers with a web page: is it an OTLP endpoint?"
        return Unavailable(cause, slowly=True, perhaps_received=True)
    if kind == "application/json" or answer.body[:1] == b"{":
        rejected, message = rejected_in(answer.body)
    else:
        rejected, message = partial_success(answer.body)
    return Accepted(rejected, one_line(message, asked.secrets))


def _hint(answer: Answer, asked: Asked) -> str:
    status = answer.status
    if status in {404, 405}:
        if asked.path_fits:
            return ": is it the port of OTLP over HTTP (mostly 4318)?"
        return f": the URL has to end in /v1/{asked.signal}"
    if 300 <= status < 400:  # noqa: PLR2004
        return f", a redirect{_elsewhere(answer)}, which is not followed: set the endpoint to it"
    return {
        400: ": it does not take the request",
        401: ": a token is missing or not known; check OTEL_EXPORTER_OTLP_HEADERS",
        403: ": the token is refused; check OTEL_EXPORTER_OTLP_HEADERS",
        407: ": the proxy wants a user and password; check HTTP_PROXY",
        413: ": the request is too large for it",
        415: ": it takes no protobuf, or not the compression",
        429: ": it asks to send less",
        501: ": it takes no such requests",
    }.get(status, "")


def _elsewhere(answer: Answer) -> str:
    """Name the host of a redirect. Not its path or query, which may hold anything."""
    try:
        parts = urlsplit(answer.headers.get("location", ""))
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host:
        return ""
    return " " + one_line(f"to {parts.scheme}://{host}{f':{port}' if port else ''}")
