"""TLS: each mistake is named with what to do about it, and waits for a person."""

import socket
import time

import pytest
from support.misbehaving import GrpcServer, HttpServer, Raw, certificates

from otel_distro.delivery.transport import Accepted, Unavailable
from otel_distro.delivery.transport.diagnosis import of_tls

SERVERS = {"http/protobuf": HttpServer, "grpc": GrpcServer}


@pytest.fixture(params=SERVERS)
def protocol(request):
    return request.param


@pytest.fixture
def ask(protocol, transport_to):
    """Sends one request to a server with TLS (or without), and returns the outcome."""

    def ask(server_tls, *, scheme="https", demands=False, **endpoint):
        server = SERVERS[protocol](tls=server_tls, wants_client_certificate=demands)
        with server:
            path = "/v1/traces" if protocol == "http/protobuf" else ""
            url = f"{scheme}://localhost:{server.port}{path}"
            return transport_to(url, protocol=protocol, **endpoint).send(b"x", 3)

    return ask


def test_the_authority_that_is_named_is_trusted(ask, tmp_path):
    files = certificates(tmp_path)
    assert ask(files, certificate=str(files.authority)) == Accepted()


def test_a_client_certificate_is_shown(ask, tmp_path):
    files = certificates(tmp_path)
    mine = str(files.client)
    outcome = ask(
        files,
        demands=True,
        certificate=str(files.authority),
        client_key=mine,
        client_certificate=mine,
    )
    assert outcome == Accepted()


@pytest.mark.parametrize(
    ("names", "expired", "says"),
    [
        ((), False, "an authority that is not trusted here: set OTEL_EXPORTER_OTLP_CERTIFICATE"),
        ((), True, "a certificate that has expired"),
        (("elsewhere.example",), False, "a certificate for another host name"),
    ],
)
def test_a_certificate_that_is_not_good(ask, tmp_path, names, expired, says):
    files = certificates(tmp_path / "server", *names, expired=expired)
    trusted = files if names or expired else certificates(tmp_path / "other")
    outcome = ask(files, certificate=str(trusted.authority))
    assert isinstance(outcome, Unavailable)
    assert says in outcome.cause
    assert (outcome.slowly, outcome.perhaps_received) == (True, False)


def test_a_missing_client_certificate(ask, tmp_path, protocol):
    files = certificates(tmp_path)
    outcome = ask(files, demands=True, certificate=str(files.authority))
    assert isinstance(outcome, Unavailable)
    assert "a client certificate" in outcome.cause
    assert not outcome.perhaps_received
    # gRPC does not say what it saw, and it may be a restart.
    assert outcome.slowly == (protocol != "grpc")


def test_tls_to_a_port_of_plain_text(ask, tmp_path):
    outcome = ask(None, certificate=str(certificates(tmp_path).authority))
    assert isinstance(outcome, Unavailable)
    assert "use http:// instead of https://" in outcome.cause
    assert (outcome.slowly, outcome.perhaps_received) == (True, False)


def test_plain_text_to_a_port_of_tls(ask, tmp_path):
    outcome = ask(certificates(tmp_path), scheme="http")
    assert isinstance(outcome, Unavailable)
    # This server only hangs up; those that say something are recognized.
    assert "https://" in outcome.cause


def test_a_tls_alert_in_place_of_http_is_recognized(send):
    with HttpServer() as server:
        server.otherwise = Raw(b"\x15\x03\x01\x00\x02\x02\x0a")
        outcome = send(server.url())
    assert outcome == Unavailable(
        f"{server.host} speaks TLS: use https:// instead of http://", slowly=True
    )


def test_http_to_a_port_of_grpc_with_tls(transport_to, tmp_path):
    files = certificates(tmp_path)
    with GrpcServer(tls=files) as server:
        url = f"https://localhost:{server.port}/v1/traces"
        outcome = transport_to(url, certificate=str(files.authority)).send(b"x", 3)
    assert isinstance(outcome, Unavailable)
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=grpc" in outcome.cause


@pytest.mark.parametrize("which", ["certificate", "client_certificate"])
@pytest.mark.parametrize("content", [None, b"nonsense", b""])
def test_a_file_that_is_no_certificate_is_named_until_it_is_put_right(
    protocol, transport_to, tmp_path, which, content
):
    files = certificates(tmp_path / "good")
    path = tmp_path / "mine.pem"
    if content is not None:
        path.write_bytes(content)
    paths = {"certificate": str(files.authority), which: str(path)}
    if which == "client_certificate":
        paths["client_key"] = str(files.client)
    with SERVERS[protocol](tls=files) as server:
        end = "/v1/traces" if protocol == "http/protobuf" else ""
        url = f"https://localhost:{server.port}{end}"
        transport = transport_to(url, protocol=protocol, **paths)
        outcome = transport.send(b"x", 3)
        assert isinstance(outcome, Unavailable)
        assert outcome.slowly
        assert str(path) in outcome.cause
        right = files.authority if which == "certificate" else files.client
        path.write_bytes(right.read_bytes())
        assert transport.send(b"x", 3) == Accepted()


def test_an_authority_that_is_put_right_is_read_again(protocol, transport_to, tmp_path):
    files, other = certificates(tmp_path / "a"), certificates(tmp_path / "b")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(other.authority.read_bytes())
    with SERVERS[protocol](tls=files) as server:
        end = "/v1/traces" if protocol == "http/protobuf" else ""
        url = f"https://localhost:{server.port}{end}"
        transport = transport_to(url, protocol=protocol, certificate=str(trusted))
        assert isinstance(transport.send(b"x", 3), Unavailable)
        trusted.write_bytes(files.authority.read_bytes())
        assert transport.send(b"x", 3) == Accepted()


@pytest.mark.parametrize(
    "alert",
    [
        "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required",
        "[SSL: SSLV3_ALERT_BAD_CERTIFICATE] sslv3 alert bad certificate",
        "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure",
        "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca",
    ],
)
def test_the_alerts_about_client_certificates(alert):
    assert "wants a client certificate" in of_tls(alert, "h:1").cause


def test_a_connection_with_tls_is_kept_open(transport_to, tmp_path):
    files = certificates(tmp_path)
    with HttpServer(tls=files) as server:
        transport = transport_to(server.url(host="localhost"), certificate=str(files.authority))
        for size in (1, 1_000_000, 1):
            assert transport.send(b"x" * size, 5) == Accepted()
        assert {request.connection for request in server.requests} == {1}


def test_a_handshake_that_is_not_answered_is_bounded(transport_to):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        outcome = transport_to(f"https://127.0.0.1:{port}/v1/traces").send(b"x", 0.5)
        assert time.monotonic() - began < 5
    assert isinstance(outcome, Unavailable)
    assert not outcome.perhaps_received
