"""Requests over gRPC, and what the status of a call means."""

import threading

import grpc
import pytest
from support.misbehaving import (
    Accept,
    Answer,
    Fail,
    Hang,
    HttpServer,
    Partial,
    Relay,
    TooLargeAbove,
)
from support.ports import free_ports

from otel_distro.delivery.endpoint import Endpoint
from otel_distro.delivery.transport import Accepted, Refused, TooLarge, Unavailable
from otel_distro.delivery.transport.grpc import target_of

Code = grpc.StatusCode


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_a_request_arrives_as_it_was_given(grpc_server, call, signal):
    assert call(grpc_server.url(), b"a body", signal=signal) == Accepted()
    assert grpc_server.accepted == {signal: [b"a body"]}


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_bodies_are_compressed_on_the_way(grpc_server, call, compression):
    body = b"a body " * 50_000
    with Relay(grpc_server.port) as relay:
        assert call(f"http://{relay.host}", body, compression=compression) == Accepted()
    assert grpc_server.accepted["traces"] == [body]
    assert (relay.sent < len(body) / 10) == (compression != "none")


def test_headers_are_metadata_in_lower_case_and_the_sender_is_named(grpc_server, call):
    call(grpc_server.url(), headers={"Api-Key": " secret\n"})
    headers = grpc_server.requests[0].headers
    assert headers["api-key"] == "secret"
    assert headers["user-agent"].startswith("blipee-otel-distro/")
    assert " OTel-OTLP-Exporter-Python/" in headers["user-agent"]


@pytest.mark.parametrize(
    ("url", "insecure", "secure"),
    [
        ("http://c:1", False, False),
        ("https://c:1", True, True),
        ("c:1", None, True),
        ("c:1", True, False),
        ("c:1", False, True),
        ("unix:/run/c.sock", True, False),
    ],
)
def test_the_scheme_says_whether_by_tls_and_insecure_only_without_one(url, insecure, secure):
    target = target_of(Endpoint(url=url, protocol="grpc", insecure=insecure))
    assert target == (url.rpartition("//")[2], secure)


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_bodies_of_any_size_arrive(grpc_server, call, size):
    assert call(grpc_server.url(), b"x" * size) == Accepted()
    assert [len(body) for body in grpc_server.accepted["traces"]] == [size]


def test_this_machine_is_reached_without_a_proxy(grpc_server, call, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert call(grpc_server.url()) == Accepted()
    assert call(grpc_server.url(host="localhost")) == Accepted()


def test_another_machine_is_reached_through_the_proxy(call, monkeypatch, http):
    http.otherwise = Answer(502)
    monkeypatch.setenv("https_proxy", f"http://{http.host}")
    assert isinstance(call("http://192.0.2.1:4317"), Unavailable)
    assert http.requests


def test_a_partial_success_counts_what_was_rejected(grpc_server, call):
    grpc_server.script = [Accept(b"\x0a\x00"), Partial(3, "too\nlong s3cret")]
    assert call(grpc_server.url()) == Accepted()
    assert call(grpc_server.url(), headers={"k": "s3cret"}) == Accepted(3, "too long …")


RETRYABLE = [
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
    "ABORTED",
    "OUT_OF_RANGE",
    "DATA_LOSS",
]


@pytest.mark.parametrize("code", RETRYABLE)
def test_retryable_codes_are_tried_again_when_the_server_asks(grpc_server, call, code):
    grpc_server.script = [Fail(Code[code], "later"), Fail(Code[code], "later", 7.5)]
    first, second = call(grpc_server.url()), call(grpc_server.url())
    assert first == Unavailable(f"{grpc_server.host} answered {code}; it said: later")
    assert second.after_s == 7.5


@pytest.mark.parametrize(("asked", "given"), [(-5, 0), (10**9, 3600)])
def test_what_the_server_asks_for_is_bounded(grpc_server, call, asked, given):
    grpc_server.otherwise = Fail(Code.UNAVAILABLE, "later", asked)
    assert call(grpc_server.url()).after_s == given


def test_a_quota_with_a_hint_is_tried_when_it_says_and_without_one_slowly(grpc_server, call):
    grpc_server.script = [
        Fail(Code.RESOURCE_EXHAUSTED, "quota"),
        Fail(Code.RESOURCE_EXHAUSTED, "quota", 3),
    ]
    first, second = call(grpc_server.url()), call(grpc_server.url())
    assert (first.after_s, first.slowly) == (None, True)
    assert (second.after_s, second.slowly) == (3, False)


@pytest.mark.parametrize(
    "text", ["Message too large", "SERVER: Received message larger than max (9 vs. 4)"]
)
def test_what_is_too_large_is_told_apart(grpc_server, call, text):
    grpc_server.script = [Fail(Code.RESOURCE_EXHAUSTED, text), TooLargeAbove(10), TooLargeAbove(10)]
    assert isinstance(call(grpc_server.url()), TooLarge)
    assert isinstance(call(grpc_server.url(), b"x" * 11), TooLarge)
    assert call(grpc_server.url(), b"x" * 10) == Accepted()


def test_what_the_real_limit_of_grpc_says_is_too_large(grpc_server, call):
    assert isinstance(call(grpc_server.url(), b"x" * 5_000_000), TooLarge)


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "PERMISSION_DENIED"])
def test_a_token_that_is_missing_or_refused_is_tried_again_slowly(grpc_server, call, code):
    grpc_server.otherwise = Fail(Code[code], "who is s3cret?")
    outcome = call(grpc_server.url(), headers={"authorization": "Bearer s3cret"})
    assert isinstance(outcome, Unavailable)
    assert outcome.slowly
    assert "token" in outcome.cause
    assert "who is …?" in outcome.cause


@pytest.mark.parametrize(
    "code",
    ["INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "UNIMPLEMENTED",
     "INTERNAL", "UNKNOWN"],
)  # fmt: skip
def test_other_codes_are_final(grpc_server, call, code):
    grpc_server.otherwise = Fail(Code[code], "because\x07")
    outcome = call(grpc_server.url())
    assert isinstance(outcome, Refused)
    assert outcome.reason == code
    assert outcome.cause.endswith("it said: because")


def test_nobody_listens(call):
    (port,) = free_ports(1)
    assert call(f"http://127.0.0.1:{port}") == Unavailable(
        f"nothing listens on 127.0.0.1:{port}; is the Collector running?"
    )


def test_a_name_that_is_not_known(call):
    outcome = call("http://nowhere.invalid:4317", timeout_s=10)
    assert "nowhere.invalid" in outcome.cause
    assert (outcome.slowly, outcome.perhaps_received) == (False, False)


def test_a_server_that_does_not_answer_in_time_may_have_received_it(grpc_server, call):
    grpc_server.otherwise = Hang()
    assert call(grpc_server.url(), timeout_s=0.3) == Unavailable(
        f"{grpc_server.host} did not answer within 0.3 s", perhaps_received=True
    )


def test_a_server_that_stops_in_the_middle_may_have_received_it(grpc_server, call):
    def stops(_):
        threading.Thread(target=grpc_server.stop).start()
        return Hang()

    grpc_server.script = stops
    outcome = call(grpc_server.url(), timeout_s=5)
    assert isinstance(outcome, Unavailable)
    assert outcome.perhaps_received


def test_a_server_that_comes_back_is_found_at_the_next_request(grpc_server, transport_to):
    transport = transport_to(grpc_server.url(), protocol="grpc")
    assert transport.send(b"1", 2) == Accepted()
    grpc_server.stop()
    for _ in range(3):
        assert isinstance(transport.send(b"lost", 2), Unavailable)
    grpc_server.start()
    assert transport.send(b"2", 2) == Accepted()
    assert grpc_server.accepted["traces"] == [b"1", b"2"]


def test_requests_share_a_channel_and_a_closed_transport_opens_another(grpc_server, transport_to):
    transport = transport_to(grpc_server.url(), protocol="grpc")
    transport.send(b"1", 2)
    channel = transport._channel
    transport.send(b"2", 2)
    assert transport._channel is channel
    transport.close()
    transport.close()
    assert transport.send(b"3", 2) == Accepted()


def test_a_port_of_http_is_recognized(call):
    with HttpServer() as server:
        outcome = call(f"http://{server.host}")
    assert isinstance(outcome, Unavailable)
    assert outcome.slowly
    assert "speaks HTTP, not gRPC" in outcome.cause
    assert "4317" in outcome.cause


@pytest.mark.parametrize("url", ["http://", "http://[", "http://h:x"])
def test_an_endpoint_that_is_none_is_an_outcome(call, url):
    outcome = call(url)
    assert isinstance(outcome, Unavailable)
    assert outcome.slowly
