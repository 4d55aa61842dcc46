"""What the status of an HTTP answer means."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from google.rpc.status_pb2 import Status
from support.misbehaving import PROTOBUF, Accept, Answer, Partial, TooLargeAbove

from otel_distro.delivery.transport import Accepted, Refused, TooLarge, Unavailable
from otel_distro.delivery.transport.answers import wait_of


@pytest.mark.parametrize(
    "answer",
    [
        Accept(),
        Accept(b"\x0a\x00"),
        Accept(b"\xff\xff"),
        Accept(b"{}", "application/json"),
        Accept(b"not json", "application/json"),
        Accept(b"[]", "application/json"),
        Accept(b"ok", "text/plain"),
        Answer(202),
        Answer(204),
    ],
)
def test_any_success_is_a_success(http, send, answer):
    http.otherwise = answer
    assert send(http.url()) == Accepted()


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_a_partial_success_counts_what_was_rejected(http, send, signal):
    http.otherwise = Partial(3, "names\ntoo long")
    assert send(http.url(signal), signal=signal) == Accepted(3, "names too long")


def test_a_partial_success_may_be_json(http, send):
    partial = {"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "old"}}
    http.otherwise = Accept(json.dumps(partial).encode(), "application/json")
    assert send(http.url("logs"), signal="logs") == Accepted(2, "old")


def test_a_web_page_that_answers_everything_is_doubted(http, send):
    http.otherwise = Accept(b"<html>Welcome</html>", "text/html; charset=utf-8")
    outcome = send(http.url())
    assert isinstance(outcome, Unavailable)
    assert outcome.slowly
    assert "is it an OTLP endpoint?" in outcome.cause


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_busy_servers_are_tried_again_when_they_ask(http, send, status):
    http.script = [Answer(status), Answer(status, headers={"Retry-After": "7"})]
    first, second = send(http.url()), send(http.url())
    assert isinstance(first, Unavailable)
    assert first.after_s is None
    assert second.after_s == 7
    for outcome in (first, second):
        assert f"{http.host} answered {status}" in outcome.cause
        assert (outcome.slowly, outcome.perhaps_received) == (False, False)


def test_retry_after_may_be_a_date(http, send):
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    http.otherwise = Answer(503, headers={"Retry-After": soon})
    assert 50 < send(http.url()).after_s <= 100


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, None),
        ("0", 0),
        (" 1.5 ", 1.5),
        ("-3", 0),
        ("9" * 5000, 3600),
        ("inf", 3600),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2999 07:28:00 GMT", 3600),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_bounded(said, seconds):
    assert wait_of(said) == seconds


@pytest.mark.parametrize(("status", "says"), [(401, "a token is missing"), (403, "is refused")])
def test_a_token_that_is_missing_or_refused_is_tried_again_slowly(http, send, status, says):
    http.otherwise = Answer(status)
    outcome = send(http.url(), headers={"authorization": "Bearer s3cret"})
    assert isinstance(outcome, Unavailable)
    assert outcome.slowly
    assert says in outcome.cause


def test_what_is_too_large_is_told_apart(http, send):
    http.otherwise = TooLargeAbove(10)
    assert isinstance(send(http.url(), b"x" * 11), TooLarge)
    assert send(http.url(), b"x" * 10) == Accepted()


def test_the_collectors_way_to_say_too_large_is_understood(http, send):
    http.otherwise = Answer(
        400,
        Status(message="http: request body too large").SerializeToString(),
        {"Content-Type": PROTOBUF},
    )
    assert isinstance(send(http.url()), TooLarge)


@pytest.mark.parametrize("status", [400, 404, 405, 408, 415, 500, 501, 599])
def test_other_errors_are_final(http, send, status):
    http.otherwise = Answer(status, b"because")
    outcome = send(http.url())
    assert isinstance(outcome, Refused)
    assert outcome.reason == str(status)
    assert f"answered {status}" in outcome.cause
    assert outcome.cause.endswith("it said: because")


@pytest.mark.parametrize("signal", ["traces", "logs"])
def test_a_wrong_path_is_named(http, send, signal):
    http.otherwise = Answer(404)
    wrong = send(f"http://{http.host}/otlp", signal=signal)
    assert f"the URL has to end in /v1/{signal}" in wrong.cause
    assert "has to end" not in send(http.url(signal), signal=signal).cause


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed_but_named(http, send, status):
    where = "https://user:s3cret@other.example:8443/login?token=s3cret"
    http.otherwise = Answer(status, headers={"Location": where})
    outcome = send(http.url())
    assert isinstance(outcome, Unavailable)
    assert outcome.slowly
    assert "a redirect to https://other.example:8443, which is not followed" in outcome.cause
    assert "s3cret" not in outcome.cause
    assert len(http.requests) == 1


@pytest.mark.parametrize("where", ["", "/v1/x", "http://[", "http://h:port/"])
def test_redirects_to_anywhere_are_survived(http, send, where):
    http.otherwise = Answer(302, headers={"Location": where})
    assert "a redirect, which" in send(http.url()).cause


def test_plain_http_on_a_tls_port_is_recognized_by_its_page(http, send):
    http.otherwise = Answer(400, b"Client sent an HTTP request to an HTTPS server.\n")
    outcome = send(http.url())
    assert isinstance(outcome, Unavailable)
    assert outcome.slowly
    assert "use https://" in outcome.cause


STATUS = Status(code=3, message="bad\nspan").SerializeToString()
PAGE = b"<html><head><title>Not here</title></head><body>" + b"<p>x</p>" * 500


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (STATUS, PROTOBUF, "bad span"),
        (b"\xff\xff\xff", PROTOBUF, ""),
        (b'{"code": 3, "message": "bad span"}', "application/json", "bad span"),
        (b"[" * 60_000, "application/json", "[" * 199 + "…"),
        (PAGE, "text/html", "Not here"),
        (b"<h1>Oh</h1><p>no</p>", "text/html", "Oh no"),
        (b"<" * 60_000, "text/html", "<" * 199 + "…"),
        (b"a\x1b[31m\tb\r\nc\xe2\x80\xaed\xff", "text/plain", "a [31m b c d\ufffd"),
        (b"\x00\x01", "application/octet-stream", ""),
        (b"x" * 300, "text/plain", "x" * 199 + "…"),
    ],
)
def test_what_the_server_said_is_one_clean_line(http, send, body, kind, said):
    http.otherwise = Answer(400, body, {"Content-Type": kind})
    assert send(http.url()).cause.partition("; it said: ")[2] == said


@pytest.mark.parametrize("status", [200, 400, 401, 413, 503])
def test_a_server_that_repeats_our_secrets_is_not_repeated(http, send, status):
    text = b'{"message": "unknown token s3cret-token-1 of p4ssword"}'
    http.otherwise = (
        Partial(1, "unknown token s3cret-token-1 of p4ssword")
        if status == 200
        else Answer(status, text, {"Content-Type": "application/json"})
    )
    outcome = send(
        http.url().replace("//", "//me:p4ssword@"),
        headers={"authorization": "Bearer s3cret-token-1"},
    )
    assert "unknown token" in repr(outcome)
    assert "s3cret" not in repr(outcome)
    assert "p4ssword" not in repr(outcome)
