"""A server of OTLP that does what a Collector can't be made to do, over HTTP and over gRPC.

    with HttpServer() as server:
        server.script = [Answer(503, headers={"Retry-After": "1"}), Reset(), Accept()]
        ...  # three requests to server.url("traces")
        assert server.accepted["traces"] == [body]

Each request takes the next behavior of the script; after its end, and without one, it is
`server.otherwise`. In place of a list, `script` may be a function of the request. `accepted` keeps
the bodies that were taken, decompressed, by signal, in order; `requests` keeps all that came.
"""

import gzip
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import trustme
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from support.ports import free_ports

UNPACK = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Accept:
    """Take the request, and answer 200 / OK with this body."""

    body: bytes = b""
    content_type: str = PROTOBUF


@dataclass(frozen=True)
class Partial:
    """Take the request, and say that some of its records were rejected."""

    rejected: int
    message: str = ""

    def body(self) -> bytes:
        # Of all three signals the message has the same form.
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        partial = trace_service_pb2.ExportTracePartialSuccess(
            rejected_spans=self.rejected, error_message=self.message
        )
        return trace_service_pb2.ExportTraceServiceResponse(
            partial_success=partial
        ).SerializeToString()


@dataclass(frozen=True)
class Answer:
    """HTTP: answer with this status. Takes nothing."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fail:
    """gRPC: end the call with this code, and with a `RetryInfo` if a delay is given."""

    code: grpc.StatusCode
    details: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Hang:
    """Never answer (until the server is stopped). `take`: as if the request had been taken in."""

    take: bool = False


@dataclass(frozen=True)
class Slow:
    """Do something else after some seconds."""

    seconds: float
    then: "Behavior" = Accept()


@dataclass(frozen=True)
class Reset:
    """HTTP: reset the connection, after reading so many bytes of the body, or all of it.

    With `answer`, those bytes are sent first.
    """

    after: int | None = None
    take: bool = False
    answer: bytes = b""


@dataclass(frozen=True)
class Close:
    """HTTP: close the connection without an answer, after reading the request."""

    take: bool = False


@dataclass(frozen=True)
class Raw:
    """HTTP: send these bytes as they are, and close. With `every_s`, one byte at a time."""

    answer: bytes
    every_s: float = 0.0
    read: bool = True


@dataclass(frozen=True)
class TooLargeAbove:
    """Take bodies up to this size; answer 413 / RESOURCE_EXHAUSTED for what is larger."""

    size: int


@dataclass(frozen=True)
class AcceptThenClose:
    """HTTP: take the request, answer 200, and close the connection without having said so."""


Behavior = (
    Accept | AcceptThenClose | Answer | Close | Fail | Hang | Partial | Raw | Reset | Slow
    | TooLargeAbove
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What came: the headers (or metadata) in lower case, the body as it was before packing."""

    signal: str
    headers: dict[str, str]
    body: bytes
    target: str = ""
    packed_size: int = 0
    connection: int = 0


Script = Sequence[Behavior] | Callable[[Request], Behavior]


@dataclass(frozen=True)
class Certificates:
    """Files of an authority, of a server's certificate, and of a client's."""

    authority: Path
    server: Path
    client: Path


def certificates(folder: Path, *names: str, expired: bool = False) -> Certificates:
    """Issue certificates of a new authority; the server's for these names (default: loopback)."""
    authority = trustme.CA()
    until = datetime.now(UTC) - timedelta(days=1)
    times = {"not_before": until - timedelta(days=9), "not_after": until} if expired else {}
    server = authority.issue_cert(*(names or ("localhost", "127.0.0.1")), **times)
    client = authority.issue_cert("client@example.com")
    folder.mkdir(parents=True, exist_ok=True)
    files = Certificates(folder / "ca.pem", folder / "server.pem", folder / "client.pem")
    authority.cert_pem.write_to_path(files.authority)
    server.private_key_and_cert_chain_pem.write_to_path(files.server)
    client.private_key_and_cert_chain_pem.write_to_path(files.client)
    return files


class _Server:
    """What both servers share: the script and the record of what came."""

    def __init__(
        self,
        *,
        port: int | None = None,
        tls: Certificates | None = None,
        wants_client_certificate: bool = False,
    ) -> None:
        self.port = port or free_ports(1)[0]
        self.script: Script = []
        self.otherwise: Behavior = Accept()
        self.accepted: dict[str, list[bytes]] = defaultdict(list)
        self.requests: list[Request] = []
        self._tls = tls
        self._wants_client_certificate = wants_client_certificate
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._next = 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen. May be called again after `stop`, on the same port, with what came so far."""
        self._stopped = threading.Event()
        self._listen()

    def stop(self) -> None:
        """Stop listening, and end what hangs and what is connected."""
        self._end()

    def _listen(self) -> None:
        raise NotImplementedError

    def _end(self) -> None:
        raise NotImplementedError

    def _behavior(self, request: Request) -> Behavior:
        with self._lock:
            self.requests.append(request)
            script = self.script
            if not callable(script):
                at, self._next = self._next, self._next + 1
                return script[at] if at < len(script) else self.otherwise
        return script(request)

    def _coming(self) -> Behavior | None:
        """Look at the next behavior without taking it; None if a function is to say it."""
        with self._lock:
            if callable(self.script):
                return None
            return self.script[self._next] if self._next < len(self.script) else self.otherwise

    def _take(self, request: Request) -> None:
        with self._lock:
            self.accepted[request.signal].append(request.body)


class HttpServer(_Server):
    """OTLP over HTTP/1.1, with connections kept open."""

    def url(self, signal: str = "traces", host: str = "127.0.0.1") -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{host}:{self.port}/v1/{signal}"

    def _listen(self) -> None:
        self._connections: list[socket.socket] = []
        server = self

        class Handler(_Handler):
            owner = server

        self._http = _Listener(("127.0.0.1", self.port), Handler)
        if self._tls is not None:
            self._http.tls = _context(self._tls, self._wants_client_certificate)
        threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def _end(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._stopped.set()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    tls: ssl.SSLContext | None = None

    def finish_request(self, request, client_address):
        # In the connection's own thread, so that a bad handshake keeps nobody else waiting.
        if self.tls is not None:
            request.settimeout(10)
            try:
                request = self.tls.wrap_socket(request, server_side=True)
            except OSError:
                return
        with suppress(OSError, ValueError):
            super().finish_request(request, client_address)
        with suppress(OSError):
            request.close()

    def handle_error(self, request, client_address):
        """Say nothing: what goes wrong was asked for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: HttpServer

    def setup(self):
        super().setup()
        self.owner._connections.append(self.connection)
        self.number = len(self.owner._connections)

    def do_POST(self):
        size = int(self.headers["content-length"])
        # What is to happen in the middle of a body has to be known before it is read.
        now = self.owner._coming()
        early = isinstance(now, Reset) and now.after is not None
        unread = isinstance(now, Raw) and not now.read
        packed = self.rfile.read(now.after if early else 0 if unread else size)
        body = b"" if early or unread else UNPACK[self.headers["content-encoding"]](packed)
        request = Request(
            signal=self.path.rpartition("/")[2],
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            target=self.path,
            packed_size=len(packed),
            connection=self.number,
        )
        self.do(self.owner._behavior(request), request)

    def do_CONNECT(self):
        self.do(self.owner._behavior(Request("", dict(self.headers.items()), b"")), None)

    def do(self, behavior, request):  # noqa: C901, PLR0912 - one line for each
        if getattr(behavior, "take", False) or isinstance(
            behavior, Accept | AcceptThenClose | Partial
        ):
            self.owner._take(request)
        match behavior:
            case Accept(body, kind):
                self.answer(200, body, {"Content-Type": kind} if body else {})
            case AcceptThenClose():
                self.answer(200, b"", {})
                self.close_connection = True
            case Partial():
                self.answer(200, behavior.body(), {"Content-Type": PROTOBUF})
            case Answer(status, body, headers):
                self.answer(status, body, headers)
            case Slow(seconds, then):
                if not self.owner._stopped.wait(seconds):
                    self.do(then, request)
            case TooLargeAbove(size):
                small = request.packed_size <= size
                self.do(Accept() if small else Answer(413, b"too large"), request)
            case Hang():
                self.owner._stopped.wait()
                self.close_connection = True
            case Close():
                self.close_connection = True
            case Reset(answer=answer):
                self.connection.sendall(answer)
                time.sleep(0.05 if answer else 0)  # so that it is read before the reset
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True
            case Raw(answer, every_s):
                self.close_connection = True
                step = 1 if every_s else len(answer)
                for index in range(0, len(answer), step):
                    self.connection.sendall(answer[index : index + step])
                    if every_s and self.owner._stopped.wait(every_s):
                        return

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def _context(files: Certificates, wants_client_certificate: bool) -> ssl.SSLContext:  # noqa: FBT001
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.server)
    if wants_client_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(files.authority)
    return context


class GrpcServer(_Server):
    """OTLP over gRPC."""

    def url(self, host: str = "127.0.0.1") -> str:
        return f"{'http' if self._tls is None else 'https'}://{host}:{self.port}"

    def _listen(self) -> None:
        self._pool = ThreadPoolExecutor(16)
        # Without reuse, so that a port in use is an error and not a second listener.
        self._grpc = grpc.server(self._pool, [_Generic(self)], options=[("grpc.so_reuseport", 0)])
        if self._tls is None:
            self._grpc.add_insecure_port(self.host)
        else:
            pem = self._tls.server.read_bytes()  # has both the key and the chain
            credentials = grpc.ssl_server_credentials(
                [(pem, pem)],
                self._tls.authority.read_bytes() if self._wants_client_certificate else None,
                self._wants_client_certificate,
            )
            self._grpc.add_secure_port(self.host, credentials)
        self._grpc.start()

    def _end(self) -> None:
        done = self._grpc.stop(0)
        self._stopped.set()
        done.wait(5)
        self._pool.shutdown(wait=False)


class _Generic(grpc.GenericRpcHandler):
    def __init__(self, owner):
        self._owner = owner

    def service(self, details):
        # /opentelemetry.proto.collector.trace.v1.TraceService/Export
        name = details.method.split(".")[3]
        signal = {"trace": "traces"}.get(name, name)

        def answer(body, context):
            headers = dict(context.invocation_metadata())
            request = Request(signal, headers, body, details.method, len(body))
            return self.do(self._owner._behavior(request), request, context)

        return grpc.unary_unary_rpc_method_handler(answer)

    def do(self, behavior, request, context):  # noqa: C901 - one line for each
        if getattr(behavior, "take", False) or isinstance(behavior, Accept | Partial):
            self._owner._take(request)
        match behavior:
            case Accept(body):
                return body
            case Partial():
                return behavior.body()
            case Slow(seconds, then):
                self._owner._stopped.wait(seconds)
                return self.do(then, request, context)
            case TooLargeAbove(size) if len(request.body) <= size:
                return self.do(Accept(), request, context)
            case TooLargeAbove(size):
                text = f"grpc: received message larger than max ({len(request.body)} vs. {size})"
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
            case Hang():
                self._owner._stopped.wait()
                while context.is_active():  # until the stop has ended the call
                    time.sleep(0.01)
            case Fail(code, details, delay_s):
                if delay_s is not None:
                    context.set_trailing_metadata([_retry_info(code, details, delay_s)])
                context.abort(code, details)
        return b""


def _retry_info(code: grpc.StatusCode, details: str, delay_s: float) -> tuple[str, bytes]:
    info = RetryInfo()
    info.retry_delay.FromTimedelta(timedelta(seconds=delay_s))
    detail = Any()
    detail.Pack(info)
    status = Status(code=code.value[0], message=details, details=[detail])
    return "grpc-status-details-bin", status.SerializeToString()


class Relay:
    """Passes connections on to a port of this machine, and counts the bytes that were sent there.

    `cut` breaks what is connected, as a network would; new connections are passed on again.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.sent = 0
        self.host = f"127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def cut(self) -> None:
        """Close all that is connected."""
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                client.close()
                continue
            self._sockets += (client, server)
            for pair in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, one: socket.socket, other: socket.socket, sending: bool) -> None:  # noqa: FBT001
        with suppress(OSError):
            while data := one.recv(65536):
                self.sent += len(data) if sending else 0
                other.sendall(data)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        one.close()
