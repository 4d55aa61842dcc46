"""Where each signal goes: by protocol, endpoint, headers, time limit and compression."""

import gzip
import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import grpc
import pytest
import trustme
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.instrumented import NO_EXPORT, run_python
from support.ports import free_ports

from otel_distro.delivery import Batching
from otel_distro.providers import Providers
from otel_distro.settings import read_settings

UNPACK = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}
REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}


@contextmanager
def built(**variables):
    """Build providers from variables, and shut them down."""
    providers = Providers(read_settings(variables))
    yield providers
    for provider in all_of(providers):
        provider.shutdown()
    providers.pipeline.stop(1)


def all_of(providers):
    return providers.tracer_provider, providers.meter_provider, providers.logger_provider


def emit(providers):
    providers.tracer_provider.get_tracer("t").start_span("a span").end()
    providers.meter_provider.get_meter("t").create_counter("a_counter").add(1)
    providers.logger_provider.get_logger("t").emit(body="a record")
    for provider in all_of(providers):
        provider.force_flush()


def emit_by(**variables):
    with built(**variables) as providers:
        emit(providers)


@contextmanager
def http_collector():
    """A server that keeps what it is sent: path → headers and message."""
    arrived = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = UNPACK[self.headers["Content-Encoding"]](body)
            arrived[self.path] = self.headers, body
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", arrived
        server.shutdown()


@contextmanager
def grpc_collector(credentials=None):
    """A server that keeps what it is sent: method → metadata and message."""
    arrived = {}

    class Keep(grpc.GenericRpcHandler):
        def service(self, details):
            def answer(request, context):
                arrived[details.method] = dict(context.invocation_metadata()), request
                return b""

            return grpc.unary_unary_rpc_method_handler(answer)

    (port,) = free_ports(1)
    server = grpc.server(ThreadPoolExecutor(2), [Keep()])
    if credentials is None:
        server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        server.add_secure_port(f"127.0.0.1:{port}", credentials)
    server.start()
    yield f"localhost:{port}", arrived
    server.stop(None).wait()


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_over_http_each_signal_has_its_path_and_the_headers(compression):
    with http_collector() as (url, arrived):
        emit_by(
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            OTEL_EXPORTER_OTLP_HEADERS="Api-Key=s%20t",
            OTEL_EXPORTER_OTLP_COMPRESSION=compression,
        )
    assert arrived.keys() == {"/v1/traces", "/v1/metrics", "/v1/logs"}
    for path, (headers, body) in arrived.items():
        assert headers["api-key"] == "s t"
        assert headers["Content-Type"] == "application/x-protobuf"
        assert headers.get("Content-Encoding", "none") == compression
        message = REQUESTS[path.removeprefix("/v1/")].FromString(body)
        assert b"blipee" in message.SerializeToString()


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_over_grpc_each_signal_has_its_service_and_the_headers(compression):
    with grpc_collector() as (address, arrived):
        emit_by(
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{address}",
            OTEL_EXPORTER_OTLP_HEADERS="Api-Key=s",
            OTEL_EXPORTER_OTLP_COMPRESSION=compression,
        )
    assert {method.split(".")[3] for method in arrived} == {"trace", "metrics", "logs"}
    for metadata, _ in arrived.values():
        assert metadata["api-key"] == "s"


def test_one_signal_may_go_elsewhere_by_another_protocol():
    with http_collector() as (url, over_http), grpc_collector() as (address, over_grpc):
        emit_by(
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            OTEL_EXPORTER_OTLP_HEADERS="from=general",
            OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=f"{url}/my/logs",
            OTEL_EXPORTER_OTLP_LOGS_HEADERS="from=logs",
            OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://{address}",
        )
    assert {path: headers["from"] for path, (headers, _) in over_http.items()} == {
        "/v1/metrics": "general",
        "/my/logs": "logs",
    }
    ((metadata, _),) = over_grpc.values()
    assert metadata["from"] == "general"


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_the_time_limit_is_said_in_milliseconds_and_handed_over_in_seconds(protocol):
    with built(
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_TIMEOUT="2500",
        OTEL_EXPORTER_OTLP_LOGS_TIMEOUT="300",
    ) as providers:
        endpoints = providers.pipeline.settings.endpoints
        assert {signal: endpoint.timeout_s for signal, endpoint in endpoints.items()} == {
            "traces": 2.5,
            "metrics": 2.5,
            "logs": 0.3,
        }


def test_without_exporters_nothing_is_queued_or_read():
    with built(**NO_EXPORT) as providers:
        emit(providers)
        assert providers.tracer_provider._active_span_processor._span_processors == ()
        assert list(providers.meter_provider._metric_readers) == []


def test_the_batches_and_the_interval_are_those_that_were_set():
    with built(
        OTEL_BSP_SCHEDULE_DELAY="11",
        OTEL_BSP_MAX_QUEUE_SIZE="12",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10",
        OTEL_METRIC_EXPORT_INTERVAL="14000",
        OTEL_METRIC_EXPORT_TIMEOUT="1500",
        OTEL_METRICS_EXPORTER="console",
        OTEL_TRACES_EXPORTER="console,otlp",
    ) as providers:
        assert providers.pipeline.settings.batching["traces"] == Batching(
            schedule_delay_ms=11, max_queue_size=12, max_export_batch_size=10
        )
        _, processor = providers.tracer_provider._active_span_processor._span_processors
        batch = processor._batch_processor
        assert batch._schedule_delay == 0.011
        assert batch._max_queue_size == 12
        assert batch._max_export_batch_size == 10
        (reader,) = providers.meter_provider._metric_readers
        assert (reader.interval_ms, reader.timeout_ms) == (14_000, 1500)


def test_the_console_exporters_print_what_happens():
    done = run_python(
        "import logging\n"
        "from opentelemetry import metrics, trace\n"
        "trace.get_tracer('t').start_span('a span').end()\n"
        "metrics.get_meter('t').create_counter('a_counter').add(1)\n"
        "logging.getLogger('t').warning('a record')\n",
        OTEL_SERVICE_NAME="app",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
        OTEL_TRACES_EXPORTER="console",
        OTEL_METRICS_EXPORTER="console",
        OTEL_LOGS_EXPORTER="console",
    )
    assert done.stderr.count("\n") == 1
    assert "a record" in done.stderr
    decoder, text, documents = json.JSONDecoder(), done.stdout.strip(), []
    while text:
        document, end = decoder.raw_decode(text)
        documents.append(json.dumps(document))
        text = text[end:].strip()
    for told in ('"a span"', '"a_counter"', '"a record"'):
        assert sum(told in document for document in documents) == 1


def test_a_plugin_that_raises_is_named_once_and_the_others_export(plugins, said):
    with built(
        OTEL_TRACES_EXPORTER="raising,keepsspans",
        OTEL_METRICS_EXPORTER="missing,keepsmetrics",
        OTEL_LOGS_EXPORTER="raising,keepslogs",
    ) as providers:
        emit(providers)
        assert [line.split(" could ")[0] for line in said()] == [
            "the traces exporter 'raising'",
            "the metrics exporter 'missing'",
            "the logs exporter 'raising'",
        ]
        (processor,) = providers.tracer_provider._active_span_processor._span_processors
        assert [span.name for span in processor.span_exporter.get_finished_spans()] == ["a span"]
        (reader,) = providers.meter_provider._metric_readers
        assert reader.get_metrics_data().resource_metrics


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Returns the paths of a key and of a certificate for localhost, signed by nobody known."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(key)
    authority.cert_pem.write_to_path(certificate)
    return key, certificate


def test_grpc_trusts_the_certificate_that_is_named_and_no_other(certificate):
    key, ca = certificate
    pair = (key.read_bytes(), key.read_bytes())  # the file has both
    with grpc_collector(grpc.ssl_server_credentials([pair])) as (address, arrived):
        variables = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://{address}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "300",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
        }
        emit_by(**variables)
        assert arrived == {}
        emit_by(**variables, OTEL_EXPORTER_OTLP_CERTIFICATE=str(ca))
        assert len(arrived) == 1


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_certificate_that_vanished_costs_its_signal_only(said, tmp_path, protocol):
    ca = tmp_path / "ca.pem"
    ca.touch()
    with http_collector() as (url, arrived):
        settings = read_settings(
            {
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": protocol,
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://localhost:4317",
                "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": str(ca),
                "OTEL_EXPORTER_OTLP_ENDPOINT": url,
                "BLIPEE_OTEL_SPOOL": "off",
            }
        )
        ca.unlink()
        providers = Providers(settings)
        emit(providers)
        providers.pipeline.stop(1)
        assert arrived.keys() == {"/v1/metrics", "/v1/logs"}
    fault, left = said()
    assert str(ca) in fault
    assert "1 spans were lost (not_stored)" in left
    for provider in all_of(providers):
        provider.shutdown()
