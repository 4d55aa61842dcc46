"""The instruments that tell about the telemetry itself: what became of it.

`otel.sdk.*` are the semantic conventions' (https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/);
`blipee.delivery.*` are ours, for what these have no name: the spool.
`blipee.governor.*` are ours too: what all of it costs.
"""

from functools import partial
from typing import Final

from otel_distro.catalogue.instrument import Attribute, Instrument, Kind
from otel_distro.catalogue.semconv import standard

_ERROR: Final = Attribute("error.type")
_SIGNAL: Final = Attribute("signal", ("traces", "metrics", "logs"))


_standard: Final = partial(standard, component="telemetry")
_ours: Final = partial(Instrument, component="telemetry")


def _of_processor(noun: str, unit: str, name: str) -> tuple[Instrument, ...]:
    return (
        _standard(
            f"otel.sdk.processor.{noun}.processed",
            Kind.OBSERVABLE_COUNTER,
            unit,
            f"{name} that left the queue, or were dropped there.",
            _ERROR,
        ),
        _standard(
            f"otel.sdk.processor.{noun}.queue.size",
            Kind.OBSERVABLE_UP_DOWN_COUNTER,
            unit,
            f"{name} that wait to be encoded.",
            capacity=f"otel.sdk.processor.{noun}.queue.capacity",
        ),
        _standard(
            f"otel.sdk.processor.{noun}.queue.capacity",
            Kind.OBSERVABLE_UP_DOWN_COUNTER,
            unit,
            f"{name} that may wait to be encoded.",
        ),
    )


def _of_exporter(noun: str, unit: str, name: str) -> tuple[Instrument, ...]:
    return (
        _standard(
            f"otel.sdk.exporter.{noun}.exported",
            Kind.OBSERVABLE_COUNTER,
            unit,
            f"{name} that were acknowledged, or given up for what error.type says.",
            _ERROR,
        ),
        _standard(
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
    _ours(
        name="blipee.delivery.spooled",
        kind=Kind.OBSERVABLE_UP_DOWN_COUNTER,
        unit="{record}",
        description="Records that an endpoint did not take and that wait in the spool.",
        attributes=(_SIGNAL,),
    ),
    _ours(
        name="blipee.delivery.dropped",
        kind=Kind.OBSERVABLE_COUNTER,
        unit="{record}",
        description="Records that are lost, by reason.",
        attributes=(_SIGNAL, Attribute("reason")),
    ),
    _ours(
        name="blipee.delivery.resent",
        kind=Kind.OBSERVABLE_COUNTER,
        unit="{record}",
        description="Records sent again because their acknowledgement was lost: each at most a "
        "duplicate.",
        attributes=(_SIGNAL,),
    ),
    _ours(
        name="blipee.delivery.adopted",
        kind=Kind.OBSERVABLE_COUNTER,
        unit="{record}",
        description="Records found in the spool of a process that has ended.",
        attributes=(_SIGNAL,),
    ),
    _ours(
        name="blipee.delivery.quarantined",
        kind=Kind.OBSERVABLE_COUNTER,
        unit="{file}",
        description="Files of the spool that were damaged and set aside.",
    ),
    _ours(
        name="blipee.delivery.spool.size",
        kind=Kind.OBSERVABLE_UP_DOWN_COUNTER,
        unit="By",
        description="Bytes in the folder of the spool, of all processes.",
    ),
    _ours(
        name="blipee.governor.level",
        kind=Kind.OBSERVABLE_GAUGE,
        unit="{level}",
        description="How much is left out to keep within the budget: 0 is nothing, 4 all spans.",
    ),
    _ours(
        name="blipee.governor.cpu.share",
        kind=Kind.OBSERVABLE_GAUGE,
        unit="1",
        description="What telemetry takes of the processor time that the process may use.",
        capacity="blipee.governor.cpu.budget",
    ),
    _ours(
        name="blipee.governor.cpu.budget",
        kind=Kind.OBSERVABLE_GAUGE,
        unit="1",
        description="What telemetry may take of the processor time that the process may use.",
    ),
)
