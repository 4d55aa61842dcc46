"""Records as the official protobuf classes read them, with all that stands around them."""

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

from otel_distro.delivery.encoding import join

REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
RESOURCE = Resource({"service.name": "shop", "process.pid": 7}, "https://resource")
SCOPE = InstrumentationScope("scope", "1.0", "https://scope", {"a": [1, 2]})
CONTEXT = SpanContext(1, 2, is_remote=False)


def requested(chunks, signal):
    return REQUESTS[signal].FromString(join(chunks))


def scopes(request):
    """Yield resource, schema, scope, schema, records of each scope."""
    for of_resource in request.ListFields()[0][1] if request.ListFields() else ():
        for name in ("scope_spans", "scope_logs", "scope_metrics"):
            for of_scope in getattr(of_resource, name, ()):
                around = (of_resource.resource, of_resource.schema_url)
                around += (of_scope.scope, of_scope.schema_url)
                for records in ("spans", "log_records", "metrics"):
                    if hasattr(of_scope, records):
                        yield around, list(getattr(of_scope, records))


def records(request):
    return [(around, record) for around, some in scopes(request) for record in some]


def sole(encoded, signal):
    """The one record that there is."""
    assert encoded.unencodable == 0
    (chunk,) = encoded.chunks
    assert chunk.count == 1
    ((_, record),) = records(requested([chunk], signal))
    return record


def span(attributes=None, **fields):
    return ReadableSpan(
        **{
            "name": "GET",
            "context": CONTEXT,
            "resource": RESOURCE,
            "instrumentation_scope": SCOPE,
            "attributes": attributes,
            "start_time": 1,
            "end_time": 2,
            **fields,
        }
    )


def plain(value):
    """An `AnyValue` as Python has it."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    content = getattr(value, kind)
    if kind == "array_value":
        return [plain(item) for item in content.values]
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in content.values}
    return content


def attributes(record):
    return {pair.key: plain(pair.value) for pair in record.attributes}
