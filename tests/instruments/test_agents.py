"""Runs of agents, their tools, and what waits for them."""

import asyncio

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from otel_distro.instruments import agents
from otel_distro.testing import assert_catalogue


def hunt(error=None):
    if error is not None:
        raise error
    return "found"


def in_a_block(run, error):
    with run:
        return hunt(error)


def in_an_async_block(run, error):
    async def main():
        async with run:
            return hunt(error)

    return asyncio.run(main())


def decorated(run, error):
    return run(hunt)(error)


def decorated_coroutine(run, error):
    @run
    async def main():
        await asyncio.sleep(0)
        return hunt(error)

    return asyncio.run(main())


WAYS = pytest.mark.parametrize(
    "way", [in_a_block, in_an_async_block, decorated, decorated_coroutine]
)


@WAYS
def test_a_run_counts_as_success_and_its_sibling_begins_at_zero(way, telemetry, values):
    assert way(agents.execution(agent_type="CarbonHunter"), None) == "found"
    assert values("agents.executions") == {
        ("CarbonHunter", "success"): 1,
        ("CarbonHunter", "error"): 0,
    }
    span = telemetry.span("invoke_agent CarbonHunter")
    assert span.kind is SpanKind.INTERNAL
    assert span.status.status_code is not StatusCode.ERROR
    assert span.attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "CarbonHunter",
    }
    duration = telemetry.point("gen_ai.invoke_agent.duration")
    assert dict(duration.attributes) == {"gen_ai.agent.name": "CarbonHunter"}
    assert_catalogue(telemetry)


@WAYS
def test_a_run_that_raises_counts_as_error_and_raises_on(way, telemetry, values):
    error = LookupError("no data")
    with pytest.raises(LookupError) as raised:
        way(agents.execution(agent_type="CarbonHunter"), error)
    assert raised.value is error
    assert values("agents.executions") == {
        ("CarbonHunter", "success"): 0,
        ("CarbonHunter", "error"): 1,
    }
    span = telemetry.span("invoke_agent CarbonHunter")
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "no data"
    assert span.attributes["error.type"] == "LookupError"
    duration = telemetry.point("gen_ai.invoke_agent.duration")
    assert duration.attributes["error.type"] == "LookupError"
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert_catalogue(telemetry)


class UnreadableError(Exception):
    def __str__(self):
        raise RuntimeError("no text either")


def test_an_error_without_readable_text_ends_the_run_all_the_same(telemetry, values):
    with pytest.raises(UnreadableError), agents.execution(agent_type="CarbonHunter"):
        raise UnreadableError
    assert values("agents.executions")["CarbonHunter", "error"] == 1
    span = telemetry.span("invoke_agent CarbonHunter")
    assert span.attributes["error.type"] == "UnreadableError"
    # What follows is not below the run that is over.
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_spans_of_tools_are_below_their_agent_and_below_each_other(telemetry):
    with agents.execution(agent_type="CarbonHunter") as run:
        with run.tool("search"), run.tool("fetch"):
            pass
        with run.tool("summarize") as tool:
            tool.invocation.tool_call_id = "call-1"
    agent = telemetry.span("invoke_agent CarbonHunter")
    search, fetch = telemetry.span("execute_tool search"), telemetry.span("execute_tool fetch")
    summarize = telemetry.span("execute_tool summarize")
    assert agent.parent is None
    assert search.parent == agent.context
    assert fetch.parent == search.context
    assert summarize.parent == agent.context
    assert search.kind is SpanKind.INTERNAL
    assert summarize.attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "summarize",
        "gen_ai.agent.name": "CarbonHunter",
        "gen_ai.tool.call.id": "call-1",
    }


def test_a_tool_that_raises_fails_by_itself(telemetry, values):
    with agents.execution(agent_type="CarbonHunter") as run:
        with pytest.raises(TimeoutError), run.tool("search"):
            raise TimeoutError("slow")

        @run.tool("retry")
        def retry():
            return "found"

        assert [retry(), retry()] == ["found", "found"]
    assert values("agents.executions")["CarbonHunter", "success"] == 1
    assert telemetry.span("execute_tool search").attributes["error.type"] == "TimeoutError"
    calls = telemetry.point("gen_ai.invoke_agent.tool_calls")
    assert (calls.count, calls.sum) == (1, 3)
    durations = {
        (point.attributes["gen_ai.tool.name"], point.attributes.get("error.type")): point.count
        for point in telemetry.metrics["gen_ai.execute_tool.duration"]
    }
    assert durations == {("search", "TimeoutError"): 1, ("retry", None): 2}
    assert_catalogue(telemetry)


def test_a_run_without_tools_is_a_run_with_none(telemetry):
    with agents.execution(agent_type="CarbonHunter"):
        pass
    calls = telemetry.point("gen_ai.invoke_agent.tool_calls")
    assert (calls.count, calls.sum) == (1, 0)
    assert dict(calls.attributes) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "CarbonHunter",
    }


def test_a_conversation_is_on_the_span_and_on_no_metric(telemetry):
    with agents.execution(agent_type="CarbonHunter", conversation_id="c-1") as run, run.tool("s"):
        pass
    span = telemetry.span("invoke_agent CarbonHunter")
    assert span.attributes["gen_ai.conversation.id"] == "c-1"
    attributes = [point.attributes for points in telemetry.metrics.values() for point in points]
    assert len(attributes) >= 5
    assert not any("c-1" in each.values() for each in attributes)


def test_what_is_said_of_the_invocation_is_on_the_span(telemetry):
    with agents.execution(agent_type="CarbonHunter") as run:
        run.invocation.input_tokens = 7
        run.invocation.output_tokens = 3
    attributes = telemetry.span("invoke_agent CarbonHunter").attributes
    assert attributes["gen_ai.usage.input_tokens"] == 7
    assert attributes["gen_ai.usage.output_tokens"] == 3


def test_an_agent_that_calls_an_agent_is_its_parent(telemetry, values):
    with agents.execution(agent_type="Chief"), agents.execution(agent_type="CarbonHunter"):
        pass
    chief = telemetry.span("invoke_agent Chief")
    assert telemetry.span("invoke_agent CarbonHunter").parent == chief.context
    assert values("agents.executions") == {
        ("Chief", "success"): 1,
        ("Chief", "error"): 0,
        ("CarbonHunter", "success"): 1,
        ("CarbonHunter", "error"): 0,
    }


def test_runs_at_once_keep_their_tools_apart(telemetry, values):
    hunting = agents.execution(agent_type="CarbonHunter")

    async def run(number):
        async with hunting as mine:
            for _ in range(number):
                await asyncio.sleep(0)
                with mine.tool("search"):
                    await asyncio.sleep(0)
            if number % 2:
                raise ValueError(number)

    async def main():
        await asyncio.gather(*map(run, range(20)), return_exceptions=True)

    asyncio.run(main())
    assert values("agents.executions") == {
        ("CarbonHunter", "success"): 10,
        ("CarbonHunter", "error"): 10,
    }
    calls = telemetry.point("gen_ai.invoke_agent.tool_calls")
    assert (calls.count, calls.sum) == (20, sum(range(20)))
    below = {}
    for span in telemetry.spans:
        if span.name == "execute_tool search":
            below[span.parent.span_id] = below.get(span.parent.span_id, 0) + 1
    assert sorted(below.values()) == list(range(1, 20))


def test_each_queue_is_as_its_callback_says(telemetry, values):
    waiting = [1, 2, 3]
    agents.queue_size(lambda: len(waiting))
    agents.queue_size(lambda: 0, queue="slow")
    assert values("agents.queue.size") == {("default",): 3, ("slow",): 0}
    waiting.pop()
    assert values("agents.queue.size") == {("default",): 2, ("slow",): 0}
    assert_catalogue(telemetry)


def test_naming_a_queue_again_replaces_its_callback(values):
    agents.queue_size(lambda: 3)
    agents.queue_size(lambda: 8)
    assert values("agents.queue.size") == {("default",): 8}


@pytest.mark.parametrize(
    "broken",
    [lambda: 1 / 0, lambda: None, lambda: "3", lambda: float("nan"), lambda: True, lambda _: 3],
    ids=["raises", "None", "text", "NaN", "bool", "wants an argument"],
)
def test_a_callback_that_fails_costs_its_queue_only_and_is_said_once(broken, values, said):
    agents.queue_size(lambda: 1, queue="first")
    agents.queue_size(broken, queue="broken")
    agents.queue_size(lambda: 2, queue="last")
    for _ in range(3):
        assert values("agents.queue.size") == {("first",): 1, ("last",): 2}
    (line,) = said()
    assert "agents.queue_size of broken" in line
    agents.queue_size(lambda: 5, queue="broken")
    assert values("agents.queue.size")["broken",] == 5
