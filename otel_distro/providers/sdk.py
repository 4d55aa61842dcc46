"""The SDK's providers, with everything that others plug into them isolated.

They have the SDK's own names, for those who look at the name of a provider's class.
"""

import logging
from typing import Any, Final

from opentelemetry import metrics
from opentelemetry.sdk import _logs, trace
from opentelemetry.sdk import metrics as sdk_metrics
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Sampler
from opentelemetry.trace import Tracer
from opentelemetry.util.types import Attributes

from otel_distro.notices import describe, notice
from otel_distro.providers.attributes import make_cleaning_safe
from otel_distro.providers.isolation import LogRecordProcessors, SpanProcessors, name_failure
from otel_distro.providers.metering import take_over
from otel_distro.providers.meters import BoundedMeter
from otel_distro.providers.reentrancy import make_locks_reentrant
from otel_distro.providers.sampling import isolated_id_generator, isolated_sampler
from otel_distro.providers.tracing import lean_tracer

# Where the SDK's own processors and readers say, each time and with a traceback, that an exporter
# raised.
_LOGGERS: Final = (
    "opentelemetry.sdk._logs._internal.export",
    "opentelemetry.sdk._shared_internal",
    "opentelemetry.sdk.metrics._internal.export",
    "opentelemetry.sdk.trace.export",
)


class TracerProvider(trace.TracerProvider):
    """Isolates span processors, the sampler and the id generator. Its spans are lean."""

    def __init__(
        self,
        *,
        sampler: Sampler | None = None,
        id_generator: IdGenerator | None = None,
        **more: Any,  # noqa: ANN401 - the SDK's
    ) -> None:
        _prepare()
        super().__init__(
            sampler=isolated_sampler(sampler or DEFAULT_ON),
            id_generator=id_generator and isolated_id_generator(id_generator),
            active_span_processor=SpanProcessors(),
            **more,
        )

    def get_tracer(self, *arguments: Any, **more: Any) -> Tracer:  # noqa: ANN401 - the SDK's
        """Return the tracer of that name, always the same."""
        tracer = super().get_tracer(*arguments, **more)
        # Of a disabled SDK it is one that does nothing.
        return lean_tracer(tracer) if type(tracer) is trace.Tracer else tracer


class LoggerProvider(_logs.LoggerProvider):
    """Isolates log record processors."""

    def __init__(self, **more: Any) -> None:  # noqa: ANN401 - the SDK's
        _prepare()
        super().__init__(multi_log_record_processor=LogRecordProcessors(), **more)


class MeterProvider(sdk_metrics.MeterProvider):
    """Bounds callbacks of observable instruments; measures cheaply; raises for no reader."""

    def __init__(self, *arguments: Any, **more: Any) -> None:  # noqa: ANN401 - the SDK's
        _prepare()
        self._bounded: dict[int, BoundedMeter] = {}
        super().__init__(*arguments, **more)
        self._metering = take_over(self)

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> metrics.Meter:
        """Return the meter of that name, always the same."""
        meter = super().get_meter(name, version, schema_url, attributes)
        if not isinstance(meter, sdk_metrics.Meter):
            return meter  # after shutdown, or of a disabled SDK: one that does nothing
        # The provider holds the SDK's meters as long as it lives: an id is one meter's.
        key = id(meter)
        return self._bounded.get(key) or self._bounded.setdefault(
            key, BoundedMeter(meter, self._metering)
        )

    def _set_meter_configurator(self, **more: Any) -> None:  # noqa: ANN401 - the SDK's
        if self._metering:
            self._metering.put_all()  # as enabled as it was then
        super()._set_meter_configurator(**more)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Export what was measured. Returns whether that went well, in time."""
        try:
            return super().force_flush(timeout_millis)
        except Exception as error:  # noqa: BLE001 - a reader's, or its time is up
            name_failure(self, "force_flush", error, _GO_ON)
            return False

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        """Export what was measured, and stop."""
        try:
            super().shutdown(timeout_millis)
        except Exception as error:  # noqa: BLE001 - a reader's, or its time is up
            name_failure(self, "shutdown", error, _GO_ON)


_GO_ON: Final = "the application goes on"


def _prepare() -> None:
    make_locks_reentrant()
    make_cleaning_safe()
    for name in _LOGGERS:
        filters = logging.getLogger(name).filters
        if _name_failing_exporter not in filters:
            # Before the SDK's own, which lets nothing through that is like the last one.
            filters.insert(0, _name_failing_exporter)


def _name_failing_exporter(record: logging.LogRecord) -> bool:
    """Say once, in one line, what the SDK says of an exporter that raised."""
    error = record.exc_info and record.exc_info[1]
    if not error or not str(record.msg).startswith("Exception while exporting"):
        return True
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at is not None else "?"
    notice(
        f"exporter {where}",
        f"an exporter failed ({describe(error)}, at {where}); what it was given is lost there, "
        "and the application goes on.",
    )
    return False
