"""What a span of ours promises beyond what one of the SDK's does."""

import signal
import threading

import pytest
from both import Side, shown
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits
from opentelemetry.sdk.trace import Span as SpanOfTheSdk
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode

from otel_distro.delivery.encoding import encode_spans
from otel_distro.delivery.encoding.spans import _read, _readers
from otel_distro.providers.tracing import Span


class Raises:
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __bool__ = __len__ = __iter__ = __str__


class Mapping(dict):
    def items(self):
        raise RuntimeError("no items")


@pytest.fixture
def side():
    return Side("ours", export=False)


def changed(span):
    """Everything that can be done to a span."""
    span.set_attribute("late", 1)
    span.set_attribute("late", [1])
    span.set_attributes({"late": 1})
    span.set_attributes({"late": [1]})
    span.add_event("late")
    span.add_link(span.get_span_context())
    span.record_exception(ValueError())
    span.set_status(StatusCode.ERROR)
    span.update_name("late")
    span.end(7)


@pytest.mark.parametrize("kind", [trace.Span, ReadableSpan, SpanOfTheSdk])
def test_it_is_what_others_ask_for(kind, side):
    assert isinstance(side.tracer.start_span("s"), kind)


def test_an_ended_span_is_not_changed(side):
    span = side.tracer.start_span("s", attributes={"a": 1})
    span.end()
    before = shown(span)
    changed(span)
    assert shown(span) == before
    assert side.pipeline.spans == [span]
    with pytest.raises(TypeError):
        span.attributes["late"] = 1


@pytest.mark.parametrize("bad", [Raises(), Mapping(a=1), [1], 5], ids=type)
@pytest.mark.parametrize(
    "call",
    [
        lambda side, bad: side.tracer.start_span("s", attributes=bad),
        lambda side, bad: side.tracer.start_span("s").set_attributes(bad),
        lambda side, bad: side.tracer.start_span("s").set_attribute(bad, 1),
        lambda side, bad: side.tracer.start_span("s").set_attribute("k", bad),
    ],
)
def test_no_attributes_raise(call, bad, side, said):
    call(side, bad)


def test_a_value_that_changes_later_is_as_it_was(side):
    value, given = ["a"], {"k": "v"}
    span = side.tracer.start_span("s", attributes=given)
    span.set_attribute("list", value)
    value.append("b")
    given["k"] = "changed"
    assert dict(span.attributes) == {"k": "v", "list": ("a",)}


def test_attributes_may_be_set_while_one_goes_through_them(side):
    span = side.tracer.start_span("s", attributes={"password": "p", "b": 1})
    for key in span.attributes:
        span.set_attribute(key, "removed")
        span.set_attribute(f"was {key}", True)
    assert len(span.attributes) == 4


def test_attributes_that_are_its_own_are_not_copied(side):
    attributes = {"a": 1}
    span = side.tracer.start("s", None, SpanKind.SERVER, attributes, owns_attributes=True)
    span.set_attribute("b", 2)
    assert attributes == {"a": 1, "b": 2} == dict(span.attributes)
    assert (span.name, span.kind, span.parent) == ("s", SpanKind.SERVER, None)


def test_an_exception_says_so_whatever_it_is(side):
    class BadError(Exception):
        __str__ = Raises.__str__

    span = side.tracer.start_span("s")
    span.record_exception(BadError(), Mapping(a=1))
    (event,) = span.events
    assert event.attributes["exception.type"].endswith("BadError")


def test_threads_lose_nothing_and_end_it_once(side):
    span = side.tracer.start_span("s")
    go = threading.Barrier(4)

    def work(number):
        go.wait()
        for index in range(20):
            span.set_attribute(f"{number}.{index}", index)
            span.set_attribute("same", index)
            span.add_event(f"{number}.{index}")
            dict(span.attributes)

    def end():
        go.wait()
        span.end()

    for target in (work, end):
        threads = [
            threading.Thread(target=target, args=(number,) if target is work else ())
            for number in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(span.attributes) == 81
    assert len(span.events) == 80
    assert side.pipeline.spans == [span]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
def test_a_signal_s_handler_may_do_anything_to_a_span_that_is_worked_on(side):
    span = side.tracer.start_span("s")

    def handler(*_):
        nonlocal handled
        handled += 1
        span.set_attribute("k", 1)
        span.add_event("e")
        with side.tracer.start_as_current_span("of handler"):
            span.set_attributes({"k": 2})

    handled = 0
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        while handled < 50:
            span.set_attribute("k", [1])
            span.set_attributes({"k": 1, "l": 2})
            span.add_event("e")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    span.end()
    assert side.pipeline.spans[-1] is span


@pytest.mark.parametrize("most", [0, 1, 128])
def test_it_is_read_for_delivery_as_by_its_properties(most):
    limits = SpanLimits(max_span_attributes=most, max_events=most, max_links=most)
    side = Side("ours", export=False, span_limits=limits)
    link = Link(SpanContext(1, 2, is_remote=False))
    span = side.tracer.start_span("s", attributes={"a": 1, "b": 2}, links=[link, link])
    for _ in range(2):
        span.add_event("e")
        span.add_link(span.get_span_context())
    span.end()

    quick = list(_readers[Span](span))
    slow = list(_read(span))
    for fields in (quick, slow):
        fields[6] = dict(fields[6])
        fields[8], fields[10] = list(fields[8]), list(fields[10])
    assert quick == slow


def test_it_is_delivered_as_the_sdk_s_copy_would_be(side):
    span = side.tracer.start_span("s", attributes={"a": 1, "l": [1, "2"]})
    span.add_link(span.get_span_context(), {"k": 1})
    with pytest.raises(ValueError, match="bad"), trace.use_span(span, end_on_exit=True):
        raise ValueError("bad")
    (ours,), (theirs,) = (encode_spans([one]).chunks for one in (span, span._readable_span()))
    assert ours == theirs
