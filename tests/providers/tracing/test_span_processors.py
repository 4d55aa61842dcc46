"""Processors of strangers see each span as the SDK shows it; ours takes the span itself."""

import pytest
from both import Kept, Side, shown
from opentelemetry import context as context_api
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor
from opentelemetry.sdk.trace import Span as SpanOfTheSdk
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON

from otel_distro.delivery.sdk import PipelineSpanProcessor
from otel_distro.providers.tracing import Span


class Watches(SpanProcessor):
    def __init__(self, seen, name=""):
        self._seen = seen
        self._name = name

    def on_start(self, span, parent_context=None):
        self._seen.append((self._name, "start", span, parent_context))
        span.set_attribute("seen by", self._name)

    def _on_ending(self, span):
        self._seen.append((self._name, "ending", span, span.is_recording()))

    def on_end(self, span):
        self._seen.append((self._name, "end", span, span.end_time))


@pytest.mark.parametrize("deliver", [True, False])
def test_each_processor_is_told_in_order(deliver):
    told = []
    for kind in ("ours", "the SDK's"):
        side = Side(kind, deliver=deliver)
        seen = []
        for name in "ab":
            side.provider.add_span_processor(Watches(seen, name))
        context = context_api.Context({"k": "v"})
        span = side.tracer.start_span("s", context, start_time=1)
        span.end(2)
        assert [one[2] is span for one in seen] == [True, True, True, True, False, False]
        assert all(isinstance(one[2], SpanOfTheSdk) for one in seen[:4])
        told.append([(name, what, more) for name, what, _, more in seen])
        assert dict(span.attributes) == {"seen by": "b"}
    assert told[0] == told[1]


def test_who_is_told_of_the_end_gets_the_sdk_s_span_once_for_all():
    seen = []
    side = Side("ours", export=False)
    for name in "ab":
        side.provider.add_span_processor(Watches(seen, name))
    span = side.tracer.start_span("s", attributes={"a": 1})
    span.add_event("e")
    span.end()
    first, second = (one[2] for one in seen if one[1] == "end")
    assert type(first) is ReadableSpan
    assert first is second
    assert shown(first) == shown(span)
    assert side.pipeline.spans == [span]


def test_what_was_dropped_is_said_in_the_copy_too():
    limits = SpanLimits(max_span_attributes=1, max_events=0, max_links=1)
    side = Side("ours", span_limits=limits)
    span = side.tracer.start_span("s", attributes={"a": 1, "b": 2})
    span.add_event("e")
    for _ in range(3):
        span.add_link(span.get_span_context())
    span.end()
    (exported,) = side.exported
    assert exported["dropped"] == (1, 1, 2) == shown(span)["dropped"]


def test_the_pipeline_alone_gets_the_span_itself_and_nothing_else_is_called():
    side = Side("ours", export=False)
    span = side.tracer.start_span("s")
    assert type(span) is Span
    assert side.pipeline.spans == []
    span.end()
    assert side.pipeline.spans == [span]


def test_two_pipelines_each_get_it():
    side = Side("ours", export=False)
    other = Kept()
    side.provider.add_span_processor(PipelineSpanProcessor(other))
    span = side.tracer.start_span("s")
    span.end()
    assert side.pipeline.spans == other.spans == [span]


def test_a_processor_that_comes_while_a_span_is_open_is_told_of_its_end():
    side = Side("ours", export=False)
    span = side.tracer.start_span("s")
    seen = []
    side.provider.add_span_processor(Watches(seen))
    span.end()
    assert [one[1] for one in seen] == ["ending", "end"]
    assert side.pipeline.spans == [span]


def test_processors_that_are_taken_away_are_told_nothing_more():
    side = Side("ours")
    side.provider._active_span_processor._span_processors = ()
    side.tracer.start_span("s").end()
    assert side.exported == side.delivered == []


def test_no_processor_is_told_of_what_is_not_recorded():
    side = Side("ours", sampler=ALWAYS_OFF)
    seen = []
    side.provider.add_span_processor(Watches(seen))
    with side.tracer.start_as_current_span("s"):
        pass
    assert seen == side.exported == side.delivered == []


def test_spans_are_counted_if_that_is_wanted_as_the_sdk_counts_them(monkeypatch):
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    counted = []
    for kind in ("ours", "the SDK's"):
        reader = InMemoryMetricReader()
        meters = MeterProvider([reader], shutdown_on_exit=False)
        for sampler in (DEFAULT_ON, ALWAYS_OFF):
            side = Side(kind, meter_provider=meters, sampler=sampler)
            with side.tracer.start_as_current_span("s"):
                side.tracer.start_span("open")
        data = reader.get_metrics_data()
        (scope,) = data.resource_metrics[0].scope_metrics
        counted.append(
            {
                metric.name: [(dict(p.attributes), p.value) for p in metric.data.data_points]
                for metric in scope.metrics
            }
        )
        meters.shutdown()
    assert counted[0] == counted[1]
    assert counted[0]["otel.sdk.span.live"]
