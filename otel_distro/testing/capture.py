"""What was emitted while a block ran, and the providers that keep it.

A tracer or logger that a module made when it was imported stays with the first provider it meets.
So the providers of all tests share one processor for each signal, which passes everything on to
the test that runs.
"""

import copy
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest
from opentelemetry import context, propagate
from opentelemetry.sdk._logs import (
    LoggerProvider,
    LogRecordProcessor,
    ReadableLogRecord,
    ReadWriteLogRecord,
)
from opentelemetry.sdk.environment_variables import OTEL_SDK_DISABLED
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from otel_distro.testing.fresh import replaced_providers
from otel_distro.testing.standard_logging import bridged
from otel_distro.testing.steady import EPOCH_NS, ReplaceableIds, SequentialIds, SteppingClock

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

T = TypeVar("T")

RESOURCE: Final = Resource({"service.name": "test"})


@dataclass(frozen=True, slots=True)
class Stream:
    """A metric, with the name of the scope that it came from."""

    scope: str
    metric: Metric


class CapturedTelemetry:
    """Spans, metrics and logs.

    Attributes:
        tracer_provider: The global one, to hand to code that takes it.
        meter_provider: The global one.
        logger_provider: The global one.
    """

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._lock = threading.Lock()
        self._started: dict[int, tuple[SpanContext, int | None]] = {}
        self._spans: list[ReadableSpan] = []
        self._logs: list[ReadableLogRecord] = []
        self._clock: SteppingClock | None = None
        with pytest.MonkeyPatch.context() as patch:
            # The suite's environment may switch telemetry off; who asks for this fixture wants it.
            patch.delenv(OTEL_SDK_DISABLED, raising=False)
            self.meter_provider = MeterProvider(
                [self._reader], resource=RESOURCE, shutdown_on_exit=False
            )
            self.tracer_provider = TracerProvider(
                sampler=ALWAYS_ON,
                resource=RESOURCE,
                shutdown_on_exit=False,
                id_generator=_ids,
                meter_provider=self.meter_provider,
            )
            self.logger_provider = LoggerProvider(
                resource=RESOURCE, shutdown_on_exit=False, meter_provider=self.meter_provider
            )
        self.tracer_provider.add_span_processor(_to_spans)
        self.logger_provider.add_log_record_processor(_to_logs)

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that ended, in that order."""
        return list(self._spans)

    def span(self, name: str) -> ReadableSpan:
        """Return the one span of that name. Fails for none and for several."""
        found = [span for span in self.spans if span.name == name]
        names = ", ".join(sorted(span.name for span in self.spans)) or "no spans"
        return _only(found, f"span named {name!r}", names)

    @property
    def metrics(self) -> dict[str, list[Any]]:
        """The data points so far, by the metric's name; observable instruments are read now."""
        points: dict[str, list[Any]] = {}
        for stream in self.streams():
            points.setdefault(stream.metric.name, []).extend(stream.metric.data.data_points)
        return points

    def point(self, name: str, attributes: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - kinds have their own points
        """Return the one data point of a metric that has these attributes, among others.

        Fails for none and for several. A counter's and a gauge's has `value`, a histogram's
        `count`, `sum` and `bucket_counts`.
        """
        wanted = (attributes or {}).items()
        points = self.metrics.get(name, [])
        found = [point for point in points if wanted <= dict(point.attributes or {}).items()]
        there = ", ".join(str(dict(point.attributes or {})) for point in points) or "no points"
        return _only(found, f"point of {name!r} with {dict(wanted)}", there)

    def streams(self) -> list[Stream]:
        """Return the metrics so far with their scopes."""
        data = self._reader.get_metrics_data()
        return [
            Stream(scope.scope.name, self._steady(metric))
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]

    @property
    def logs(self) -> list[ReadableLogRecord]:
        """The log records so far: those of standard `logging`, and so of our loggers, too."""
        return list(self._logs)

    def log(self, body: str) -> ReadableLogRecord:
        """Return the one log record that says this. Fails for none and for several."""
        found = [record for record in self.logs if record.log_record.body == body]
        bodies = ", ".join(repr(record.log_record.body) for record in self.logs) or "no records"
        return _only(found, f"log record {body!r}", bodies)

    def make_deterministic(self) -> None:
        """From now on count ids from 1, and let time stand still but for 1 ms at each event.

        Times are put in when something is captured: code that looks at a span while it goes on,
        or at the clock, sees the real ones. Measured durations are real.
        """
        self._clock = SteppingClock()
        _ids.source = SequentialIds()

    def started(self, span: ReadableSpan) -> None:
        """Remember when a span began."""
        with self._lock:
            began = self._clock.read() if self._clock is not None else None
            # By identity: ids that count from 1 come again in the next test.
            self._started[id(span.context)] = (span.context, began)

    def ended(self, span: ReadableSpan) -> None:
        """Keep a span, unless an earlier test began it."""
        with self._lock:
            if id(span.context) not in self._started:
                return
            _, began = self._started.pop(id(span.context))
            clock = self._clock
            if clock is not None and began is not None:
                span = ReadableSpan(
                    name=span.name,
                    context=span.context,
                    parent=span.parent,
                    resource=span.resource,
                    attributes=span.attributes,
                    events=[
                        Event(event.name, event.attributes, clock.read()) for event in span.events
                    ],
                    links=span.links,
                    kind=span.kind,
                    status=span.status,
                    start_time=began,
                    end_time=clock.read(),
                    instrumentation_scope=span.instrumentation_scope,
                )
            self._spans.append(span)

    def emitted(self, record: ReadWriteLogRecord) -> None:
        """Keep a log record."""
        said = copy.copy(record.log_record)
        with self._lock:
            if self._clock is not None:
                said.timestamp = said.observed_timestamp = self._clock.read()
            resource = record.resource or RESOURCE
            self._logs.append(ReadableLogRecord(said, resource, record.instrumentation_scope))

    def _steady(self, metric: Metric) -> Metric:
        if self._clock is None:
            return metric
        now = self._clock.read()
        points: list[Any] = [
            replace(
                point,
                start_time_unix_nano=EPOCH_NS,
                time_unix_nano=now,
                exemplars=[replace(one, time_unix_nano=now) for one in point.exemplars],
            )
            for point in metric.data.data_points
        ]
        data: Any = metric.data
        return replace(metric, data=replace(data, data_points=points))


def _only(found: list[T], what: str, there: str) -> T:
    if len(found) != 1:
        raise AssertionError(f"expected one {what}, found {len(found)}; there are: {there}")
    return found[0]


class _ToSpans(SpanProcessor):
    current: CapturedTelemetry | None = None

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        del parent_context
        if self.current is not None:
            self.current.started(span)

    def on_end(self, span: ReadableSpan) -> None:
        if self.current is not None:
            self.current.ended(span)


class _ToLogs(LogRecordProcessor):
    current: CapturedTelemetry | None = None

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        if self.current is not None:
            self.current.emitted(log_record)

    def shutdown(self) -> None:
        """Go on: the next test's logs pass here too."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        del timeout_millis
        return True


_ids: Final = ReplaceableIds()
_to_spans: Final = _ToSpans()
_to_logs: Final = _ToLogs()


@contextmanager
def capturing() -> Iterator[CapturedTelemetry]:
    """Capture what is emitted until the block ends."""
    captured = CapturedTelemetry()
    outer, outer_ids = _to_spans.current, _ids.source
    propagator = propagate.get_global_textmap()
    # No span, and no baggage, that somebody left behind.
    token = context.attach(context.Context())
    _ids.source = RandomIdGenerator()
    try:
        with (
            replaced_providers(
                captured.tracer_provider, captured.meter_provider, captured.logger_provider
            ),
            bridged(captured.logger_provider),
        ):
            _to_spans.current = _to_logs.current = captured
            yield captured
    finally:
        _to_spans.current = _to_logs.current = outer
        _ids.source = outer_ids
        context.detach(token)
        propagate.set_global_textmap(propagator)
