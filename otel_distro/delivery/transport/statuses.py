"""What a gRPC status means for the request, by the OTLP specification."""

from typing import Final, NamedTuple

from otel_distro.delivery.signal import Signal
from otel_distro.delivery.transport import diagnosis
from otel_distro.delivery.transport.answers import bounded
from otel_distro.delivery.transport.messages import retry_delay_s
from otel_distro.delivery.transport.outcome import Outcome, Refused, TooLarge, Unavailable
from otel_distro.delivery.transport.text import one_line

# https://opentelemetry.io/docs/specs/otlp/#failures-1
_RETRYABLE: Final = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "ABORTED", "OUT_OF_RANGE", "DATA_LOSS"}
)
_NOT_CONNECTED: Final = ("failed to connect to all addresses", "errors resolving", "resolution")
# How gRPC says that a call under way lost its connection, in the versions of its C core.
_LOST: Final = (
    "socket closed", "connection reset", "broken pipe", "goaway", "rst_stream", "stream removed",
    "cancelling all calls", "endpoint", "recvmsg", "sendmsg", "connection closed", "keepalive",
)  # fmt: skip
_TOO_LARGE: Final = ("larger than max", "message too large", "too large")
_HINTS: Final = {
    "UNAUTHENTICATED": "a token is missing or not known; check OTEL_EXPORTER_OTLP_HEADERS",
    "PERMISSION_DENIED": "the token is refused; check OTEL_EXPORTER_OTLP_HEADERS",
    "RESOURCE_EXHAUSTED": "it asks to send less",
}


class Failure(NamedTuple):
    """How a call ended. `status` is an encoded `google.rpc.Status`, if there was one."""

    code: str
    details: str
    status: bytes


def outcome_of(  # noqa: PLR0911, PLR0913 - what one needs to know of the call
    failure: Failure,
    *,
    place: str,
    secure: bool,
    timeout_s: float,
    secrets: tuple[str, ...],
    signal: Signal,
) -> Outcome:
    """Judge a failed call.

    RESOURCE_EXHAUSTED without a `RetryInfo` is not retryable by the specification. Here it is, and
    slowly: servers say so of a quota that is used up for now, and what waits is not lost.

    Source: https://opentelemetry.io/docs/specs/otlp/#failures-1
    """
    code, details = failure.code, failure.details.lower()
    if details.startswith(_NOT_CONNECTED) or "name resolution" in details:
        return _not_connected(details, place, secure=secure)
    said = one_line(failure.details, secrets)
    delay_s = retry_delay_s(failure.status)
    after_s = None if delay_s is None else bounded(delay_s)
    if code == "DEADLINE_EXCEEDED" and details == "deadline exceeded":
        return Unavailable(
            f"{place} did not answer within {timeout_s:g} s", after_s, perhaps_received=True
        )
    hint = _HINTS.get(code, "")
    if code == "UNIMPLEMENTED":
        hint = f"it takes no {signal} over gRPC; is it an OTLP endpoint, with a pipeline for them?"
    cause = f"{place} answered {code}{f': {hint}' if hint else ''}"
    if said:
        cause = f"{cause}; it said: {said}"
    if code in _RETRYABLE:
        lost = any(words in details for words in _LOST)
        return Unavailable(cause, after_s, perhaps_received=lost)
    if code == "RESOURCE_EXHAUSTED":
        if any(words in details for words in _TOO_LARGE):
            return TooLarge(f"{place} answered {code}; it said: {said}")
        return Unavailable(cause, after_s, slowly=after_s is None)
    if code in {"UNAUTHENTICATED", "PERMISSION_DENIED"}:
        return Unavailable(cause, after_s, slowly=True)
    return Refused(cause, reason=code)


def _not_connected(details: str, place: str, *, secure: bool) -> Unavailable:
    host = place.rpartition(":")[0]
    if "resol" in details or "lookup" in details:
        return Unavailable(f"the name {host} is not known; check the endpoint")
    if "connection refused" in details:
        return Unavailable(diagnosis.nobody_listens(place))
    if "http/2" in details or "http1" in details or "settings" in details:
        return Unavailable(f"{place} {diagnosis.SPEAKS_HTTP}", slowly=True)
    if secure:
        tls = diagnosis.of_tls(details, place)
        if tls is not None:
            return tls
    if "timed out" in details or "timeout" in details:
        return Unavailable(f"{place} took no connection in time; is it blocked?")
    # gRPC keeps to itself what else it saw. It may as well be a server that is restarting.
    guess = "does it want a client certificate?" if secure else "is it a TLS port (https://)?"
    return Unavailable(f"{place} closed the connection before it was open; {guess}")
