"""Sampling at each level, by the SDK's samplers and a provider of ours."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider as SdkProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_ON,
    Decision,
    ParentBased,
    TraceIdRatioBased,
)

from otel_distro.governor import state
from otel_distro.providers.governed_sampling import GovernedSampler, sampling_of_levels
from otel_distro.providers.sdk import TracerProvider
from otel_distro.providers.tracing import KeptIfFailed

LOW, HIGH = 1 << 64, (1 << 64) - 1  # ids of traces: what counts are the lower 64 bits
SAMPLED, NOT = trace.TraceFlags(1), trace.TraceFlags(0)
DROP, RECORD, SAMPLE = Decision.DROP, Decision.RECORD_ONLY, Decision.RECORD_AND_SAMPLE


def within(flags, *, is_remote):
    if flags is None:
        return trace.set_span_in_context(trace.INVALID_SPAN)
    parent = trace.SpanContext(HIGH, 1, is_remote=is_remote, trace_flags=flags)
    return trace.set_span_in_context(trace.NonRecordingSpan(parent))


@pytest.mark.parametrize(
    ("sampler", "flags", "trace_id", "decision"),
    [
        (DEFAULT_ON, None, LOW, SAMPLE),
        (DEFAULT_ON, None, HIGH, RECORD),
        (ALWAYS_ON, None, LOW, SAMPLE),
        (ALWAYS_ON, None, HIGH, RECORD),
        # Who called has decided.
        (DEFAULT_ON, SAMPLED, HIGH, SAMPLE),
        (DEFAULT_ON, NOT, LOW, DROP),
        (ALWAYS_ON, SAMPLED, HIGH, SAMPLE),
        (ALWAYS_ON, NOT, LOW, DROP),
        # What the sampler leaves out is left out.
        (ALWAYS_OFF, None, LOW, DROP),
        (ParentBased(TraceIdRatioBased(0.5)), None, LOW, SAMPLE),
        (ParentBased(TraceIdRatioBased(0.5)), None, HIGH, DROP),
        (ParentBased(TraceIdRatioBased(0.5)), None, (1 << 64) // 3, RECORD),
    ],
)
@pytest.mark.parametrize("is_remote", [True, False])
def test_a_governed_sampler_keeps_a_tenth_and_what_fails(
    sampler, flags, trace_id, decision, is_remote
):
    result = GovernedSampler(sampler).should_sample(
        within(flags, is_remote=is_remote), trace_id, "n", attributes={"a": 1}
    )
    assert result.decision is decision
    assert isinstance(result, KeptIfFailed) == (decision is RECORD)
    assert result.attributes == ({} if decision is DROP else {"a": 1})


def test_it_agrees_with_the_ratio_of_others():
    others = TraceIdRatioBased(0.1)
    edge = others.bound
    for trace_id in (edge - 1, edge, LOW + edge - 1, LOW + edge):
        of_others = others.should_sample(None, trace_id, "n").decision
        of_ours = GovernedSampler(DEFAULT_ON).should_sample(None, trace_id, "n").decision
        assert (of_ours is SAMPLE) == (of_others is SAMPLE)


def test_tracers_had_before_and_after_follow_each_level_and_come_back():
    provider = TracerProvider()
    own = provider.sampler
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = provider.get_tracer("before")
    change = sampling_of_levels(provider)

    def delivered(level):
        change(level)
        exporter.clear()
        for tracer in (before, provider.get_tracer(f"after {level}")):
            for _ in range(200):
                tracer.start_span("s").end()
        return len(exporter.get_finished_spans())

    assert delivered(2) == 400
    assert 5 < delivered(state.SAMPLED) < 120
    assert delivered(state.METRICS_ONLY) == 0
    assert delivered(0) == 400
    assert provider.sampler is own
    assert before.sampler is own


def test_below_level_3_the_sampler_is_the_providers_own():
    provider = TracerProvider()
    own = provider.sampler
    change = sampling_of_levels(provider)
    for level in (1, 2):
        change(level)
        assert provider.sampler is own


@pytest.mark.parametrize("provider", [SdkProvider(), trace.ProxyTracerProvider()])
def test_a_provider_of_others_is_left_alone(provider):
    sampler = getattr(provider, "sampler", None)
    sampling_of_levels(provider)(state.METRICS_ONLY)
    assert getattr(provider, "sampler", None) is sampler


def test_the_sdk_keeps_its_tracers_where_their_sampler_is_replaced():
    provider = SdkProvider()
    tracer = provider.get_tracer("t")
    assert provider._tracers_lock.acquire(blocking=False)
    provider._tracers_lock.release()
    assert list(provider._tracers.values()) == [tracer]
    assert tracer.sampler is provider.sampler
