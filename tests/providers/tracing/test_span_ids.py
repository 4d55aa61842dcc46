"""Ids are random, whoever seeds what; and the short ways to the API's objects lead there."""

import os
import random

import pytest
from both import Side
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanContext, TraceFlags, TraceState, set_span_in_context

from otel_distro.providers.tracing import current, ids, tracer


class Counting(IdGenerator):
    def __init__(self):
        self.count = 0

    def generate_span_id(self):
        self.count += 1
        return self.count

    generate_trace_id = generate_span_id


def some_ids():
    of_side = Side("ours").tracer
    return {of_side.start_span("s").get_span_context().trace_id for _ in range(100)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_has_other_ids_than_its_parent_and_its_brothers():
    made = []
    for _ in range(2):
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.write(write, " ".join(map(str, some_ids())).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(write)
        with os.fdopen(read) as pipe:
            made.append(set(map(int, pipe.read().split())))
    assert len(set.union(*made, some_ids())) == 300


def test_an_application_that_seeds_its_numbers_has_other_ids_all_the_same():
    random.seed(7)
    first = some_ids()
    random.seed(7)
    assert first.isdisjoint(some_ids())


def test_spans_take_no_numbers_from_the_application():
    random.seed(7)
    numbers = [random.getrandbits(64) for _ in range(3)]
    random.seed(7)
    some_ids()
    assert [random.getrandbits(64) for _ in range(3)] == numbers


def test_no_id_is_zero(monkeypatch):
    monkeypatch.setattr(tracer, "random_bits", lambda _: 0)
    monkeypatch.setattr(ids, "random_bits", lambda _: 0)
    context = Side("ours").tracer.start_span("s").get_span_context()
    assert (context.trace_id, context.span_id, context.is_valid) == (1, 1, True)


def test_a_generator_of_a_stranger_is_asked_for_each_id():
    for kind in ("ours", "the SDK's"):
        side = Side(kind, id_generator=Counting())
        with side.tracer.start_as_current_span("s") as span:
            child = side.tracer.start_span("c").get_span_context()
        context = span.get_span_context()
        assert (context.trace_id, context.span_id, context.trace_flags) == (1, 2, 1)
        assert (child.trace_id, child.span_id, child.trace_flags) == (1, 3, 1)


@pytest.mark.parametrize("flags", range(4))
def test_a_context_made_in_short_is_one_of_the_api_s(flags):
    state = TraceState([("k", "v")])
    short = ids.new_context(5, TraceFlags(flags), state)
    long = SpanContext(5, short.span_id, False, TraceFlags(flags), state)
    assert type(short) is SpanContext
    assert tuple(short) == tuple(long)
    assert repr(short) == repr(long)


def test_a_context_s_fields_are_where_they_are_read():
    context = SpanContext(1, 2, True, TraceFlags(3), TraceState())
    named = (
        context.trace_id,
        context.span_id,
        context.is_remote,
        context.trace_flags,
        context.trace_state,
        context.is_valid,
    )
    assert tuple(context) == named


def test_the_current_span_is_where_the_api_keeps_it():
    span = trace.NonRecordingSpan(SpanContext(1, 2, False))
    assert set_span_in_context(span, Context()) == {current.SPAN_KEY: span}
    assert span._context is span.get_span_context()


def test_the_current_context_is_had_in_short_and_is_the_api_s():
    # Else this is still right, and takes longer.
    assert type(context_api._RUNTIME_CONTEXT) is ContextVarsRuntimeContext
    assert "built-in method get" in repr(current.current_context)
    mine = Context({"k": "v"})
    token = current.attach(mine)
    assert context_api.get_current() is mine is current.current_context()
    current.detach(token)
    assert context_api.get_current() is not mine


def test_contexts_of_another_implementation_are_had_by_the_api():
    other = type("Other", (ContextVarsRuntimeContext,), {})()
    assert current.access_to(other) == (
        context_api.get_current,
        context_api.attach,
        context_api.detach,
    )
