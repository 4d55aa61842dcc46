"""`start_as_current_span`, in a `with` and as a decorator: as the SDK's."""

import asyncio
import contextvars
import inspect

import pytest
from both import Side, shown, warnings_of_the_sdk
from opentelemetry import trace
from opentelemetry.trace import StatusCode, get_current_span

OPTIONS = [
    {},
    {"record_exception": False},
    {"set_status_on_exception": False},
    {"end_on_exit": False},
]
STACK = "exception.stacktrace"


class UnreadableError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@pytest.fixture(params=["ours", "the SDK's"])
def side(request):
    return Side(request.param)


def without_stack(spans):
    """What is seen of spans, but for the frames of context managers in what was raised."""
    for span in spans:
        for _, _, (_, attributes, _) in span["events"]:
            attributes[:] = [(key, value) for key, value in attributes if key != STACK]
        span["events"] = [(name, said) for name, _, said in span["events"]]
        span["times"] = [time is not None for time in span["times"]]
    return spans


def leave(raised):
    if raised is not None:
        raise raised


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(
    "raised",
    [
        None,
        ValueError("bad"),
        StopIteration("over"),
        asyncio.CancelledError(),
        GeneratorExit(),
        KeyboardInterrupt(),
    ],
    ids=repr,
)
def test_what_leaves_the_block_is_said_as_the_sdk_says_it(raised, options):
    seen = []
    for kind in ("ours", "the SDK's"):
        side = Side(kind)
        caught = None
        before = get_current_span()
        try:
            with side.tracer.start_as_current_span("s", attributes={"a": 1}, **options) as span:
                assert get_current_span() is span
                leave(raised)
        except BaseException as error:
            caught = error
        assert caught is raised
        assert get_current_span() is before
        assert span.is_recording() is (options == {"end_on_exit": False})
        if span.is_recording():
            span.end()
        seen.append((without_stack(side.exported), without_stack(side.delivered)))
    assert seen[0] == seen[1]


def test_the_stack_of_what_was_raised_is_recorded(side):
    with pytest.raises(ZeroDivisionError), side.tracer.start_as_current_span("s"):
        _ = 1 / 0
    ((_, _, (_, attributes, _)),) = side.exported[0]["events"]
    assert "_ = 1 / 0" in dict(attributes)[STACK]


@pytest.mark.parametrize("how", ["start_span", "start_as_current_span"])
def test_an_exception_without_a_text_is_the_one_that_is_raised(how):
    side = Side("ours")
    with pytest.raises(UnreadableError), getattr(side.tracer, how)("s"):
        raise UnreadableError
    (span,) = side.exported
    assert span["status"][0] is StatusCode.ERROR
    assert span["status"][1].startswith("UnreadableError: ")
    assert [name for name, *_ in span["events"]] == ["exception"]


def test_no_span_is_started_before_the_block_is_entered(side):
    unused = side.tracer.start_as_current_span("s")
    assert not side.exported
    with unused:
        assert not side.exported
    assert len(side.exported) == 1


def function(seen):
    seen.append(get_current_span())
    return "returned"


async def coroutine(seen):
    await asyncio.sleep(0)
    seen.append(get_current_span())
    return "returned"


def generator(seen):
    seen.append(get_current_span())
    yield "returned"


async def async_generator(seen):
    seen.append(get_current_span())
    yield "returned"


async def consumed(made):
    if inspect.isawaitable(made):
        return await made
    if hasattr(made, "__aiter__"):
        return [one async for one in made]
    return list(made) if inspect.isgenerator(made) else made


@pytest.mark.parametrize("decorated", [function, coroutine, generator, async_generator])
def test_a_decorated_function_has_a_span_for_each_call(decorated):
    results = []
    for kind in ("ours", "the SDK's"):
        side = Side(kind)
        called = side.tracer.start_as_current_span("s")(decorated)
        assert (called.__name__, called.__wrapped__) == (decorated.__name__, decorated)
        assert inspect.iscoroutinefunction(called) == inspect.iscoroutinefunction(decorated)
        seen = []
        returned = [asyncio.run(consumed(called(seen))) for _ in range(2)]
        inside = [span.is_recording() or span.get_span_context().is_valid for span in seen]
        results.append((returned, inside, len(set(map(id, seen))), without_stack(side.exported)))
        assert len(side.exported) == 2
    assert results[0] == results[1]


def test_a_decorated_function_that_raises_says_so(side):
    @side.tracer.start_as_current_span("s")
    async def fails():
        await asyncio.sleep(0)
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        asyncio.run(fails())
    assert side.exported[0]["status"] == (StatusCode.ERROR, "ValueError: bad")


def test_a_block_that_is_left_in_another_context_is_said_as_the_sdk_says_it():
    said = []
    for kind in ("ours", "the SDK's"):
        side = Side(kind)
        block = side.tracer.start_as_current_span("s")
        contextvars.copy_context().run(block.__enter__)
        with warnings_of_the_sdk() as logged:
            block.__exit__(None, None, None)
        said.append(logged)
        assert len(side.exported) == 1
    assert said[0] == said[1] == [("ERROR", "Failed to detach context")]


def test_a_block_that_is_left_twice_is_left_once(side):
    block = side.tracer.start_as_current_span("s")
    block.__enter__()
    with warnings_of_the_sdk() as logged:
        block.__exit__(None, None, None)
        block.__exit__(None, None, None)
    assert logged == []
    assert len(side.exported) == 1


def test_a_child_has_the_block_s_span_as_its_parent(side):
    with side.tracer.start_as_current_span("outer") as outer:
        inner = side.tracer.start_span("inner")
    assert inner.parent == outer.get_span_context()
    assert inner.get_span_context().trace_id == outer.get_span_context().trace_id
    assert inner.get_span_context().span_id != outer.get_span_context().span_id


def test_other_values_of_the_context_remain(side):
    from opentelemetry import baggage, context

    token = context.attach(baggage.set_baggage("k", "v"))
    try:
        with side.tracer.start_as_current_span("s"):
            assert baggage.get_baggage("k") == "v"
            assert trace.get_current_span().is_recording()
    finally:
        context.detach(token)


def test_a_span_of_a_replaced_start_is_handled_as_any_other(monkeypatch):
    ours, theirs = Side("ours"), Side("the SDK's")
    # Those who wrap tracers may give spans of another provider.
    monkeypatch.setattr(
        type(ours.tracer), "start_span", lambda self, name, *rest: theirs.tracer.start_span(name)
    )
    with pytest.raises(ValueError, match="bad"), ours.tracer.start_as_current_span("s"):
        raise ValueError("bad")
    (span,) = theirs.exported
    assert (span["status"], len(span["events"])) == ((StatusCode.ERROR, "ValueError: bad"), 1)
    assert shown(get_current_span())["valid"] is False
