"""OTLP over gRPC: bytes as they are, by the generic calls of grpcio."""

import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from otel_distro.delivery.endpoint import Endpoint
from otel_distro.delivery.signal import Signal
from otel_distro.delivery.transport.headers import Mistake, checked, secrets, user_agent
from otel_distro.delivery.transport.outcome import Accepted, Outcome, Unavailable
from otel_distro.delivery.transport.proxies import is_this_machine

if TYPE_CHECKING:
    import grpc

_METHODS: Final[dict[Signal, str]] = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
_PORT: Final = 4317
_VERBOSITY: Final = "GRPC_VERBOSITY"
_IMPORTING: Final = threading.Lock()
# As with HTTP: what rested longer is opened anew, because it may be dead without being closed.
_LONGEST_REST_MS: Final = 30_000
# Channels of a parent process. To close or to collect one waits for threads that a child lacks.
_ABANDONED: Final[list[object]] = []


class GrpcTransport:
    """Sends by unary calls on one channel. See `Transport`.

    A channel that failed is closed, so that each `send` tries the endpoint anew: gRPC itself would
    repeat the last failure for up to two minutes before it looks again.
    """

    def __init__(self, signal: Signal, endpoint: Endpoint) -> None:
        self._signal = signal
        self._endpoint = endpoint
        self._channel: grpc.Channel | None = None
        self._call: Callable[..., tuple[bytes, Any]] | None = None
        self._process = os.getpid()

    def send(self, body: bytes, timeout_s: float) -> Outcome:
        """Send one request. Blocks for at most about `timeout_s`. Never raises."""
        try:
            outcome = self._send(body, timeout_s)
        except Mistake as mistake:
            outcome = Unavailable(str(mistake), slowly=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, the application goes on
            # Only its kind: the text may repeat a header.
            outcome = Unavailable(f"the request could not be made ({type(error).__name__})")
        if isinstance(outcome, Unavailable):
            self.close()
        return outcome

    def close(self) -> None:
        """Close the channel; a later `send` opens a new one. Never raises, nor waits in a child."""
        channel, self._channel, self._call = self._channel, None, None
        if channel is None:
            return
        if self._process != os.getpid():
            _ABANDONED.append(channel)
            return
        with suppress(Exception):  # it is given up either way
            channel.close()

    def _send(self, body: bytes, timeout_s: float) -> Outcome:
        grpc = load_grpc()
        from otel_distro.delivery.transport.messages import partial_success
        from otel_distro.delivery.transport.statuses import Failure, outcome_of
        from otel_distro.delivery.transport.text import one_line

        if self._process != os.getpid():
            self.close()
        target, secure = target_of(self._endpoint)
        headers = checked(self._endpoint.headers, "ascii")
        if self._call is None:
            self._open(target, secure=secure)
        assert self._call is not None  # noqa: S101 - for the type checker
        try:
            answer, _ = self._call(body, timeout=timeout_s, metadata=tuple(headers.items()))
        except grpc.RpcError as error:
            failure = Failure(
                code=error.code().name,
                details=error.details() or "",
                status=_status_bytes(error.trailing_metadata() or ()),
            )
            return outcome_of(
                failure,
                place=target,
                secure=secure,
                timeout_s=timeout_s,
                secrets=secrets(headers),
                signal=self._signal,
            )
        rejected, message = partial_success(answer)
        return Accepted(rejected, one_line(message, secrets(headers)))

    def _open(self, target: str, *, secure: bool) -> None:
        grpc = load_grpc()
        compression = (
            grpc.Compression.NoCompression
            if self._endpoint.compression == "none"
            else grpc.Compression[self._endpoint.compression.capitalize()]
        )
        options = (
            ("grpc.primary_user_agent", user_agent()),
            ("grpc.client_idle_timeout_ms", _LONGEST_REST_MS),
            # Otherwise a new channel inherits the connection, and the failure, of its like.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_send_message_length", -1),
            # gRPC finds proxies itself, and would ask them even for this machine.
            ("grpc.enable_http_proxy", int(not is_this_machine(_host_of(target)))),
        )
        if secure:
            channel = grpc.secure_channel(
                target, _credentials(self._endpoint), options=options, compression=compression
            )
        else:
            channel = grpc.insecure_channel(target, options=options, compression=compression)
        self._process = os.getpid()
        self._channel = channel
        self._call = channel.unary_unary(_METHODS[self._signal]).with_call


def target_of(endpoint: Endpoint) -> tuple[str, bool]:
    """Return where gRPC connects to, and whether by TLS.

    The scheme of the URL says it; without one `insecure` does, and TLS is the default.
    Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options
    """
    try:
        parts = urlsplit(endpoint.url)
        if parts.scheme not in {"http", "https"}:
            return endpoint.url.rpartition("@")[2], not endpoint.insecure
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise Mistake("the endpoint is not of the form http://host:port")
    secure = parts.scheme == "https"
    return f"{f'[{host}]' if ':' in host else host}:{port or (443 if secure else _PORT)}", secure


def _host_of(target: str) -> str:
    return target.rpartition(":")[0].strip("[]")


def load_grpc() -> Any:  # noqa: ANN401 - the module is untyped
    """Import gRPC, quietly.

    Its C core writes a line to stderr for each failed handshake, which the outcome says as well.
    It reads the variable once, when it is imported; if the application said something, or has
    imported it before, that stands.
    """
    if "grpc" not in sys.modules and _VERBOSITY not in os.environ:
        with _IMPORTING:
            os.environ[_VERBOSITY] = "ERROR"
            try:
                import grpc
            finally:
                os.environ.pop(_VERBOSITY, None)
            return grpc
    import grpc

    return grpc


def _credentials(endpoint: Endpoint) -> "grpc.ChannelCredentials":
    return load_grpc().ssl_channel_credentials(
        _pem(endpoint.certificate), _pem(endpoint.client_key), _pem(endpoint.client_certificate)
    )


def _pem(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise Mistake(f"the certificate {path} can't be used: {error.strerror}") from None
    if b"-----BEGIN " not in content:
        raise Mistake(f"the certificate {path} can't be used: it is no such file in PEM form")
    return content


def _status_bytes(metadata: Iterable[tuple[str, str | bytes]]) -> bytes:
    for name, value in metadata:
        if name == "grpc-status-details-bin" and isinstance(value, bytes):
            return value
    return b""
