"""Delivery without threads or sockets: records that are numbers, and an endpoint with a script."""

import errno
import itertools
import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ScopeLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from otel_distro.delivery.batching import Batching
from otel_distro.delivery.encoding import Chunk, Encoded
from otel_distro.delivery.encoding.wire import length_delimited
from otel_distro.delivery.endpoint import Endpoint
from otel_distro.delivery.engine import Engine
from otel_distro.delivery.model import DeliverySettings, SpoolSettings
from otel_distro.delivery.signal import SIGNALS
from otel_distro.delivery.transport import Accepted, Refused, TooLarge, Unavailable

RESOURCE = length_delimited(1, b"")
ACCEPTED = Accepted()
REFUSED = Refused("it does not like it", "400")
TOO_LARGE = TooLarge("too large")
AWAY = Unavailable("connection refused")
HANGS = Unavailable("no answer", perhaps_received=True)

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Item:
    """A record. Looks to the engine like a log record where it is a failure."""

    number: int
    size: int = 0
    failed: bool = False

    @property
    def log_record(self):
        return self

    @property
    def severity_number(self):
        return self

    @property
    def value(self):
        return 17 if self.failed else 9

    @property
    def status(self):
        return self

    @property
    def status_code(self):
        return type("Code", (), {"value": 2 if self.failed else 1})


def items(count, **more):
    return [Item(next(_numbers), **more) for _ in range(count)]


def _text(item):
    return f"{item.number} {'x' * item.size}"


def logs_chunk(*some, errors=False):
    records = [LogRecord(body=AnyValue(string_value=_text(item))) for item in some]
    scopes = length_delimited(2, ScopeLogs(log_records=records).SerializeToString())
    return Chunk(RESOURCE, scopes, len(some), errors)


def spans_chunk(*some, errors=False):
    spans = [Span(name=_text(item)) for item in some]
    scopes = length_delimited(2, ScopeSpans(spans=spans).SerializeToString())
    return Chunk(RESOURCE, scopes, len(some), errors)


def _encode(make):
    def encode(records):
        """As the real encoders: failures and others apart, ordered by their first record."""
        kinds = dict.fromkeys(item.failed for item in records)
        chunks = [
            make(*(item for item in records if item.failed is kind), errors=kind) for kind in kinds
        ]
        return Encoded(chunks, 0)

    return encode


ENCODE = {"traces": _encode(spans_chunk), "logs": _encode(logs_chunk)}


def numbers_in(body, signal):
    """Return the numbers of the records in a request, in order."""
    if signal == "traces":
        request = ExportTraceServiceRequest.FromString(body)
        texts = [
            span.name
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
    else:
        request = ExportLogsServiceRequest.FromString(body)
        texts = [
            record.body.string_value
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]
    return [int(text.split(" ")[0]) for text in texts]


def numbers_of(chunk, signal):
    return numbers_in(length_delimited(1, chunk.resource + chunk.scopes), signal)


class Killed(BaseException):
    """The process ends in the middle of a request."""


class ScriptedTransport:
    """Answers what its script says, then `otherwise`; an entry may be a function of the body.

    Attributes:
        arrived: Numbers of the records the endpoint has, in the order they came.
        perhaps: Numbers of those whose acknowledgement was lost.
        requests: For each request, its numbers and its outcome.
    """

    def __init__(self, signal, otherwise=ACCEPTED):
        self.signal = signal
        self.script = deque()
        self.otherwise = otherwise
        self.most_bytes = float("inf")
        self.arrived = []
        self.perhaps = set()
        self.requests = []
        self.timeouts = []
        self.closed = False

    def send(self, body, timeout_s):
        self.timeouts.append(timeout_s)
        numbers = numbers_in(body, self.signal)
        outcome = TOO_LARGE if len(body) > self.most_bytes else self._next(body)
        self.requests.append((numbers, outcome))
        match outcome:
            case Accepted(rejected, _):
                self.arrived += numbers[max(rejected, 0) :]
            case Unavailable(perhaps_received=True) | Killed():
                # The worst case: it has arrived, and nobody knows.
                self.arrived += numbers
                self.perhaps |= set(numbers)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _next(self, body):
        answer = self.script.popleft() if self.script else self.otherwise
        return answer(body) if callable(answer) else answer

    def close(self):
        self.closed = True


def batching(**more):
    return Batching(**{"max_export_batch_size": 8, "schedule_delay_ms": 0} | more)


class Parts:
    """An engine whose transports are scripted and whose records are items.

    Attributes:
        said: Notices.
    """

    def __init__(self, root=None, *, urls=None, notice=None, spool=None, **more):
        self.said = []
        urls = urls or dict.fromkeys(("traces", "logs"), "http://127.0.0.1:4318/v1/x")
        settings = DeliverySettings(
            endpoints={
                signal: Endpoint(url=url, protocol="http/protobuf") for signal, url in urls.items()
            },
            batching=dict.fromkeys(SIGNALS, batching(**more)),
            spool=SpoolSettings(**{"root": root, "service": "shop"} | (spool or {}))
            if root
            else None,
        )
        self.engine = Engine(settings, self._attend, notice or self._say)
        for source in self.engine.writer.sources:
            source.encode = ENCODE[source.lane.signal]
        self.sent = {}
        for route in self.engine.sender.routes:
            route.transport = self.sent[route.lane.signal] = ScriptedTransport(route.lane.signal)
        self.lanes = self.engine.lanes
        self.writer, self.sender = self.engine.writer, self.engine.sender
        self.routes = {route.lane.signal: route for route in self.sender.routes}
        self.queues = {"traces": self.engine.spans, "logs": self.engine.logs}

    def _say(self, key, text):
        self.said.append(text)

    def _attend(self):
        self.engine.alarm.ring()

    def put(self, some, signal="logs"):
        for item in some:
            self.queues[signal].put(item)
        return [item.number for item in some]

    def write(self, some, signal="logs"):
        """Put records and have them written, in chunks of a batch's size."""
        numbers = self.put(some, signal)
        self.writer.drain()
        return numbers

    def answer(self, *outcomes, signal="logs"):
        self.sent[signal].script.extend(outcomes)

    def time_passes(self):
        for route in self.routes.values():
            route.next_try = 0.0

    def send(self, most=100_000):
        """Send as long as there is something to send, without waiting for a better moment."""
        for _ in range(most):
            self.time_passes()
            if not self.sender.send_due():
                return
        raise AssertionError("it never ends")

    def fail_once(self, *signals, outcome=AWAY):
        """Have one request of each signal fail: what is fresh goes to the spool."""
        for signal in signals or ("logs",):
            self.answer(outcome, signal=signal)
        self.time_passes()
        self.sender.send_due()

    def adopt(self):
        self.engine.adopt()

    def balance(self, signal="logs"):
        return self.engine.balance()[signal]

    def adds_up(self):
        for signal, balance in self.engine.balance().items():
            assert balance.difference == 0, (signal, balance)
            assert balance.spooled >= 0, (signal, balance)
            assert balance.in_flight >= 0, (signal, balance)

    def die(self):
        """End without a word: the kernel closes the files."""
        self.engine.abandon()

    def unwritten(self, signal):
        """Return the numbers of the records that are in memory only."""
        loads = self.lanes[signal]._fresh.loads
        return {
            number
            for load in loads
            if load.stored is None
            for number in numbers_of(load.chunk, signal)
        }


def spool_files(root):
    return sorted(Path(root).rglob("*.otlp"))


def spool_bytes(root):
    return sum(path.lstat().st_size for path in Path(root).rglob("*") if path.is_file())


class Disk:
    """A disk that may be full.

    Attributes:
        is_full: Whether new bytes are refused, the first half of them written.
        is_broken: Whether bytes that are there cannot be changed either.
    """

    def __init__(self, monkeypatch):
        self.is_full = False
        self.is_broken = False
        self._pwrite = os.pwrite
        monkeypatch.setattr(os, "pwrite", self._write)

    def _write(self, fd, data, offset):
        if len(data) > 1 and self.is_full:
            if len(data) > 2:
                self._pwrite(fd, data[: len(data) // 2], offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.is_broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self._pwrite(fd, data, offset)
