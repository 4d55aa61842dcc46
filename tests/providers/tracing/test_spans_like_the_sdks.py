"""Whatever is done to a span of ours: it looks, and is exported, as one of the SDK's."""

import pytest
from both import Side, shown, warnings_of_the_sdk
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    AlwaysRecordSampler,
    ParentBased,
    ParentBasedTraceIdRatio,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)


class Named:
    def __str__(self):
        return "named"


class Text(str):
    __slots__ = ()


PLAIN = st.one_of(st.text(max_size=12), st.integers(), st.booleans(), st.floats(allow_nan=False))
ODD = st.sampled_from([None, b"bytes", Named(), Text("text"), 2**70, "\ud800", object()])
VALUES = st.one_of(PLAIN, ODD, st.lists(PLAIN | ODD, max_size=2))
VALUES |= st.dictionaries(st.sampled_from(["k", "", 1]), VALUES, max_size=2)
# Few keys, so that they come again.
KEYS = st.sampled_from(["a", "b", "c", "d", "e", Text("a"), Text("t")])
ODD_KEYS = KEYS | st.sampled_from(["", 1, None, Text("")])
ATTRIBUTES = st.one_of(st.none(), st.dictionaries(KEYS, PLAIN), st.dictionaries(ODD_KEYS, VALUES))
TIMES = st.integers(1, 2**40)
CONTEXTS = st.builds(
    SpanContext,
    st.sampled_from([0, 1, 2**64 - 1, 2**63, 2**127 + 5]),
    st.sampled_from([0, 7]),
    st.booleans(),
    st.integers(0, 3).map(TraceFlags),
    st.sampled_from([None, TraceState([("k", "v")])]),
)
LINKS = st.lists(st.builds(Link, CONTEXTS, st.dictionaries(KEYS, VALUES)), max_size=3)
CODES = st.sampled_from(StatusCode)
TEXTS = st.none() | st.sampled_from(["", "why", 5])
ERRORS = [ValueError("bad"), KeyError(), type("Own", (Exception,), {})("é")]

CALLS = st.one_of(
    st.tuples(st.just("set_attribute"), st.tuples(ODD_KEYS, VALUES)),
    st.tuples(st.just("set_attributes"), st.tuples(ATTRIBUTES.filter(lambda a: a is not None))),
    st.tuples(st.just("add_event"), st.tuples(st.sampled_from(["e", "f"]), ATTRIBUTES, TIMES)),
    st.tuples(st.just("add_link"), st.tuples(CONTEXTS, ATTRIBUTES)),
    st.tuples(st.just("update_name"), st.tuples(st.sampled_from(["new", "newer"]))),
    st.tuples(st.just("set_status"), st.tuples(CODES, TEXTS)),
    st.tuples(st.just("set_status"), st.tuples(st.builds(Status, CODES, TEXTS), TEXTS)),
    st.tuples(
        st.just("record_exception"),
        st.tuples(st.sampled_from(ERRORS), ATTRIBUTES, TIMES, st.booleans()),
    ),
    st.tuples(st.just("end"), st.tuples(TIMES)),
)
COUNTS = st.sampled_from([0, 1, 2, SpanLimits.UNSET])
LIMITS = st.none() | st.builds(
    SpanLimits,
    max_events=COUNTS,
    max_links=COUNTS,
    max_span_attributes=COUNTS,
    max_event_attributes=COUNTS,
    max_link_attributes=COUNTS,
    max_attribute_length=st.sampled_from([SpanLimits.UNSET, 2]),
    max_span_attribute_length=st.sampled_from([SpanLimits.UNSET, 0, 3]),
)
SAMPLERS = [
    ALWAYS_ON,
    ALWAYS_OFF,
    DEFAULT_ON,
    DEFAULT_OFF,
    TraceIdRatioBased(0),
    TraceIdRatioBased(1),
    ParentBasedTraceIdRatio(1),
    ParentBased(ALWAYS_OFF, ALWAYS_OFF, ALWAYS_ON, TraceIdRatioBased(0.5), ALWAYS_ON),
    ParentBased(ALWAYS_ON, local_parent_not_sampled=AlwaysRecordSampler(ALWAYS_OFF)),
    AlwaysRecordSampler(ALWAYS_OFF),
]


STARTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(SpanKind),
        "attributes": ATTRIBUTES,
        "start_time": TIMES,
        "links": st.none() | LINKS,
    }
)


@settings(max_examples=300, deadline=None)
@given(
    made=st.fixed_dictionaries({"sampler": st.sampled_from(SAMPLERS), "span_limits": LIMITS}),
    parent=st.none() | CONTEXTS,
    start=STARTS,
    calls=st.lists(CALLS, max_size=8),
)
def test_the_same_calls_make_the_same_span(made, parent, start, calls):
    context = None if parent is None else set_span_in_context(NonRecordingSpan(parent))
    seen = []
    for kind in ("ours", "the SDK's"):
        side = Side(kind, **made)
        said = []
        # The SDK alters the links that it is given.
        links = start["links"] and [Link(one.context, one.attributes) for one in start["links"]]
        with warnings_of_the_sdk() as logged:
            span = side.tracer.start_span("name", context, **{**start, "links": links})
            for method, arguments in calls:
                getattr(span, method)(*arguments)
                said.append(shown(span))
            span.end(5)
        seen.append((said, shown(span), side.exported, side.delivered, logged))
    ours, theirs = seen
    assert ours == theirs


SETTINGS = {
    "one again": [("a", 1), ("b", 2), ("a", 3)],
    "the oldest goes": [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("d", 5)],
    "a list among them": [("a", 1), ("b", [2]), ("a", [3]), ("c", 4), ("d", 5)],
    "too many at once": [dict.fromkeys("abcdef", 1), {"a": 1, "d": 2}],
    "some of them again": [{"a": 1, "b": 2}, {"c": 1, "a": 2}],
}


@pytest.mark.parametrize("limit", [SpanLimits.UNSET, 0, 1, 3, 4])
@pytest.mark.parametrize("set_", SETTINGS.values(), ids=SETTINGS)
def test_attributes_are_in_the_order_in_which_they_were_set_and_the_oldest_go(set_, limit):
    kept = []
    for kind in ("ours", "the SDK's"):
        side = Side(kind, span_limits=SpanLimits(max_span_attributes=limit))
        span = side.tracer.start_span("s", start_time=1)
        for one in set_:
            if isinstance(one, dict):
                span.set_attributes(one)
            else:
                span.set_attribute(*one)
        kept.append(shown(span))
    assert kept[0] == kept[1]


@pytest.mark.parametrize("flags", range(4))
@pytest.mark.parametrize("is_remote", [True, False])
@pytest.mark.parametrize("sampled", range(4))
def test_the_sampler_for_such_a_parent_decides(sampled, is_remote, flags):
    state = TraceState([("k", "v")])
    parent = SpanContext(1, 2, is_remote, TraceFlags(flags), state)
    # Only one of the four samplers of parents says yes.
    four = [ALWAYS_ON if number == sampled else ALWAYS_OFF for number in range(4)]
    spans = [
        shown(
            Side(kind, sampler=ParentBased(ALWAYS_OFF, *four)).tracer.start_span(
                "s", set_span_in_context(NonRecordingSpan(parent)), start_time=1
            )
        )
        for kind in ("ours", "the SDK's")
    ]
    assert spans[0] == spans[1]
