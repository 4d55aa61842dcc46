"""What the SDK's providers hand records to."""

from typing import Final

from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)
from opentelemetry.sdk.metrics.view import Aggregation
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from otel_distro.delivery.pipeline import Pipeline

_SHUTDOWN_S: Final = 1.0


class PipelineSpanProcessor(SpanProcessor):
    """Hands ended, sampled spans to a pipeline; others if they say that they are `is_delivered`.

    Attributes:
        deliver: Takes a span without a look at it. Never waits.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.deliver: Final = pipeline.add_span

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span. Never waits."""
        context = span.context
        is_sampled = context is not None and context.trace_flags & 1
        if is_sampled or getattr(span, "is_delivered", False):
            self.deliver(span)

    def shutdown(self) -> None:
        """Deliver what the pipeline has; it is stopped by whoever made it."""
        self._pipeline.flush(_SHUTDOWN_S)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Deliver what the pipeline has. Returns whether all of it went in time."""
        return self._pipeline.flush(timeout_millis / 1000)


class PipelineLogProcessor(LogRecordProcessor):
    """Hands log records to a pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Take a log record. Never waits."""
        self._pipeline.add_log(log_record)

    def shutdown(self) -> None:
        """Deliver what the pipeline has; it is stopped by whoever made it."""
        self._pipeline.flush(_SHUTDOWN_S)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Deliver what the pipeline has. Returns whether all of it went in time."""
        return self._pipeline.flush(timeout_millis / 1000)


class PipelineMetricExporter(MetricExporter):
    """Hands what a reader collects to a pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        preferred_temporality: dict[type, AggregationTemporality],
        preferred_aggregation: dict[type, Aggregation],
    ) -> None:
        super().__init__(preferred_temporality, preferred_aggregation)
        self._pipeline = pipeline

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - the SDK's signature
        **_kwargs: object,
    ) -> MetricExportResult:
        """Take what was collected. It is delivered later."""
        self._pipeline.add_metrics(metrics_data)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Deliver what the pipeline has. Returns whether all of it went in time."""
        return self._pipeline.flush(timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: object) -> None:
        """Do nothing: the pipeline is stopped by whoever made it."""
