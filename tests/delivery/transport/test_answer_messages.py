"""The messages that are read by hand are read as protobuf reads them."""

from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import DebugInfo, RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from otel_distro.delivery.transport.answers import bounded
from otel_distro.delivery.transport.messages import (
    partial_success,
    retry_delay_s,
    status_message,
)
from otel_distro.delivery.transport.text import one_line, rejected_in, said_in

COUNTS = st.integers(0, 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
RESPONSES = {
    "rejected_spans": (ExportTraceServiceResponse, ExportTracePartialSuccess),
    "rejected_data_points": (ExportMetricsServiceResponse, ExportMetricsPartialSuccess),
    "rejected_log_records": (ExportLogsServiceResponse, ExportLogsPartialSuccess),
}


@given(st.sampled_from(list(RESPONSES)), COUNTS, TEXT)
def test_a_partial_success(count, rejected, message):
    response, partial = RESPONSES[count]
    said = partial(**{count: rejected, "error_message": message})
    assert partial_success(response(partial_success=said).SerializeToString()) == (
        rejected,
        message,
    )


def test_a_negative_count_is_none():
    said = ExportTracePartialSuccess(rejected_spans=-1, error_message="odd")
    encoded = ExportTraceServiceResponse(partial_success=said).SerializeToString()
    assert partial_success(encoded) == (0, "odd")


def test_what_is_cut_off_is_not_read():
    said = ExportTracePartialSuccess(rejected_spans=7)
    whole = ExportTraceServiceResponse(partial_success=said).SerializeToString()
    assert partial_success(whole) == (7, "")
    assert partial_success(b"\x0a\x05" + whole[2:]) == (0, "")


@given(TEXT, st.integers(-(10**11), 10**11), st.integers(0, 999_999_999), st.booleans())
def test_a_status_with_a_delay(message, seconds, nanos, others):
    status = Status(code=14, message=message)
    info = RetryInfo()
    info.retry_delay.seconds, info.retry_delay.nanos = seconds, nanos
    for detail in [DebugInfo(detail="d"), info] if others else [info]:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    encoded = status.SerializeToString()
    assert status_message(encoded) == message
    assert retry_delay_s(encoded) == seconds + nanos / 1e9


def test_a_status_without_a_delay():
    packed = Any()
    packed.Pack(DebugInfo(detail="d"))
    assert retry_delay_s(Status(details=[packed]).SerializeToString()) is None
    assert retry_delay_s(b"") is None


@given(st.binary(max_size=200))
def test_no_bytes_break_it(message):
    rejected, why = partial_success(message)
    assert 0 <= rejected < 2**63
    assert isinstance(why, str)
    delay = retry_delay_s(message)
    assert delay is None or 0 <= bounded(delay) <= 3600
    for kind in ("application/x-protobuf", "application/json", "text/html", ""):
        assert said_in(message, kind, ()).isprintable()
    assert rejected_in(message)[0] >= 0


@given(st.text(max_size=500))
def test_any_text_becomes_one_short_line(text):
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= 200
    assert line == line.strip()
