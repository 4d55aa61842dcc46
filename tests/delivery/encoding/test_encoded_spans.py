"""Spans arrive with what upstream's encoder would have sent."""

import subprocess
import sys
from itertools import pairwise

import pytest
from any_values import ATTRIBUTES, COUNTS, FEW_ATTRIBUTES, IDS, TEXT, TIMES, TRACE_IDS, sent
from decoded import RESOURCE, SCOPE, records, requested, scopes, sole, span
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as upstream
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider, sampling
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceState

from otel_distro.delivery.encoding import encode_spans, join
from otel_distro.delivery.encoding.spans import _readers
from otel_distro.delivery.sdk import PipelineSpanProcessor
from otel_distro.providers import sdk

RESOURCES = [RESOURCE, Resource({}), Resource({"service.name": "shop"}), Resource({"x": 1.0})]
SCOPES = [
    SCOPE,
    None,
    InstrumentationScope("scope"),
    InstrumentationScope("scope", "1.0", "https://scope"),
    InstrumentationScope("é", None, None, {"n": 1}),
]
STATES = [None, TraceState([]), TraceState([("k", "v"), ("vendor", "1")])]
CONTEXTS = st.builds(
    SpanContext,
    trace_id=TRACE_IDS,
    span_id=IDS,
    is_remote=st.booleans(),
    trace_state=st.sampled_from(STATES),
)
STATUSES = st.one_of(
    st.builds(Status, st.just(StatusCode.ERROR), TEXT),
    st.sampled_from(list(StatusCode)).map(Status),
    st.none(),
)


def bounded(attributes, dropped):
    made = BoundedAttributes(attributes=attributes)
    made.dropped = dropped
    return made


def bounded_list(items, dropped):
    made = BoundedList.from_seq(None, items)
    made.dropped = dropped
    return made


@st.composite
def spans_and_what_upstream_needs(draw):
    """Draw one span twice: as it is, and as upstream can send the same."""
    base = {
        "context": draw(CONTEXTS),
        "parent": draw(st.none() | CONTEXTS),
        "resource": draw(st.sampled_from(RESOURCES)),
        "kind": draw(st.sampled_from(SpanKind)),
        "instrumentation_scope": draw(st.sampled_from(SCOPES)),
        "start_time": draw(st.none() | TIMES),
        "end_time": draw(st.none() | TIMES),
    }
    name = draw(TEXT)
    status = draw(STATUSES)
    dropped = draw(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS))
    attributes = draw(ATTRIBUTES)
    events = draw(st.lists(st.tuples(TEXT, FEW_ATTRIBUTES, TIMES), max_size=2))
    links = draw(st.lists(st.tuples(CONTEXTS, FEW_ATTRIBUTES), max_size=2))
    of_the_sdk = draw(st.booleans())

    def made(change):
        def attrs(mapping):
            return bounded(change(mapping), dropped[3]) if of_the_sdk else change(mapping)

        def items(some, count):
            return bounded_list(some, count) if of_the_sdk else some

        changed = status
        if status is not None and status.description is not None:
            changed = Status(status.status_code, change(status.description))
        return ReadableSpan(
            change(name),
            attributes=attrs(attributes),
            events=items([Event(change(n), attrs(a), t) for n, a, t in events], dropped[0]),
            links=items([Link(c, attrs(a)) for c, a in links], dropped[1]),
            status=changed,
            **base,
        )

    return made(lambda value: value), made(sent)


def in_order_of_spans(request):
    return sorted(records(request), key=lambda found: (found[1].span_id, found[1].trace_id))


@settings(max_examples=100, deadline=None)
@given(st.lists(spans_and_what_upstream_needs(), max_size=2, unique_by=lambda p: p[0].context[:2]))
def test_spans_are_what_upstream_would_send(pairs):
    encoded = encode_spans([ours for ours, _ in pairs])
    theirs = upstream([theirs for _, theirs in pairs])
    ours = requested(encoded.chunks, "traces")
    assert in_order_of_spans(ours) == in_order_of_spans(theirs)
    assert sum(chunk.count for chunk in encoded.chunks) == len(pairs)
    assert encoded.unencodable == 0


class Kept:
    """A pipeline that keeps what it is given."""

    def __init__(self):
        self.spans = []

    def add_span(self, span):
        self.spans.append(span)


@pytest.mark.parametrize("kind", [TracerProvider, sdk.TracerProvider])
def test_a_span_through_a_provider_is_the_same_and_is_read_quickly(kind):
    kept = Kept()
    provider = kind(resource=RESOURCE, sampler=sampling.ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(PipelineSpanProcessor(kept))
    with provider.get_tracer("t", "1").start_as_current_span("outer") as outer:
        outer.set_attribute("n", [1, 2])
        outer.set_attribute("text", "t")
        with provider.get_tracer("t", "1").start_as_current_span(
            "inner", links=[Link(outer.get_span_context(), {"a": "b"})]
        ) as inner:
            inner.record_exception(ValueError("bad"))
            inner.set_status(StatusCode.ERROR, "bad")
    spans = kept.spans
    ours = requested(encode_spans(spans).chunks, "traces")
    assert in_order_of_spans(ours) == in_order_of_spans(upstream(spans))
    for finished in spans:
        # Otherwise it is encoded all the same, but takes twice as long.
        assert len(_readers[type(finished)](finished)) == 15


def test_equal_values_of_different_types_stay_apart():
    values = [1, True, 1.0, 0, False, 0.0, -0.0, "1", 1, True, 1.0]
    for value in values:
        record = sole(encode_spans([span({"k": value})]), "traces")
        (pair,) = record.attributes
        assert pair.value == _upstream_value(value)


def _upstream_value(value):
    ((_, record),) = records(upstream([span({"k": value})]))
    return record.attributes[0].value


def test_a_subclass_that_changes_what_is_read_is_asked():
    class Masked(ReadableSpan):
        @property
        def attributes(self):
            return {"secret": "***"}

    made = Masked("GET", span().context, attributes=bounded({"secret": "1234"}, 0))
    made._events = made._links = bounded_list([], 0)
    record = sole(encode_spans([made]), "traces")
    assert record.attributes[0].value.string_value == "***"


def numbered(count, **fields):
    return [
        span({"n": number}, **{k: v(number) for k, v in fields.items()}) for number in range(count)
    ]


def numbers(request):
    return [[r.attributes[0].value.int_value for r in some] for _, some in scopes(request)]


def test_failures_stand_in_their_own_chunks_and_chunks_in_the_order_of_their_first_span():
    failed = Status(StatusCode.ERROR)
    spans = numbered(
        6,
        status=lambda n: failed if n in {1, 2} else Status(),
        resource=lambda n: RESOURCES[2] if n in {2, 4} else RESOURCE,
        instrumentation_scope=lambda n: SCOPES[2] if n == 3 else SCOPE,
    )
    chunks = encode_spans(spans).chunks
    assert [(chunk.count, chunk.errors) for chunk in chunks] == [
        (3, False),
        (1, True),
        (1, True),
        (1, False),
    ]
    assert numbers(requested(chunks, "traces")) == [[0, 5], [3], [1], [2], [4]]


def test_equal_resources_and_scopes_are_put_together():
    spans = numbered(
        4,
        resource=lambda _: Resource({"a": 1}),
        instrumentation_scope=lambda _: InstrumentationScope("s"),
    )
    assert numbers(requested(encode_spans(spans).chunks, "traces")) == [[0, 1, 2, 3]]


@pytest.mark.parametrize("max_bytes", [1, 400, 1_000, 5_000])
def test_chunks_keep_to_their_size_and_joined_they_are_all_spans_in_order(max_bytes):
    spans = numbered(50, instrumentation_scope=lambda n: SCOPES[n % 2])
    chunks = encode_spans(spans, max_bytes).chunks
    assert sum(chunk.count for chunk in chunks) == 50
    for chunk in chunks:
        assert chunk.size <= max_bytes or chunk.count == 1
    # None could have been one less.
    for chunk, following in pairwise(chunks):
        assert chunk.size + following.size > max_bytes or max_bytes == 1
    request = requested(chunks, "traces")
    assert len(request.resource_spans) == 1
    for scope in range(2):
        in_scope = [n for some in numbers(request) for n in some if n % 2 == scope]
        assert in_scope == list(range(scope, 50, 2))


def test_chunks_keep_to_their_size_where_each_span_has_a_scope_of_its_own():
    spans = numbered(20, instrumentation_scope=lambda n: InstrumentationScope("s" * 200 + str(n)))
    for max_bytes in range(1_000, 1_400, 20):
        chunks = encode_spans(spans, max_bytes).chunks
        assert len(chunks) > 2
        assert all(chunk.size <= max_bytes for chunk in chunks)


def test_a_small_span_does_not_overtake_others_of_its_scope():
    equal = [InstrumentationScope("s") for _ in range(2)]
    spans = numbered(
        4,
        instrumentation_scope=lambda n: equal[n % 2],
        name=lambda n: "x" * 500 if n == 2 else "x",
    )
    chunks = encode_spans([spans[0], spans[1], spans[2], spans[2], spans[3]], 1_000).chunks
    assert numbers(requested(chunks, "traces")) == [[0, 1, 2], [2, 3]]


def test_one_giant_span_is_one_chunk():
    spans = [span({"n": 0}), span({"n": "x" * 10_000}), span({"n": 2})]
    chunks = encode_spans(spans, 1_000).chunks
    assert [chunk.count for chunk in chunks] == [1, 1, 1]
    assert len(join(chunks)) > 10_000


def test_importing_loads_neither_protobuf_nor_the_sdk():
    code = (
        "import sys, otel_distro.delivery.encoding\n"
        "print(*[m for m in sys.modules if m.startswith(('google.protobuf', 'opentelemetry.proto',"
        " 'opentelemetry.sdk'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
