"""Names the instrument, and the attribute, that has more values than can be told apart.

The SDK keeps 2,000 attribute sets of an instrument and puts the rest into one series with
`otel.metric.overflow`, as the specification says; it does not say so to anybody.
https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits
"""

from collections.abc import Iterable
from typing import Any, Final

from opentelemetry.sdk.metrics.export import (
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)

from otel_distro.notices import notice

OVERFLOW: Final = "otel.metric.overflow"


class CardinalityWatch(MetricExporter):
    """Passes everything on to an exporter, and looks for overflow on the way."""

    def __init__(self, exporter: MetricExporter) -> None:
        # What the reader asks an exporter for; the SDK offers no public way to delegate it.
        super().__init__(
            preferred_temporality=exporter._preferred_temporality,  # noqa: SLF001
            preferred_aggregation=exporter._preferred_aggregation,  # noqa: SLF001
        )
        self._exporter = exporter

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Export."""
        for metric in _metrics(metrics_data):
            if any(OVERFLOW in (point.attributes or ()) for point in metric.data.data_points):
                _name(metric)
        return self._exporter.export(metrics_data, timeout_millis, **kwargs)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Shut down."""
        self._exporter.shutdown(timeout_millis, **kwargs)


def _metrics(data: MetricsData) -> Iterable[Metric]:
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            yield from scope.metrics


def _name(metric: Metric) -> None:
    values: dict[str, set[object]] = {}
    for point in metric.data.data_points:
        for key, value in (point.attributes or {}).items():
            values.setdefault(key, set()).add(str(value))
    values.pop(OVERFLOW, None)
    worst = max(values, key=lambda key: len(values[key]), default="?")
    notice(
        f"cardinality {metric.name}",
        f"{metric.name} has more than {len(metric.data.data_points) - 1} attribute sets; further "
        f"ones are counted together. Its attribute {worst!r} has {len(values.get(worst, ()))} "
        "values: use a bounded set, and put ids on spans and logs.",
    )
