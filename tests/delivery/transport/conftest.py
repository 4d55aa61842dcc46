"""Transports that are closed at the end, servers that misbehave, and an empty environment."""

import os

import pytest
from support.misbehaving import GrpcServer, HttpServer

from otel_distro.delivery.endpoint import Endpoint
from otel_distro.delivery.transport import open_transport


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == "REQUEST_METHOD":
            monkeypatch.delenv(name)


@pytest.fixture
def http():
    with HttpServer() as server:
        yield server


@pytest.fixture
def grpc_server():
    with GrpcServer() as server:
        yield server


@pytest.fixture
def transport_to():
    """Opens a transport to a URL, and closes it at the end."""
    opened = []

    def transport(url, signal="traces", protocol="http/protobuf", **more):
        opened.append(open_transport(signal, Endpoint(url=url, protocol=protocol, **more)))
        return opened[-1]

    yield transport
    for one in opened:
        one.close()


@pytest.fixture
def send(transport_to):
    """Sends one request over HTTP by a transport of its own."""
    return lambda url, body=b"x", timeout_s=2.0, **more: transport_to(url, **more).send(
        body, timeout_s
    )


@pytest.fixture
def call(transport_to):
    """Sends one request over gRPC by a transport of its own."""
    return lambda url, body=b"x", timeout_s=2.0, **more: transport_to(
        url, protocol="grpc", **more
    ).send(body, timeout_s)
