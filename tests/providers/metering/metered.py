"""Meters of any kind of provider, and what their readers collect."""

from dataclasses import dataclass, field

from opentelemetry.sdk import metrics as sdk_metrics
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.trace import SpanContext, TraceFlags

from otel_distro.providers import sdk

SYNCHRONOUS = (
    sdk_metrics.Counter,
    sdk_metrics.UpDownCounter,
    sdk_metrics.Histogram,
    sdk_metrics._Gauge,
)


def reader(temporality="cumulative", limits=None):
    """Return a reader whose instruments all have that temporality."""
    chosen = AggregationTemporality[temporality.upper()]
    return InMemoryMetricReader(
        preferred_temporality=dict.fromkeys(SYNCHRONOUS, chosen),
        cardinality_limits=dict.fromkeys(SYNCHRONOUS, limits) if limits else None,
    )


def span_context(number, *, sampled=True):
    """Return the context of a span with that number."""
    return SpanContext(number + 1, number + 2, is_remote=False, trace_flags=TraceFlags(sampled))


@dataclass
class Metered:
    """A meter and the reader of its provider."""

    provider: sdk_metrics.MeterProvider
    readers: list = field(default_factory=list)

    @property
    def meter(self):
        return self.provider.get_meter("t")

    def points(self, which=0):
        """Collect; return the points by name of the metric."""
        data = self.readers[which].get_metrics_data()
        return {
            metric.name: list(metric.data.data_points)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def values(self, name, which=0):
        """Collect; return value, or count and sum, by the items of the attributes."""
        return {
            tuple(point.attributes.items()): getattr(point, "value", None)
            if hasattr(point, "value")
            else (point.count, point.sum)
            for point in self.points(which).get(name, ())
        }


def metered(kind=sdk.MeterProvider, readers=None, **more):
    """Return a new meter of that kind of provider."""
    readers = [reader()] if readers is None else readers
    return Metered(kind(metric_readers=readers, shutdown_on_exit=False, **more), readers)
