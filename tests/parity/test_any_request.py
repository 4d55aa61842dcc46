"""Whatever a request has in it, it is answered and reported, and as upstream does."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_distro import notices
from parity.case import Case
from parity.cases.applications import shop
from parity.cases.headers import catch_all
from parity.comparison import differences
from parity.driver import Request
from parity.sides import run
from parity.wanted import matches

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# What the list has an entry for, whatever the request: addresses, and bytes that are no text.
_LISTED = (
    "server server.*",
    "server user_agent.*",
    "server http.*.header.*",
    "*method*",
    "http.server.request.body.size*",
)

_CAPTURED = {
    f"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_{one}": ".*"
    for one in ("REQUEST", "RESPONSE")
}
_PATHS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map("/{}".format)
_NAMES = st.sampled_from(
    [b"user-agent", b"content-length", b"traceparent", b"tracestate", b"baggage", b"x-any"]
)
_VALUES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"5", b"0", b"-1", b"1_0", b"9" * 30, b"a=1,b=2", b"a=1;b=2;c", b"Googlebot"]
        + [b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-" + flags for flags in (b"00", b"01", b"03")]
    ),
)
_REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST", "get", "BREW", "QUERY"]),
    path=_PATHS,
    query=st.one_of(st.text(max_size=20).map(str.encode), st.binary(max_size=20)),
    host=st.one_of(st.none(), st.binary(max_size=20), st.sampled_from([b"a:1", b"[::1]:80"])),
    headers=st.lists(st.tuples(_NAMES, _VALUES), max_size=6).map(tuple),
    http_version=st.sampled_from(["1.0", "1.1", "2"]),
    server=st.sampled_from([("service", 80), ("::1", 8000), ("/run/a.sock", None), None]),
    client=st.sampled_from([("10.1.2.3", 50123), ("::1", 0), None]),
    scheme=st.sampled_from(["http", "https"]),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_REQUESTS, st.sampled_from([shop, catch_all]), st.sampled_from([{}, _CAPTURED]))
def test_any_request_is_answered_as_without_us_and_reported_as_upstream_does(
    monkeypatch, request_, app, variables
):
    monkeypatch.setattr(notices, "_said", set())
    case = Case("any", app, request_, variables=variables)
    ours = run(case, "ours")
    assert ours.answers == run(case, "bare").answers
    assert [span.kind.name for span, _ in ours.telemetry.ended] == ["SERVER"]
    assert not ours.left_behind
    # Headers that are refused are said, where a propagator of ours has been made.
    assert not [one for one in notices._said if not one.startswith("header ")]
    upstream = run(case, "upstream")
    if upstream.answers != ours.answers:
        return  # it breaks some
    unlisted = {
        fact: values
        for fact, values in differences(upstream.facts, ours.facts).items()
        if not matches(fact, _LISTED)
    }
    assert unlisted == {}


_HEADERS = st.lists(
    st.tuples(st.sampled_from([b"content-length", b"x-any", b"Set-Cookie"]), _VALUES), max_size=3
)
_MESSAGES = st.one_of(
    st.builds(
        lambda status, headers, more: (
            {"type": "http.response.start", "status": status}
            | ({} if headers is None else {"headers": headers})
            | more
        ),
        st.sampled_from([100, 103, 200, 204, 304, 404, 500, 599]),
        st.one_of(st.none(), _HEADERS, _HEADERS.map(tuple)),
        st.sampled_from([{}, {"trailers": True}]),
    ),
    st.builds(
        lambda more: {"type": "http.response.body", "body": b"part"} | more,
        st.sampled_from([{}, {"more_body": True}, {"more_body": False}]),
    ),
    st.sampled_from(
        [
            {"type": "http.response.trailers", "headers": []},
            {"type": "http.response.pathsend", "path": "/etc/hostname"},
            {"type": "http.response.push", "path": "/", "headers": []},
            {"type": "something.else"},
        ]
    ),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(_MESSAGES, max_size=5),
    st.sampled_from([None, ValueError("after all"), asyncio.CancelledError()]),
)
def test_whatever_an_application_sends_is_sent_and_reported_once(monkeypatch, messages, raised):
    monkeypatch.setattr(notices, "_said", set())

    def build(probe):
        async def app(scope, receive, send):
            for message in messages:
                await send(dict(message))
            if raised is not None:
                raise raised

        return app

    case = Case("any", build, Request(), kind="asgi")
    ours = run(case, "ours")
    assert ours.answers == run(case, "bare").answers
    assert [span.kind.name for span, _ in ours.telemetry.ended] == ["SERVER"]
    assert ours.facts["http.server.active_requests value"] == 0
    assert not ours.left_behind
    # Headers that are refused are said, where a propagator of ours has been made.
    assert not [one for one in notices._said if not one.startswith("header ")]
