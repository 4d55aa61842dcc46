"""Requests over HTTP that get no answer: bounded in time, explained, and perhaps received."""

import socket
import time
from http.client import HTTPConnection

import pytest
from support.misbehaving import Close, Hang, Raw, Reset, Slow
from support.ports import free_ports

from otel_distro.delivery.transport import Accepted, TooLarge, Unavailable, connection


def test_nobody_listens(send):
    (port,) = free_ports(1)
    assert send(f"http://127.0.0.1:{port}/v1/traces") == Unavailable(
        f"nothing listens on 127.0.0.1:{port}; is the Collector running?"
    )


def test_the_next_address_of_a_name_is_tried(http, send, monkeypatch):
    (closed,) = free_ports(1)
    both = [
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        for port in (closed, http.port)
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    assert send(http.url(host="collector.example")) == Accepted()


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (socket.EAI_NONAME, "the name collector.example is not known"),
        (socket.EAI_AGAIN, "can't be looked up now"),
    ],
)
def test_a_name_that_is_not_found(send, monkeypatch, number, says):
    def fails(*_, **__):
        raise socket.gaierror(number, "as the system says it")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    outcome = send("http://collector.example:4318/v1/traces")
    assert says in outcome.cause
    assert (outcome.slowly, outcome.perhaps_received) == (False, False)


def test_a_connection_that_is_not_taken(send, monkeypatch):
    class Blocked(socket.socket):
        def connect(self, _):
            raise TimeoutError

    monkeypatch.setattr(connection.socket, "socket", Blocked)
    outcome = send("http://127.0.0.1:4318/v1/traces", timeout_s=0.5)
    assert outcome == Unavailable("127.0.0.1:4318 took no connection within 0.5 s; is it blocked?")


@pytest.mark.parametrize(
    "behavior",
    [
        Hang(),
        Slow(20),
        Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", every_s=0.1),
        Raw(b"x" * 100, every_s=0.1),
    ],
)
def test_a_server_that_does_not_answer_in_time_may_have_received_it(http, send, behavior):
    http.otherwise = behavior
    began = time.monotonic()
    outcome = send(http.url(), timeout_s=0.5)
    assert time.monotonic() - began < 5
    assert outcome == Unavailable(f"{http.host} did not answer within 0.5 s", perhaps_received=True)


def test_a_body_that_drips_is_bounded_and_its_status_counts(http, send):
    http.otherwise = Raw(b"HTTP/1.1 503 No\r\ncontent-length: 99\r\n\r\n", every_s=0.001)
    began = time.monotonic()
    outcome = send(http.url(), timeout_s=0.5)
    assert time.monotonic() - began < 5
    assert "answered 503" in outcome.cause


def test_a_server_that_does_not_read_is_bounded_and_has_not_received_it(send):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        outcome = send(f"http://{place}/v1/traces", b"x" * 50_000_000, timeout_s=0.5)
        assert time.monotonic() - began < 5
    assert outcome == Unavailable(f"{place} did not answer within 0.5 s")


@pytest.mark.parametrize("behavior", [Reset(), Close(), Reset(answer=b"HTTP/1.1 2")])
def test_a_connection_that_breaks_after_the_request_may_have_received_it(http, send, behavior):
    http.otherwise = behavior
    outcome = send(http.url())
    assert isinstance(outcome, Unavailable)
    assert outcome.perhaps_received
    assert "closed the connection" in outcome.cause or "stopped in the middle" in outcome.cause


def test_a_reset_in_the_middle_of_the_body_has_not_received_it(http, send):
    http.otherwise = Reset(after=1000)
    outcome = send(http.url(), b"x" * 50_000_000)
    assert isinstance(outcome, Unavailable)
    assert not outcome.perhaps_received


def test_a_reset_after_a_success_was_said_is_a_success(http, send):
    http.otherwise = Reset(answer=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab")
    assert send(http.url()) == Accepted()


def test_a_server_that_answers_before_it_has_read_all_is_heard(http, send):
    answer = b"HTTP/1.1 413 No\r\ncontent-length: 3\r\n\r\nbig"
    http.otherwise = Reset(after=1000, answer=answer)
    assert isinstance(send(http.url(), b"x" * 50_000_000), TooLarge)


def test_something_that_is_not_http_is_said(http, send):
    http.otherwise = Raw(b"220 mail.example ESMTP\r\n")
    assert "is not HTTP" in send(http.url()).cause


def test_a_grpc_port_is_recognized(grpc_server, send):
    outcome = send(f"http://{grpc_server.host}/v1/traces")
    assert isinstance(outcome, Unavailable)
    assert outcome.slowly
    assert "speaks gRPC" in outcome.cause
    assert "4318" in outcome.cause
    assert not outcome.perhaps_received


def test_the_servers_own_client_gets_answers(http):
    """The misbehaving server behaves, unless it is told otherwise."""
    client = HTTPConnection(http.host, timeout=2)
    client.request("POST", "/v1/logs", b"x")
    assert client.getresponse().status == 200
    client.close()
