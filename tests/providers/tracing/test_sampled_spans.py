"""Which spans are recorded: as the samplers say, asked or not."""

import pytest
from both import Side
from opentelemetry.sdk.trace import ReadableSpan, _disable_tracer_configurator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    Decision,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    SamplingResult,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from otel_distro.providers.tracing import KeptIfFailed
from otel_distro.providers.tracing import tracer as tracers
from otel_distro.providers.tracing.decisions import ALL, bounds_of

HALF = 2**63


class Other(Sampler):
    """Decides as it was told, and keeps what it was asked."""

    def __init__(self, result=None):
        self.result = result or SamplingResult(Decision.RECORD_AND_SAMPLE, {"by": "other"})
        self.asked = []

    def should_sample(self, *arguments, **more):
        self.asked.append((arguments, more))
        return self.result

    def get_description(self):
        return "other"


@pytest.mark.parametrize(
    ("sampler", "bounds"),
    [
        (ALWAYS_ON, (ALL,) * 5),
        (ALWAYS_OFF, (0,) * 5),
        (DEFAULT_ON, (ALL, 0, ALL, 0, ALL)),
        (DEFAULT_OFF, (0, 0, ALL, 0, ALL)),
        (TraceIdRatioBased(0.5), (HALF,) * 5),
        (ParentBasedTraceIdRatio(0.5), (HALF, 0, ALL, 0, ALL)),
        (
            ParentBased(ALWAYS_ON, ALWAYS_OFF, ALWAYS_ON, ALWAYS_OFF, TraceIdRatioBased(0.5)),
            (ALL, HALF, 0, ALL, 0),
        ),
        (StaticSampler(Decision.RECORD_ONLY), None),
        (ParentBased(StaticSampler(Decision.RECORD_ONLY)), None),
        (ParentBased(Other()), None),
        (type("Own", (TraceIdRatioBased,), {"bound": 7})(0.5), None),
        (type("Own", (ParentBased,), {"should_sample": Other.should_sample})(ALWAYS_ON), None),
        (Other(), None),
    ],
    ids=lambda value: getattr(value, "get_description", lambda: str(value))(),
)
def test_what_the_sdk_s_samplers_would_say_is_known(sampler, bounds):
    assert bounds_of(sampler) == bounds


@pytest.mark.parametrize("trace_id", [1, HALF - 1, HALF, 2**64 - 1, 2**64 + 1, 2**127 + HALF])
@pytest.mark.parametrize("rate", [0, 0.5, 1])
@pytest.mark.parametrize("sampler", [TraceIdRatioBased, ParentBasedTraceIdRatio])
def test_a_ratio_is_of_the_traces_that_the_sampler_would_choose(
    sampler, rate, trace_id, monkeypatch
):
    monkeypatch.setattr(tracers, "random_bits", lambda _: trace_id)
    span = Side("ours", sampler=sampler(rate)).tracer.start_span("s")
    decision = sampler(rate).should_sample(None, trace_id, "s").decision
    assert span.get_span_context().trace_id == trace_id
    assert span.is_recording() == decision.is_recording()
    assert span.get_span_context().trace_flags == 2 + decision.is_sampled()


def test_a_sampler_of_a_stranger_is_asked_as_the_sdk_asks_it():
    asked = []
    state = TraceState([("k", "v")])
    parent = NonRecordingSpan(SpanContext(5, 6, is_remote=True, trace_flags=TraceFlags(1)))
    context = set_span_in_context(parent)
    for kind in ("ours", "the SDK's"):
        sampler = Other(SamplingResult(Decision.RECORD_ONLY, {"by": "other"}, state))
        side = Side(kind, sampler=sampler)
        span = side.tracer.start_span("s", context, attributes={"a": 1}, links=None)
        assert dict(span.attributes) == {"by": "other"}
        assert span.get_span_context().trace_state is state
        assert not span.get_span_context().trace_flags.sampled
        asked.append(sampler.asked)
    assert asked[0] == asked[1]


def test_a_sampler_that_takes_the_place_of_another_is_obeyed():
    tracer = Side("ours", sampler=ALWAYS_ON).tracer
    tracer.sampler = ALWAYS_OFF
    assert not tracer.start_span("s").is_recording()
    tracer.sampler = Other()
    assert dict(tracer.start_span("s").attributes) == {"by": "other"}
    tracer.sampler = DEFAULT_ON
    assert dict(tracer.start_span("s").attributes) == {}


@pytest.mark.parametrize("code", StatusCode)
def test_a_span_that_is_kept_if_it_fails_is_delivered_if_it_does(code):
    side = Side("ours", export=False, sampler=Other(KeptIfFailed({"a": 1})))
    span = side.tracer.start_span("s")
    assert span.is_recording()
    assert span.kept_if_failed
    assert not span.get_span_context().trace_flags.sampled
    span.set_status(code)
    span.end()
    assert side.pipeline.spans == [span] * (code is StatusCode.ERROR)


def test_the_same_holds_beside_processors_of_strangers_who_see_one_that_is_not_sampled():
    side = Side("ours", sampler=Other(KeptIfFailed()))
    for code in (StatusCode.OK, StatusCode.ERROR):
        span = side.tracer.start_span(code.name)
        span.set_status(code)
        span.end()
    assert [span.name for span in side.pipeline.spans] == ["ERROR"]
    assert side.exported == []


def test_spans_are_not_kept_if_nobody_says_so():
    side = Side("ours", export=False, sampler=Other(SamplingResult(Decision.RECORD_ONLY)))
    span = side.tracer.start_span("s")
    assert not span.kept_if_failed
    span.set_status(StatusCode.ERROR)
    span.end()
    assert side.pipeline.spans == []


def test_a_child_of_one_that_is_kept_if_it_fails_has_a_parent_that_is_not_sampled():
    side = Side("ours", sampler=ParentBased(Other(KeptIfFailed())))
    with side.tracer.start_as_current_span("s"):
        assert not side.tracer.start_span("child").is_recording()


@pytest.mark.parametrize("kind", ["ours", "the SDK's"])
def test_a_tracer_that_is_switched_off_records_nothing(kind):
    side = Side(kind, _tracer_configurator=_disable_tracer_configurator)
    span = side.tracer.start_span("s")
    assert not span.is_recording()
    assert not span.get_span_context().is_valid
    parent = Side("ours").tracer.start_span("p")
    child = side.tracer.start_span("s", set_span_in_context(parent))
    assert child.get_span_context() is parent.get_span_context()


@pytest.mark.parametrize("kind", ["ours", "the SDK's"])
def test_a_tracer_is_switched_off_after_it_was_given_out(kind):
    side = Side(kind)
    side.provider._set_tracer_configurator(tracer_configurator=_disable_tracer_configurator)
    assert not side.tracer.start_span("s").is_recording()


@pytest.mark.parametrize("kind", ["ours", "the SDK's"])
def test_a_parent_that_is_none_at_all_is_refused(kind):
    context = set_span_in_context(NonRecordingSpan("no context"))
    with pytest.raises(TypeError, match="must be a SpanContext"):
        Side(kind).tracer.start_span("s", context)


@pytest.mark.parametrize("kind", ["ours", "the SDK's"])
def test_a_disabled_sdk_has_tracers_that_do_nothing(kind, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    span = Side(kind).tracer.start_span("s")
    assert not isinstance(span, ReadableSpan)
