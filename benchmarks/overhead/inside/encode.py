"""Encoders: `N` answers with the µs of a span, a log record and a metric point, N of each.

What is encoded was made by the SDK. As in a service, attributes repeat, but for an id in each.
"""

import gc
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench_app import ATTRIBUTES
from control import answer, orders
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

Encode = Callable[[Any], object]
_BATCH = 512


def main() -> None:
    answer(ready=True)
    for (number,) in orders():
        spans, records, points = make(int(number))
        encode_spans, encode_logs, encode_metrics = encoders()
        answer(
            span=_cost(encode_spans, _batches(spans), len(spans)),
            log_record=_cost(encode_logs, _batches(records), len(records)),
            metric_point=_cost(encode_metrics, [points], _count(points)),
        )


def encoders() -> tuple[Encode, Encode, Encode]:
    """Return those of whose environment this is, down to bytes."""
    if os.environ["BENCH_CONTESTANT"] in ("ours", "beside"):
        from otel_distro.delivery.encoding import encode_logs, encode_metrics, encode_spans, join

        def of_ours(encode: Callable[[Any], Any]) -> Encode:
            return lambda what: join(encode(what).chunks)

        return of_ours(encode_spans), of_ours(encode_logs), of_ours(encode_metrics)

    from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs as logs
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics as metrics
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as spans

    def of_upstream(encode: Callable[[Any], Any]) -> Encode:
        return lambda what: encode(what).SerializeToString()

    return of_upstream(spans), of_upstream(logs), of_upstream(metrics)


def make(number: int) -> tuple[Sequence[Any], Sequence[Any], Any]:
    """Return that many spans, log records and, as one collection, metric points."""
    kept_spans, kept_records, reader = (
        InMemorySpanExporter(),
        InMemoryLogRecordExporter(),
        InMemoryMetricReader(),
    )
    tracers, loggers = TracerProvider(), LoggerProvider()
    meter = MeterProvider([reader]).get_meter("bench")
    tracers.add_span_processor(SimpleSpanProcessor(kept_spans))
    loggers.add_log_record_processor(SimpleLogRecordProcessor(kept_records))
    tracer, logger = tracers.get_tracer("bench"), loggers.get_logger("bench")
    counter = meter.create_counter("bench.orders")
    for order in range(number):
        attributes = {**ATTRIBUTES, "order.customer": f"c-{order}"}
        tracer.start_span("price order", attributes=attributes).end()
        logger.emit(
            timestamp=time.time_ns(),
            severity_text="INFO",
            body=f"priced {order}",
            attributes=attributes,
        )
        counter.add(1, attributes)
    return (
        kept_spans.get_finished_spans(),
        kept_records.get_finished_logs(),
        reader.get_metrics_data(),
    )


def _count(data: MetricsData) -> int:
    return sum(
        len(metric.data.data_points)
        for of_resource in data.resource_metrics
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
    )


def _batches(what: Sequence[Any]) -> list[Sequence[Any]]:
    return [what[start : start + _BATCH] for start in range(0, len(what), _BATCH)]


def _cost(encode: Encode, batches: Sequence[Any], number: int) -> float:
    gc.collect()
    began = time.process_time()
    for batch in batches:
        assert encode(batch)
    return (time.process_time() - began) / number * 1e6


if __name__ == "__main__":
    main()
