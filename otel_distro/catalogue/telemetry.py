"""The instruments that tell about the telemetry itself: what became of it.

`otel.sdk.*` are the semantic conventions' (https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/);
`blipee.delivery.*` are ours, for what these have no name: the spool.
"""

from typing import Final

from otel_distro.catalogue.instrument import Attribute, Instrument, Kind, Origin

_ERROR: Final = Attribute("error.type")
_SIGNAL: Final = Attribute("signal", ("traces", "metrics", "logs"))


def _instrument(  # noqa: PLR0913 - the columns of a table
    name: str,
    kind: Kind,
    unit: str,
    description: str,
    *attributes: Attribute,
    capacity: str | None = None,
    origin: Origin = "semconv",
) -> Instrument:
    return Instrument(
        name=name,
        kind=kind,
        unit=unit,
        description=description,
        attributes=attributes,
        capacity=capacity,
        component="telemetry",
        origin=origin,
    )


def _of_processor(noun: str, unit: str, name: str) -> tuple[Instrument, ...]:
    return (
        _instrument(
            f"otel.sdk.processor.{noun}.processed",
            Kind.OBSERVABLE_COUNTER,
            unit,
            f"{name} that left the queue, or were dropped there.",
            _ERROR,
        ),
        _instrument(
            f"otel.sdk.processor.{noun}.queue.size",
            Kind.OBSERVABLE_UP_DOWN_COUNTER,
            unit,
            f"{name} that wait to be encoded.",
            capacity=f"otel.sdk.processor.{noun}.queue.capacity",
        ),
        _instrument(
            f"otel.sdk.processor.{noun}.queue.capacity",
            Kind.OBSERVABLE_UP_DOWN_COUNTER,
            unit,
            f"{name} that may wait to be encoded.",
        ),
    )


def _of_exporter(noun: str, unit: str, name: str) -> tuple[Instrument, ...]:
    return (
        _instrument(
            f"otel.sdk.exporter.{noun}.exported",
            Kind.OBSERVABLE_COUNTER,
            unit,
            f"{name} that were acknowledged, or given up for what error.type says.",
            _ERROR,
        ),
        _instrument(
            f"otel.sdk.exporter.{noun}.inflight",
            Kind.OBSERVABLE_UP_DOWN_COUNTER,
            unit,
            f"{name} that are encoded and not yet acknowledged, in memory or in the spool.",
        ),
    )


TELEMETRY: Final = (
    *_of_processor("span", "{span}", "Spans"),
    *_of_processor("log", "{log_record}", "Log records"),
    *_of_exporter("span", "{span}", "Spans"),
    *_of_exporter("log", "{log_record}", "Log records"),
    *_of_exporter("metric_data_point", "{data_point}", "Metric data points"),
    _instrument(
        "blipee.delivery.spooled",
        Kind.OBSERVABLE_UP_DOWN_COUNTER,
        "{record}",
        "Records that an endpoint did not take and that wait in the spool.",
        _SIGNAL,
        origin="application",
    ),
    _instrument(
        "blipee.delivery.dropped",
        Kind.OBSERVABLE_COUNTER,
        "{record}",
        "Records that are lost, by reason.",
        _SIGNAL,
        Attribute("reason"),
        origin="application",
    ),
    _instrument(
        "blipee.delivery.resent",
        Kind.OBSERVABLE_COUNTER,
        "{record}",
        "Records sent again because their acknowledgement was lost: each at most a duplicate.",
        _SIGNAL,
        origin="application",
    ),
    _instrument(
        "blipee.delivery.adopted",
        Kind.OBSERVABLE_COUNTER,
        "{record}",
        "Records found in the spool of a process that has ended.",
        _SIGNAL,
        origin="application",
    ),
    _instrument(
        "blipee.delivery.quarantined",
        Kind.OBSERVABLE_COUNTER,
        "{file}",
        "Files of the spool that were damaged and set aside.",
        origin="application",
    ),
    _instrument(
        "blipee.delivery.spool.size",
        Kind.OBSERVABLE_UP_DOWN_COUNTER,
        "By",
        "Bytes in the folder of the spool, of all processes.",
        origin="application",
    ),
)
