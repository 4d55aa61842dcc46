"""Proxies of the environment stand between us and an HTTP endpoint."""

import socket
import threading
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.misbehaving import Answer, HttpServer, Reset, certificates
from support.ports import free_ports

from otel_distro.delivery.transport import Accepted, Unavailable
from otel_distro.delivery.transport.headers import Mistake
from otel_distro.delivery.transport.proxies import Proxy, proxy_for


@pytest.fixture
def tunnel():
    """A proxy that knows CONNECT, and leads everything to one port; keeps the heads it was sent."""
    listening = socket.create_server(("127.0.0.1", 0))
    heads = []

    def start(port):
        def serve():
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += client.recv(1)
                heads.append(head.decode())
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                server = socket.create_connection(("127.0.0.1", port))
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=copied, args=(one, other), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        return f"127.0.0.1:{listening.getsockname()[1]}", heads

    yield start
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def copied(one, other):
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for each in (one, other):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


def test_plain_http_asks_the_proxy_for_the_whole_url(http, send, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://me:p%40ss@{http.host}")
    assert send("http://collector.example:4318/v1/traces?x=1", headers={"k": "v"}) == Accepted()
    (request,) = http.requests
    assert request.target == "http://collector.example:4318/v1/traces?x=1"
    assert request.headers["host"] == "collector.example:4318"
    assert request.headers["proxy-authorization"] == "Basic bWU6cEBzcw=="
    assert request.headers["k"] == "v"


def test_https_goes_through_a_tunnel_that_sees_no_header(tunnel, send, monkeypatch, tmp_path):
    files = certificates(tmp_path, "collector.example")
    with HttpServer(tls=files) as server:
        place, heads = tunnel(server.port)
        monkeypatch.setenv("https_proxy", f"http://me:pass@{place}")
        outcome = send(
            "https://collector.example/v1/traces",
            headers={"api-key": "s3cret"},
            certificate=str(files.authority),
        )
        assert outcome == Accepted()
        (request,) = server.requests
    (head,) = heads
    assert head.startswith("CONNECT collector.example:443 HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic bWU6cGFzcw==" in head
    assert "s3cret" not in head
    assert "proxy-authorization" not in request.headers
    assert request.target == "/v1/traces"


def test_certificates_are_checked_through_the_tunnel(tunnel, send, monkeypatch, tmp_path):
    files = certificates(tmp_path, "other.example")
    with HttpServer(tls=files) as server:
        place, _ = tunnel(server.port)
        monkeypatch.setenv("https_proxy", place)
        outcome = send("https://collector.example/v1/traces", certificate=str(files.authority))
    assert outcome.cause.startswith(f"collector.example:443 through the proxy {place} shows")
    assert "a certificate for another host name" in outcome.cause


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (Answer(407), "check the user and password in HTTPS_PROXY"),
        (Answer(502), "could not connect to collector.example:443 (status 502)"),
        (Reset(), "closed the connection"),
    ],
)
def test_a_proxy_that_makes_no_tunnel(http, send, monkeypatch, does, says):
    http.otherwise = does
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:s3cret@{http.host}")
    outcome = send("https://collector.example/v1/traces")
    assert isinstance(outcome, Unavailable)
    assert says in outcome.cause
    assert f"the proxy {http.host}" in outcome.cause
    assert (outcome.slowly, outcome.perhaps_received) == (does == Answer(407), False)
    assert "s3cret" not in outcome.cause


def test_a_proxy_that_is_not_there_is_named(send, monkeypatch):
    (port,) = free_ports(1)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    assert send("http://collector.example/v1/traces") == Unavailable(
        f"nothing listens on the proxy 127.0.0.1:{port}; is the Collector running?"
    )


def test_this_machine_is_reached_directly(http, send, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert send(http.url()) == Accepted()


P = Proxy("p", 3128)


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, None),
        ({"http_proxy": "http://p:3128"}, P),
        ({"HTTP_PROXY": "p:3128"}, P),
        ({"HTTP_PROXY": "http://p"}, Proxy("p", 80)),
        ({"ALL_PROXY": "p:3128"}, P),
        ({"HTTPS_PROXY": "p:3128"}, None),
        ({"http_proxy": "", "HTTP_PROXY": "p:3128"}, None),
        ({"HTTP_PROXY": "p:3128", "REQUEST_METHOD": "GET"}, None),
        ({"HTTP_PROXY": "p:3128", "NO_PROXY": "*"}, None),
        ({"HTTP_PROXY": "p:3128", "NO_PROXY": "a, example.com"}, None),
        ({"HTTP_PROXY": "p:3128", "no_proxy": ".Example.com"}, None),
        ({"HTTP_PROXY": "p:3128", "no_proxy": "*.example.com"}, None),
        ({"HTTP_PROXY": "p:3128", "no_proxy": "c.example.com:4318"}, None),
        ({"HTTP_PROXY": "p:3128", "no_proxy": "c.example.com:4319"}, P),
        ({"HTTP_PROXY": "p:3128", "no_proxy": "ample.com,10.0.0.0/8"}, P),
    ],
)
def test_the_proxy_of_a_name(variables, found):
    assert proxy_for("http", "c.example.com", 4318, variables) == found


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("fd00::1", "fd00::/8", True),
        ("fd00::1", "[fd00::1]:4318", True),
        ("localhost", "", True),
        ("127.0.0.9", "", True),
        ("::1", "", True),
    ],
)
def test_the_proxy_of_an_address(host, no_proxy, direct):
    found = proxy_for("http", host, 4318, {"HTTP_PROXY": "p:3128", "NO_PROXY": no_proxy})
    assert found == (None if direct else P)


@pytest.mark.parametrize(
    "url", ["socks5://u:s3cret@p:1", "https://p:1", "http://", "http://p:s3cret", "http://["]
)
def test_other_kinds_of_proxies_are_said(send, monkeypatch, url):
    monkeypatch.setenv("HTTP_PROXY", url)
    outcome = send("http://collector.example/v1/traces")
    assert isinstance(outcome, Unavailable)
    assert outcome.slowly
    assert "HTTP_PROXY" in outcome.cause
    assert "s3cret" not in outcome.cause


@given(st.text(), st.text())
def test_no_text_in_the_environment_breaks_it(proxy, no_proxy):
    with suppress(Mistake):
        proxy_for("http", "collector.example", 4318, {"http_proxy": proxy, "no_proxy": no_proxy})
