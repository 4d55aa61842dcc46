"""What goes out over HTTP: path, headers, body, on a connection that is kept open."""

import re
import time

import pytest
from support.misbehaving import Accept, AcceptThenClose, Answer, Hang, Reset

from otel_distro.delivery.transport import Accepted, Unavailable


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_a_request_arrives_as_it_was_given(http, send, signal, compression):
    body = b"a body " * 1000
    assert send(http.url(signal), body, signal=signal, compression=compression) == Accepted()
    assert http.accepted == {signal: [body]}
    (request,) = http.requests
    assert request.headers.get("content-encoding", "none") == compression
    assert (request.packed_size < len(body) / 10) == (compression != "none")


def test_the_headers_are_those_of_the_specification_and_the_users(http, send):
    theirs = {"Content-Type": "text/plain", "Content-Length": "9", "Transfer-Encoding": "chunked"}
    assert send(http.url(), headers={"Api-Key": "secret\n", **theirs}) == Accepted()
    headers = http.requests[0].headers
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["content-length"] == "1"
    assert "transfer-encoding" not in headers
    assert headers["api-key"] == "secret"
    assert headers["host"] == http.host
    assert re.fullmatch(
        r"blipee-otel-distro/\S+ OTel-OTLP-Exporter-Python/\d\S+", headers["user-agent"]
    )


@pytest.mark.parametrize("size", [0, 1, 300_000, 3_000_000])
def test_bodies_of_any_size_arrive(http, send, size):
    assert send(http.url(), b"x" * size) == Accepted()
    assert [len(body) for body in http.accepted["traces"]] == [size]


def test_path_and_query_are_kept(http, send):
    send(http.url() + "?tenant=a b&x=%20é")
    assert http.requests[0].target == "/v1/traces?tenant=a%20b&x=%20%C3%A9"


def test_credentials_in_the_url_become_a_header(http, send):
    send(http.url().replace("//", "//me:p%40ss@"))
    assert http.requests[0].headers["authorization"] == "Basic bWU6cEBzcw=="


def test_requests_share_a_connection(http, transport_to):
    transport = transport_to(http.url())
    for _ in range(3):
        assert transport.send(b"x", 2) == Accepted()
    assert {request.connection for request in http.requests} == {1}


def test_a_connection_that_rested_too_long_is_opened_anew(http, transport_to, monkeypatch):
    transport = transport_to(http.url())
    transport.send(b"x", 2)
    later = time.monotonic() + 31
    monkeypatch.setattr("otel_distro.delivery.transport.http.time.monotonic", lambda: later)
    assert transport.send(b"x", 60) == Accepted()
    assert [request.connection for request in http.requests] == [1, 2]


def test_a_connection_that_the_server_closed_is_opened_anew(http, transport_to):
    http.script = [AcceptThenClose()]
    transport = transport_to(http.url())
    assert transport.send(b"1", 2) == Accepted()
    time.sleep(0.1)
    assert transport.send(b"2", 2) == Accepted()
    assert http.accepted["traces"] == [b"1", b"2"]


def test_a_server_that_was_restarted_is_found_again(http, transport_to):
    transport = transport_to(http.url())
    transport.send(b"1", 2)
    http.stop()
    assert isinstance(transport.send(b"lost", 2), Unavailable)
    http.start()
    assert transport.send(b"2", 2) == Accepted()
    assert http.accepted["traces"] == [b"1", b"2"]


@pytest.mark.parametrize("take", [False, True])
def test_what_may_have_been_received_is_not_sent_again_but_said(http, transport_to, take):
    http.script = [Accept(), Reset(take=take)]
    transport = transport_to(http.url())
    transport.send(b"1", 2)
    outcome = transport.send(b"2", 2)
    assert isinstance(outcome, Unavailable)
    assert outcome.perhaps_received
    assert len(http.requests) == 2


def test_a_rested_connection_that_takes_no_write_is_replaced_once(http, transport_to, monkeypatch):
    transport = transport_to(http.url())
    transport.send(b"1", 2)
    connection = transport._connection
    monkeypatch.setattr(connection, "is_quiet", lambda: True)
    connection._socket.shutdown(1)  # the next write fails
    assert transport.send(b"2", 2) == Accepted()
    assert http.accepted["traces"] == [b"1", b"2"]
    assert [request.connection for request in http.requests] == [1, 2]


def test_after_an_answer_too_long_the_connection_is_not_used_again(http, transport_to):
    http.script = [Answer(400, b"x" * 100_000)]
    transport = transport_to(http.url())
    transport.send(b"1", 2)
    assert transport._connection is None
    assert transport.send(b"2", 2) == Accepted()


def test_a_connection_that_the_server_wants_closed_is_closed(http, transport_to):
    http.script = [Answer(200, headers={"Connection": "close"})]
    transport = transport_to(http.url())
    assert transport.send(b"1", 2) == Accepted()
    assert transport._connection is None


def test_after_a_time_out_the_connection_is_not_used_again(http, transport_to):
    http.script = [Hang()]
    transport = transport_to(http.url())
    assert isinstance(transport.send(b"1", 0.2), Unavailable)
    assert transport.send(b"2", 2) == Accepted()


def test_a_closed_transport_opens_again(http, transport_to):
    transport = transport_to(http.url())
    transport.close()
    transport.send(b"1", 2)
    transport.close()
    transport.close()
    assert transport.send(b"2", 2) == Accepted()


def test_a_forked_process_does_not_share_the_connection(http, transport_to, monkeypatch):
    transport = transport_to(http.url())
    transport.send(b"1", 2)
    monkeypatch.setattr("otel_distro.delivery.transport.http.os.getpid", lambda: -1)
    assert transport.send(b"2", 2) == Accepted()
    assert [request.connection for request in http.requests] == [1, 2]


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"x-token": "s3cret\nmore"}, "'x-token'"),
        ({"x-token": "s3cret\x00"}, "'x-token'"),
        ({"x-token": "s3cret€"}, "'x-token'"),
        ({"Bearer s3cret": ""}, "the name of a header"),
        ({"": "s3cret"}, "the name of a header"),
    ],
)
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_header_that_cannot_be_sent_is_named_without_its_value(
    http, send, headers, named, protocol
):
    outcome = send(http.url(), headers=headers, protocol=protocol)
    assert isinstance(outcome, Unavailable)
    assert outcome.slowly
    assert named in outcome.cause
    assert "s3cret" not in repr(outcome)


@pytest.mark.parametrize(
    "url", ["", "localhost:4318", "http://", "ftp://host", "http://[", "http://h:x/"]
)
def test_an_endpoint_that_is_none_is_an_outcome(send, url):
    outcome = send(url)
    assert isinstance(outcome, Unavailable)
    assert outcome.slowly
    assert "http://host:port" in outcome.cause


def test_whatever_breaks_is_an_outcome_without_its_text(http, send, monkeypatch):
    def broken(*_):
        raise RecursionError("s3cret")

    monkeypatch.setattr("otel_distro.delivery.transport.http._packed", broken)
    outcome = send(http.url())
    assert outcome == Unavailable("the request could not be made (RecursionError)")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_transport_does_not_show_its_secrets(transport_to, protocol):
    url = "http://me:s3cret@127.0.0.1:1/v1/traces"
    transport = transport_to(url, protocol=protocol, headers={"k": "s3cret"})
    assert "s3cret" not in repr(transport)
    assert "s3cret" not in repr(transport.send(b"x", 1))
