"""The real Collector takes what the transports send."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from support.far_side import running_collector

from otel_distro.delivery.transport import Accepted, Refused, TooLarge, Unavailable

pytestmark = pytest.mark.collector


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    with running_collector(tmp_path_factory.mktemp("collector")) as collector:
        yield collector


def request_with(*names):
    spans = [
        Span(name=name, trace_id=bytes([1]) * 16, span_id=bytes([2]) * 8, end_time_unix_nano=1)
        for name in names
    ]
    scope = ScopeSpans(spans=spans)
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(scope_spans=[scope])]
    ).SerializeToString()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_spans_are_found_at_its_far_side(collector, transport_to, protocol, compression):
    url = f"{collector.http}/v1/traces" if protocol == "http/protobuf" else collector.grpc
    transport = transport_to(url, protocol=protocol, compression=compression)
    names = {f"{protocol} {compression} {index}" for index in range(30)}
    for name in names:
        assert transport.send(request_with(name), 10) == Accepted()
    assert collector.wait_for(lambda: names <= {span.record["name"] for span in collector.spans()})


def test_its_refusals_are_understood(collector, send, call):
    assert isinstance(send(f"{collector.http}/v1/traces", b"nonsense"), Refused)
    wrong = send(f"{collector.http}/traces")
    assert wrong.reason == "404"
    assert "/v1/traces" in wrong.cause
    assert isinstance(call(collector.grpc, b"nonsense"), Refused)


def test_its_ports_are_told_apart(collector, send, call):
    grpc_port = send(f"{collector.grpc}/v1/traces", timeout_s=5)
    assert isinstance(grpc_port, Unavailable)
    assert "speaks gRPC" in grpc_port.cause
    http_port = call(collector.http, timeout_s=5)
    assert isinstance(http_port, Unavailable)
    assert "speaks HTTP" in http_port.cause
    tls = send(f"{collector.http}/v1/traces".replace("http", "https", 1), timeout_s=5)
    assert "use http:// instead" in tls.cause


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_what_is_too_large_for_it_is_told_apart(collector, send, call, compression):
    large = request_with("x" * 21_500_000)
    sent = send(f"{collector.http}/v1/traces", large, compression=compression, timeout_s=10)
    assert isinstance(sent, TooLarge)
    called = call(collector.grpc, large, compression=compression, timeout_s=10)
    assert isinstance(called, TooLarge)
