"""Endpoints that are away, slow, wrong, refuse or misbehave: what was emitted arrives, once.

Ids are unique. They are counted in the files of a real Collector, which is only ever ended by
SIGTERM, or at a server that does what a Collector can't be made to do. A record may arrive twice
only where the acknowledgement was lost, and then the ledger has counted it as sent again.
"""

import socket
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import grpc
import pytest
from support.emitting import SERVICE, ids_in, records_in
from support.far_side import CollectorProcess
from support.instrumented import run_python
from support.misbehaving import (
    Accept,
    AcceptThenClose,
    Answer,
    Close,
    Fail,
    GrpcServer,
    Hang,
    HttpServer,
    Partial,
    Reset,
    Slow,
    TooLargeAbove,
    certificates,
)
from support.ports import free_ports

from otel_distro.delivery.transport import http

HTTP, GRPC = "http/protobuf", "grpc"
SERVERS = {HTTP: HttpServer, GRPC: GrpcServer}
Code = grpc.StatusCode

over_both = pytest.mark.parametrize("protocol", SERVERS)


def opened(emitter_to, server, **endpoint):
    protocol = HTTP if isinstance(server, HttpServer) else GRPC
    return emitter_to(endpoint.pop("url", server.url()), protocol, **endpoint)


def arrives_once(emitter, server) -> None:
    """All that was emitted has arrived at the server, once, and nothing else became of it."""
    assert emitter.pipeline.flush(10)
    assert sorted(ids_in(server.accepted["traces"])) == list(range(emitter.emitted))
    assert emitter.balance.exported == emitter.emitted
    assert not emitter.balance.dropped


@over_both
@pytest.mark.parametrize("take", [False, True], ids=["not taken", "taken"])
def test_an_endpoint_that_never_answers_costs_its_timeout_and_keeps_the_records(
    emitter_to, protocol, take
):
    with SERVERS[protocol]() as server:
        server.otherwise = Hang(take=take)
        emitter = opened(emitter_to, server, timeout_s=0.5)
        emitter.emit(300)
        began = time.monotonic()
        assert not emitter.pipeline.flush(5)
        emitter.emit(300)
        assert not emitter.pipeline.flush(5)
        assert time.monotonic() - began < 10
        emitter.pipeline.persist(1)
        assert emitter.balance.spooled == 600
        server.otherwise = Accept()
        assert emitter.pipeline.flush(10)
        there = ids_in(server.accepted["traces"])
        assert set(there) == set(range(600))
        assert emitter.balance.exported == 600
        assert emitter.balance.resent >= 300
        assert take or len(there) == 600
        assert len(there) - 600 <= emitter.balance.resent
        begin, end = emitter.said
        assert "did not answer within 0.5 s" in begin
        assert "takes telemetry again" in end


def http_date() -> dict[str, str]:
    # To whole seconds: at least one of the two remains.
    return {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)}


WAITS = {
    "429, seconds": (HTTP, lambda: Answer(429, headers={"Retry-After": "1"})),
    "503, seconds": (HTTP, lambda: Answer(503, headers={"Retry-After": "1"})),
    "503, date": (HTTP, lambda: Answer(503, headers=http_date())),
    "UNAVAILABLE": (GRPC, lambda: Fail(Code.UNAVAILABLE, retry_after_s=1)),
    "RESOURCE_EXHAUSTED": (GRPC, lambda: Fail(Code.RESOURCE_EXHAUSTED, retry_after_s=1)),
}


@pytest.mark.parametrize("case", WAITS)
def test_an_endpoint_that_asks_to_wait_is_left_alone_for_so_long(emitter_to, case):
    protocol, asks_to_wait = WAITS[case]
    times = []

    def script(_request):
        times.append(time.monotonic())
        return asks_to_wait() if len(times) == 1 else Accept()

    with SERVERS[protocol]() as server:
        server.script = script
        emitter = opened(emitter_to, server)
        emitter.emit(100)
        emitter.wait_for(lambda: emitter.balance.spooled == 100)
        # Even who wants it now gets it later.
        assert not emitter.pipeline.flush(0.2)
        emitter.wait_for(lambda: emitter.balance.exported == 100)
        arrives_once(emitter, server)
        assert 0.99 < times[1] - times[0] < 10
        assert emitter.said == []


def test_processes_that_were_asked_to_wait_do_not_come_back_together(emitter_to):
    times: dict[str, list[float]] = {}

    def script(request):
        of_process = times.setdefault(request.headers["x-process"], [])
        of_process.append(time.monotonic())
        return Answer(503, headers={"Retry-After": "1"}) if len(of_process) == 1 else Accept()

    with HttpServer() as server:
        server.script = script
        emitters = [
            opened(emitter_to, server, headers={"x-process": str(n)}, settings={"spool": None})
            for n in range(10)
        ]
        for emitter in emitters:
            emitter.emit(1)
        for emitter in emitters:
            emitter.wait_for(lambda emitter=emitter: emitter.balance.exported == 1)
    waits = [second - first for first, second in times.values()]
    assert min(waits) > 0.99
    assert max(waits) - min(waits) > 0.02


REFUSED = {
    "400": (HTTP, Answer(400), "/v1/traces", "it does not take the request"),
    "404": (HTTP, Answer(404), "/v1/traces", "is it the port of OTLP over HTTP (mostly 4318)?"),
    "404, path": (HTTP, Answer(404), "/v1/trace", "the URL has to end in /v1/traces"),
    "INVALID_ARGUMENT": (GRPC, Fail(Code.INVALID_ARGUMENT, "no"), "", "it said: no"),
    "UNIMPLEMENTED": (GRPC, Fail(Code.UNIMPLEMENTED), "", "it takes no traces over gRPC"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_not_sent_again_but_counted_and_explained_once(emitter_to, case):
    protocol, behavior, path, words = REFUSED[case]
    with SERVERS[protocol]() as server:
        server.otherwise = behavior
        base = server.url().removesuffix("/v1/traces")
        emitter = opened(emitter_to, server, url=base + path)
        emitter.emit(100)
        assert emitter.pipeline.flush(5)
        emitter.emit(100)
        assert emitter.pipeline.flush(5)
        reason = case.partition(",")[0]
        assert emitter.balance.dropped == {reason: 200}
        assert len(server.requests) == 2
        (line,) = emitter.said
        assert words in line
        assert "refused 100 records of traces" in line


FORBIDDEN = {
    "401": (HTTP, Answer(401), "a token is missing or not known"),
    "403": (HTTP, Answer(403), "the token is refused"),
    "UNAUTHENTICATED": (GRPC, Fail(Code.UNAUTHENTICATED), "a token is missing or not known"),
    "PERMISSION_DENIED": (GRPC, Fail(Code.PERMISSION_DENIED), "the token is refused"),
}


@pytest.mark.parametrize("case", FORBIDDEN)
def test_what_a_wrong_token_holds_up_is_kept_until_it_is_known(emitter_to, case):
    protocol, behavior, words = FORBIDDEN[case]
    with SERVERS[protocol]() as server:
        server.otherwise = behavior
        emitter = opened(emitter_to, server, headers={"authorization": "Bearer hidden-token"})
        emitter.emit(100)
        emitter.wait_for(lambda: emitter.balance.spooled == 100)
        # What goes wrong for a moment would have been tried again by now.
        time.sleep(0.7)
        assert len(server.requests) == 1
        assert not emitter.pipeline.flush(5)
        assert len(server.requests) == 2
        (line,) = emitter.said
        assert words in line
        assert "OTEL_EXPORTER_OTLP_HEADERS" in line
        assert "hidden" not in line
        server.otherwise = Accept()
        arrives_once(emitter, server)


@over_both
def test_requests_that_are_too_large_are_split_until_they_fit(emitter_to, protocol):
    with SERVERS[protocol]() as server:
        server.otherwise = TooLargeAbove(20_000)
        emitter = opened(emitter_to, server)
        emitter.emit(500, note="x" * 200)
        arrives_once(emitter, server)
        assert len(server.accepted["traces"]) > 5
        spans = records_in(server.accepted["traces"])
        assert {a.value.string_value for s in spans for a in s.attributes if a.key == "note"} == {
            "x" * 200
        }
        assert emitter.said == []


@over_both
def test_of_a_record_that_is_too_large_for_any_request_the_texts_are_cut(emitter_to, protocol):
    with SERVERS[protocol]() as server:
        server.otherwise = TooLargeAbove(20_000)
        emitter = opened(emitter_to, server)
        emitter.emit(20, note="short")
        (giant,) = emitter.emit(1, note="x" * 1_000_000)
        emitter.emit(20, note="short")
        arrives_once(emitter, server)
        for span in records_in(server.accepted["traces"]):
            found = {one.key: one.value for one in span.attributes}
            note = found["note"].string_value
            if found["id"].int_value == giant:
                assert note.startswith("xxxxxxxx")
                assert note.endswith("…[truncated]")
                assert len(note) < 20_000
            else:
                assert note == "short"


@over_both
def test_a_record_that_cannot_be_made_small_enough_goes_alone_and_is_counted(emitter_to, protocol):
    with SERVERS[protocol]() as server:
        server.otherwise = TooLargeAbove(3000)
        emitter = opened(emitter_to, server)
        emitter.emit(5)
        (hopeless,) = emitter.emit(1, **{f"key{n}": "x" * 60 for n in range(100)})
        emitter.emit(5)
        assert emitter.pipeline.flush(10)
        assert emitter.balance.dropped == {"too_large": 1}
        there = ids_in(server.accepted["traces"])
        assert sorted(there) == [one for one in range(11) if one != hopeless]
        (line,) = emitter.said
        assert "refused 1 records of traces" in line


@over_both
def test_what_a_partial_success_rejects_is_counted_and_not_sent_again(emitter_to, protocol):
    with SERVERS[protocol]() as server:
        server.otherwise = Partial(3, "no room for these")
        emitter = opened(emitter_to, server)
        emitter.emit(100)
        assert emitter.pipeline.flush(5)
        assert emitter.balance.exported == 97
        assert emitter.balance.dropped == {"rejected": 3}
        assert len(server.requests) == 1
        (line,) = emitter.said
        assert "refused 3 records of traces: no room for these" in line


TLS = {
    "unknown authority": "of an authority that is not trusted here",
    "expired": "shows a certificate that has expired",
    "other host": "shows a certificate for another host name",
    "no client certificate": "client certificate",
}


@over_both
@pytest.mark.parametrize("case", TLS)
def test_a_certificate_that_is_wrong_is_named_once_and_nothing_lost(
    emitter_to, tmp_path, protocol, case
):
    good, other = certificates(tmp_path / "good"), certificates(tmp_path / "other")
    bad = {
        "unknown authority": other,
        "expired": certificates(tmp_path / "expired", expired=True),
        "other host": certificates(tmp_path / "elsewhere", "elsewhere.example"),
        "no client certificate": good,
    }[case]
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes((good if case == "unknown authority" else bad).authority.read_bytes())
    wants_client = case == "no client certificate"
    with SERVERS[protocol](tls=bad, wants_client_certificate=wants_client) as server:
        emitter = opened(emitter_to, server, certificate=str(trusted))
        emitter.emit(100)
        for _ in range(3):
            assert not emitter.pipeline.flush(3)
        assert emitter.balance.spooled == 100
        (line,) = emitter.said
        assert TLS[case] in line
    trusted.write_bytes(good.authority.read_bytes())
    with SERVERS[protocol](tls=good, port=server.port) as mended:
        arrives_once(emitter, mended)


def test_a_name_that_is_not_found_for_a_while_loses_nothing(emitter_to, monkeypatch):
    look_up, known = socket.getaddrinfo, threading.Event()

    def getaddrinfo(host, *args, **more):
        if host == "collector.example":
            if not known.is_set():
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = "127.0.0.1"
        return look_up(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with HttpServer() as server:
        emitter = opened(emitter_to, server, url=server.url(host="collector.example"))
        emitter.emit(100)
        emitter.wait_for(lambda: emitter.balance.spooled == 100)
        assert not emitter.pipeline.flush(3)
        known.set()
        emitter.emit(100)
        arrives_once(emitter, server)
        begin, end = emitter.said
        assert "the name collector.example is not known" in begin
        assert "takes telemetry again" in end


BREAKS = {
    "in the middle of the body": (Reset(after=100), False),
    "after the body": (Reset(), False),
    "after the body, which was taken": (Reset(take=True), True),
    "closed after the body": (Close(), False),
    "closed after the body, which was taken": (Close(take=True), True),
}


@pytest.mark.parametrize("case", BREAKS)
def test_a_connection_that_breaks_loses_nothing(emitter_to, case):
    behavior, taken = BREAKS[case]
    with HttpServer() as server:
        server.script = [behavior, behavior]
        emitter = opened(emitter_to, server)
        emitter.emit(100)
        emitter.wait_for(lambda: emitter.balance.exported == 100)
        there = ids_in(server.accepted["traces"])
        assert set(there) == set(range(100))
        assert len(there) == (300 if taken else 100)
        assert len(there) - 100 <= emitter.balance.resent


def test_a_connection_that_was_closed_while_it_rested_is_replaced(emitter_to):
    with HttpServer() as server:
        server.otherwise = AcceptThenClose()
        emitter = opened(emitter_to, server)
        for _ in range(3):
            emitter.emit(100)
            assert emitter.pipeline.flush(5)
        arrives_once(emitter, server)
        assert len({request.connection for request in server.requests}) == 3
        assert emitter.balance.resent == 0
        assert emitter.said == []


def test_a_connection_that_died_without_a_word_is_given_up_and_replaced(emitter_to):
    first = []

    def script(request):
        first.append(request.connection)
        # The other side is gone: it takes nothing and never answers, only new ones get through.
        return Hang() if len(first) > 1 and request.connection == first[0] else Accept()

    with HttpServer() as server:
        server.script = script
        emitter = opened(emitter_to, server, timeout_s=0.5)
        emitter.emit(100)
        assert emitter.pipeline.flush(5)
        emitter.emit(100)
        emitter.wait_for(lambda: emitter.balance.exported == 200)
        arrives_once(emitter, server)
        assert emitter.balance.resent == 100
        assert emitter.said == []


def test_a_connection_that_rested_for_long_is_not_trusted(emitter_to, monkeypatch):
    monkeypatch.setattr(http, "_LONGEST_REST_S", 0.1)
    with HttpServer() as server:
        emitter = opened(emitter_to, server)
        emitter.emit(100)
        assert emitter.pipeline.flush(5)
        time.sleep(0.2)
        emitter.emit(100)
        arrives_once(emitter, server)
        assert [request.connection for request in server.requests] == [1, 2]


MIXED_UP = {
    "gRPC's port over HTTP": (HTTP, "speaks gRPC, not HTTP: use OTEL_EXPORTER_OTLP_PROTOCOL=grpc"),
    "HTTP's port over gRPC": (GRPC, "speaks HTTP, not gRPC: use OTEL_EXPORTER_OTLP_PROTOCOL=http"),
}


@pytest.mark.collector
@pytest.mark.parametrize("case", MIXED_UP)
def test_the_port_of_the_other_protocol_is_recognized_and_put_right_by_the_next_process(
    emitter_to, tmp_path, case
):
    protocol, words = MIXED_UP[case]
    with CollectorProcess(tmp_path / "collector") as collector:
        by_http, by_grpc = f"{collector.http}/v1/traces", collector.grpc
        wrong = f"{by_grpc}/v1/traces" if protocol == HTTP else collector.http
        emitter = emitter_to(wrong, protocol)
        emitter.emit(100)
        for _ in range(3):
            assert not emitter.pipeline.flush(3)
        assert emitter.balance.spooled == 100
        (line,) = emitter.said
        assert words in line
        emitter.close()
        other = emitter_to(*((by_grpc, GRPC) if protocol == HTTP else (by_http, HTTP)))
        other.emitted = 100
        other.emit(1)
        assert other.pipeline.flush(5)
        other.wait_for(lambda: other.balance.exported == 101)
        collector.stop()
        assert sorted(int(s.attributes["id"]) for s in collector.spans()) == list(range(101))


@pytest.mark.collector
def test_of_a_full_spool_the_oldest_go_counted_and_failures_last(emitter_to, tmp_path):
    collector = CollectorProcess(tmp_path / "collector")
    emitter = emitter_to(f"{collector.http}/v1/traces", max_mib=1)
    failures = []
    for _ in range(100):
        emitter.emit(38, note="x" * 1000)
        failures += emitter.emit(2, failed=True, note="x" * 1000)
        emitter.pipeline.persist(1)
        files = [one for one in (tmp_path / "spool").rglob("*") if one.is_file()]
        assert sum(one.stat().st_size for one in files) < 1.05 * 2**20
    balance = emitter.balance
    assert set(balance.dropped) == {"spool_full"}
    assert balance.spooled == 4000 - balance.lost
    assert 500 < balance.spooled < 1100
    with collector:
        assert emitter.pipeline.flush(20)
        collector.stop()
    there = [int(one.attributes["id"]) for one in collector.spans()]
    assert len(there) == len(set(there)) == balance.spooled
    assert emitter.balance.exported == balance.spooled
    assert set(failures) <= set(there)
    others = [one for one in there if one not in set(failures)]
    assert others == sorted(others)
    newest = [one for one in range(4000) if one not in set(failures)][-len(others) :]
    # The file that is about to be sent stays as well: 64 KiB, and what was written at once.
    assert len(set(others) - set(newest)) <= 150


UNSTARTABLE = {
    "neither": ("blipee-otel writer", "blipee-otel sender"),
    "only the writer": ("blipee-otel sender",),
}


@pytest.fixture
def no_threads(monkeypatch):
    """Lets threads of these names not start."""
    start_thread = threading.Thread.start

    def let(*names):
        def start_or_not(thread):
            if thread.name in names:
                raise RuntimeError("can't start new thread")
            start_thread(thread)

        monkeypatch.setattr(threading.Thread, "start", start_or_not)

    return let


@pytest.mark.parametrize("case", UNSTARTABLE)
def test_threads_that_cannot_be_started_are_started_later(emitter_to, no_threads, case):
    with HttpServer() as server:
        emitter = opened(emitter_to, server)
        no_threads(*UNSTARTABLE[case])
        emitter.emit(1000)
        assert not emitter.pipeline.flush(0.2)
        assert emitter.balance.exported == 0
        no_threads()
        time.sleep(1.1)
        emitter.emit(1)
        emitter.wait_for(lambda: emitter.balance.exported == 1001)
        arrives_once(emitter, server)


@pytest.mark.parametrize("case", UNSTARTABLE)
def test_without_threads_to_the_end_all_is_delivered_at_the_end(emitter_to, no_threads, case):
    with HttpServer() as server:
        emitter = opened(emitter_to, server)
        no_threads(*UNSTARTABLE[case])
        emitter.emit(1000)
        emitter.pipeline.stop(5)
        assert sorted(ids_in(server.accepted["traces"])) == list(range(1000))
        assert emitter.balance.exported == 1000


LIMITED = """
import os, resource, threading, time
import otel_distro
from otel_distro.delivery.transport import open_transport
telemetry = otel_distro.configure(instrument=False)
from opentelemetry import trace
tracer = trace.get_tracer("limited")

def emit(first, count):
    for number in range(first, first + count):
        tracer.start_span("work", attributes={"id": number}).end()

_, most = resource.getrlimit(resource.RLIMIT_NPROC)
if os.geteuid() == 0:
    # The limit is not root's; and whoever else may not read what a request has yet to import.
    open_transport("traces", telemetry.settings.exports["traces"].endpoint).send(b"", 5)
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, most))
try:
    threading.Thread(target=print).start()
except RuntimeError:
    print("limited")
emit(0, 1000)
print(telemetry.force_flush(100))
resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
time.sleep(1.1)
emit(1000, 1)
print(telemetry.force_flush(10_000))
print(telemetry._pipeline.balance()["traces"].difference)
"""


def test_a_process_at_its_limit_of_threads_goes_on_and_delivers_later():
    with HttpServer() as server:
        done = run_python(
            LIMITED,
            instrumented=False,
            OTEL_SERVICE_NAME=SERVICE,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{server.host}",
            OTEL_METRICS_EXPORTER="none",
            OTEL_LOGS_EXPORTER="none",
            BLIPEE_OTEL_SPOOL="off",
        )
        assert (done.stderr, done.returncode) == ("", 0)
        assert done.stdout.split() == ["limited", "False", "True", "0"]
        assert sorted(ids_in(server.accepted["traces"])) == list(range(1001))


@pytest.mark.parametrize("up", [True, False], ids=["endpoint up", "endpoint down"])
def test_a_hundred_flushes_and_stops_at_once_are_over_soon_and_lose_nothing(emitter_to, up):
    with ExitStack() as stack:
        server = HttpServer(port=free_ports(1)[0])
        server.otherwise = Slow(0.2)
        if up:
            stack.enter_context(server)
        emitter = opened(emitter_to, server)
        emitter.emit(1000)
        gate, raised = threading.Barrier(101), []

        def call(number):
            gate.wait()
            try:
                if number % 2:
                    emitter.pipeline.flush(3)
                else:
                    time.sleep(0.05)  # while they flush
                    emitter.pipeline.stop(3)
            except BaseException as error:
                raised.append(error)

        threads = [threading.Thread(target=call, args=(n,)) for n in range(100)]
        for thread in threads:
            thread.start()
        gate.wait()
        began = time.monotonic()
        for thread in threads:
            thread.join(10)
        assert time.monotonic() - began < 10
        assert raised == []
        if up:
            assert sorted(ids_in(server.accepted["traces"])) == list(range(1000))
            assert emitter.balance.exported == 1000
        else:
            server = stack.enter_context(HttpServer(port=server.port))
            after = opened(emitter_to, server)
            after.emitted = 1000
            after.emit(1)
            after.wait_for(lambda: after.balance.exported == 1001)
            assert sorted(ids_in(server.accepted["traces"])) == list(range(1001))


def test_after_its_stop_a_pipeline_takes_calls_and_counts_what_comes_too_late(emitter_to):
    with HttpServer() as server:
        emitter = opened(emitter_to, server)
        emitter.emit(100)
        emitter.pipeline.stop(5)
        began = time.monotonic()
        emitter.pipeline.stop(5)
        emitter.emit(10)
        assert emitter.pipeline.flush(5)
        emitter.pipeline.persist(5)
        assert time.monotonic() - began < 10
        assert emitter.balance.exported == 100
        assert emitter.balance.dropped == {"stopped": 10}
        assert ids_in(server.accepted["traces"]) == list(range(100))
