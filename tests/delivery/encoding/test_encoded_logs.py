"""Log records arrive with what upstream's encoder would have sent."""

import pytest
from any_values import ATTRIBUTES, COUNTS, IDS, TEXT, TIMES, TRACE_IDS, VALUES, sent
from decoded import RESOURCE, SCOPE, records, requested, sole
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs as upstream
from opentelemetry.sdk._logs import ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.trace import TraceFlags

from otel_distro.delivery.encoding import encode_logs


def record(body="x", kind=ReadableLogRecord, resource=RESOURCE, dropped=0, **fields):
    made = LogRecord(body=body, timestamp=1, observed_timestamp=2)
    for name, value in fields.items():
        setattr(made, name, value)
    if dropped:
        made.attributes = BoundedAttributes(attributes=made.attributes)
        made.attributes.dropped = dropped
    return kind(made, resource, SCOPE)


@st.composite
def records_and_what_upstream_needs(draw):
    fields = {
        "timestamp": draw(st.none() | TIMES),
        "observed_timestamp": draw(TIMES),
        "trace_id": draw(st.just(0) | TRACE_IDS),
        "span_id": draw(st.just(0) | IDS),
        "trace_flags": TraceFlags(draw(st.integers(0, 255))),
        "severity_number": draw(st.none() | st.sampled_from(SeverityNumber)),
    }
    texts = {
        "severity_text": draw(st.none() | TEXT),
        "event_name": draw(st.none() | TEXT),
        "body": draw(VALUES),
        "attributes": draw(st.none() | ATTRIBUTES),
    }
    dropped = draw(st.just(0) | COUNTS)
    upstream_needs = {name: sent(value) for name, value in texts.items()}
    return record(dropped=dropped, **fields, **texts), record(
        dropped=dropped, **fields, **upstream_needs
    )


@settings(max_examples=200, deadline=None)
@given(records_and_what_upstream_needs())
def test_records_are_what_upstream_would_send(pair):
    ours, theirs = pair
    encoded = encode_logs([ours])
    assert records(requested(encoded.chunks, "logs")) == records(upstream([theirs]))
    assert encoded.unencodable == 0


def test_a_record_that_can_be_changed_is_the_same():
    fields = {"attributes": {"a": 1}, "severity_number": SeverityNumber.INFO}
    changeable = record(kind=ReadWriteLogRecord, **fields)
    assert encode_logs([changeable]) == encode_logs([record(**fields)])


@pytest.mark.parametrize("severity", list(SeverityNumber))
def test_error_and_above_are_failures(severity):
    (chunk,) = encode_logs([record(severity_number=severity)]).chunks
    assert chunk.errors == (severity.value >= SeverityNumber.ERROR.value)


def test_records_stay_in_order_and_failures_apart():
    severities = [9, 17, 9, 21, None, 13]
    made = [
        record(body=n, severity_number=s and SeverityNumber(s)) for n, s in enumerate(severities)
    ]
    chunks = encode_logs(made).chunks
    assert [(chunk.count, chunk.errors) for chunk in chunks] == [(4, False), (2, True)]
    bodies = [found.body.int_value for _, found in records(requested(chunks, "logs"))]
    assert bodies == [0, 2, 4, 5, 1, 3]


def test_a_record_without_a_resource_arrives():
    assert sole(encode_logs([record(resource=None)]), "logs").body.string_value == "x"
