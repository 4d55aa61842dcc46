"""OTLP exporters, made from an `Endpoint`.

Each transport is imported when it is asked for: gRPC alone costs a fifth of a second.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_distro.delivery.endpoint import Endpoint

if TYPE_CHECKING:
    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace.export import SpanExporter


def span_exporter(endpoint: Endpoint) -> "SpanExporter":
    """Build the exporter of spans. Raises what gRPC raises for unreadable certificates."""
    if endpoint.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc(**_grpc_arguments(endpoint))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

    return Http(**_http_arguments(endpoint))


def metric_exporter(endpoint: Endpoint) -> "MetricExporter":
    """Build the exporter of metrics. Temporality and aggregation are the standard variables'."""
    if endpoint.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
            OTLPMetricExporter as Grpc,
        )

        return Grpc(**_grpc_arguments(endpoint))
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as Http

    return Http(**_http_arguments(endpoint))


def log_exporter(endpoint: Endpoint) -> "LogRecordExporter":
    """Build the exporter of log records."""
    if endpoint.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as Grpc

        return Grpc(**_grpc_arguments(endpoint))
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as Http

    return Http(**_http_arguments(endpoint))


def _http_arguments(endpoint: Endpoint) -> dict[str, Any]:
    from opentelemetry.exporter.otlp.proto.http import Compression

    return {
        "endpoint": endpoint.url,
        "headers": dict(endpoint.headers),
        "timeout": endpoint.timeout_s,
        "compression": Compression(endpoint.compression),
        "certificate_file": endpoint.certificate,
        "client_key_file": endpoint.client_key,
        "client_certificate_file": endpoint.client_certificate,
    }


def _grpc_arguments(endpoint: Endpoint) -> dict[str, Any]:
    import grpc

    secure = endpoint.url.startswith("https://") or not (
        endpoint.url.startswith("http://") or endpoint.insecure
    )
    credentials = None
    # Without files of ours the exporter finds its own, a credential provider's among them.
    if secure and (endpoint.certificate or endpoint.client_key):
        credentials = grpc.ssl_channel_credentials(
            _read(endpoint.certificate),
            _read(endpoint.client_key),
            _read(endpoint.client_certificate),
        )
    return {
        "endpoint": endpoint.url,
        "headers": {name.lower(): value for name, value in endpoint.headers.items()},
        "timeout": endpoint.timeout_s,
        "compression": (
            grpc.Compression.NoCompression
            if endpoint.compression == "none"
            else grpc.Compression[endpoint.compression.capitalize()]
        ),
        "insecure": not secure,
        "credentials": credentials,
    }


def _read(path: str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
