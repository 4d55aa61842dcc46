"""Takes a meter provider of the SDK over, if measuring this way comes out right on trial."""

from functools import cache
from typing import Any, Final

from opentelemetry.sdk.metrics import TraceBasedExemplarFilter
from opentelemetry.sdk.metrics._internal import Meter
from opentelemetry.sdk.metrics._internal.sdk_configuration import SdkConfiguration
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags

from otel_distro.providers.metering import aggregating
from otel_distro.providers.metering.consumer import Consumer
from otel_distro.providers.metering.exemplars import FILTERS
from otel_distro.providers.metering.instruments import KINDS

# ruff: noqa: SLF001, ANN401 - the SDK's private parts, which have no types


class Metering:
    """Makes what stands before the SDK's instruments."""

    def __init__(self, consumer: Consumer, config: Any) -> None:
        self._consumer = consumer
        self._config = config
        self._made: dict[int, Any] = {}

    def stand_before(self, instrument: Any) -> Any:
        """Return what measures for an instrument of the SDK: always the same.

        The instrument itself where a view has its exemplars kept in another way.
        """
        made = self._made.get(id(instrument))
        if made is not None:
            return made
        if not aggregating.keeps_usual_exemplars(instrument, self._config.views):
            return instrument
        make = next(make for kind, make in KINDS.items() if isinstance(instrument, kind))
        exemplify = FILTERS[type(self._config.exemplar_filter)]
        made = make(instrument, self._consumer, exemplify)
        # It holds the SDK's instrument, so that the id remains that one's.
        return self._made.setdefault(id(instrument), made)

    def put_all(self) -> None:
        """Put in what is pending in all instruments."""
        self._consumer.put_all()


def take_over(provider: Any) -> Metering | None:
    """Let a meter provider measure this way, before it has given out a meter.

    None if its exemplar filter is someone's own, which has to be asked each time.

    Raises:
        Exception: The SDK is not what this was written for.
    """
    config = provider._sdk_config
    if type(config.exemplar_filter) not in FILTERS:
        return None
    _try_out()
    consumer = Consumer(config, provider._metric_readers)
    provider._measurement_consumer = consumer
    for reader in provider._metric_readers:
        reader._set_collect_callback(consumer.collect)
    return Metering(consumer, config)


@cache
def _try_out() -> None:
    aggregating.key_of(aggregating.cleaned(_ATTRIBUTES))  # without it nothing is aggregated here
    reader: Any = InMemoryMetricReader()
    config = SdkConfiguration(
        exemplar_filter=TraceBasedExemplarFilter(), resource=Resource.get_empty(), views=()
    )
    consumer = Consumer(config, [reader])
    reader._set_collect_callback(consumer.collect)
    metering = Metering(consumer, config)
    meter = Meter(InstrumentationScope("trial"), consumer)
    sampled = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    for kind in ("counter", "up_down_counter", "gauge", "histogram"):
        bound = metering.stand_before(getattr(meter, f"create_{kind}")(kind)).bind(_ATTRIBUTES)
        for value in _VALUES:
            bound.add(value, sampled)
    found = _summary(reader.get_metrics_data())
    if found != _EXPECTED:
        raise RuntimeError(f"on trial it had {found}")


_ATTRIBUTES: Final = {"a": 1}
_VALUES: Final = (1, 3, 2)
# The value, or count, sum, least and most; the number of exemplars; the attributes.
_EXPECTED: Final = {
    "counter": (6, 1, _ATTRIBUTES),
    "up_down_counter": (6, 1, _ATTRIBUTES),
    "gauge": (2, 1, _ATTRIBUTES),
    "histogram": ((3, 6, 1, 3), 1, _ATTRIBUTES),
}


def _summary(data: MetricsData | None) -> dict[str, tuple[Any, int, Any]]:
    summary: dict[str, tuple[Any, int, Any]] = {}
    metrics = data.resource_metrics[0].scope_metrics[0].metrics if data else ()
    for metric in metrics:
        points: Any = metric.data.data_points
        for point in points:
            value = getattr(point, "value", None)
            if value is None:
                value = (point.count, point.sum, point.min, point.max)
            summary[metric.name] = (value, len(point.exemplars), point.attributes)
    return summary
