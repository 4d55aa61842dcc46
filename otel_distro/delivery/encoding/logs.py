"""Log records as OTLP.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto
"""

import struct
from typing import TYPE_CHECKING, Final

from otel_distro.delivery.encoding.attributes import Attributes
from otel_distro.delivery.encoding.fields import fixed32, fixed64, identifier, uint32
from otel_distro.delivery.encoding.grouping import MAX_BYTES, Encoded, Grouping
from otel_distro.delivery.encoding.texts import Texts
from otel_distro.delivery.encoding.values import any_value
from otel_distro.delivery.encoding.wire import length_delimited

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord, ReadWriteLogRecord

_ERROR: Final = 17
_FATAL4: Final = 24
_SEVERITIES: Final = {number: uint32(2, number) for number in range(_FATAL4 + 1)}

_FLAGS: Final[dict[object, bytes]] = {flags: fixed32(8, flags) for flags in range(256)}

_times: Final = struct.Struct("<BQBQ").pack
_severity_texts: Final = Texts(3)
_event_names: Final = Texts(12)
_attributes: Final = Attributes(6)


def encode_logs(
    records: "Sequence[ReadableLogRecord | ReadWriteLogRecord]", max_bytes: int = MAX_BYTES
) -> Encoded:
    """Encode log records into chunks of at most `max_bytes`. Never raises."""
    grouping = Grouping(max_bytes)
    for record in records:
        try:
            _add(record, grouping)
        except Exception:  # noqa: BLE001 - a record of a third party may raise anything
            grouping.unencodable += 1
    return grouping.encoded()


def _add(readable: "ReadableLogRecord | ReadWriteLogRecord", grouping: Grouping) -> None:
    record = readable.log_record
    severity = getattr(record.severity_number, "_value_", 0)
    try:
        times = _times(0x09, record.timestamp, 0x59, record.observed_timestamp)
    except Exception:  # noqa: BLE001 - none, before 1970, or no number at all
        times = fixed64(1, record.timestamp) + fixed64(11, record.observed_timestamp)
    fields = [
        times,
        _SEVERITIES.get(severity, b""),
        _severity_texts.field(record.severity_text),
        length_delimited(5, any_value(record.body)),
        _attributes.encode(record.attributes),
        uint32(7, readable.dropped_attributes),
        _FLAGS.get(record.trace_flags, b""),
    ]
    if record.trace_id:
        fields.append(identifier(9, record.trace_id, 16))
    if record.span_id:
        fields.append(identifier(10, record.span_id, 8))
    if record.event_name is not None:
        fields.append(_event_names.field(record.event_name))
    failed = severity >= _ERROR
    grouping.add(readable.resource, readable.instrumentation_scope, b"".join(fields), errors=failed)
