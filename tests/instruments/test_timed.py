"""What begins and ends: every way to measure, and that none of them disturbs the application."""

import asyncio
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.trace import get_current_span

from otel_distro.instruments import agents
from otel_distro.instruments.timed import Timed


class Run:
    def __init__(self, ended):
        self._ended = ended

    def end(self, error):
        self._ended.append((self, error))


@pytest.fixture
def ended():
    """The runs that ended, with their errors, in that order."""
    return []


@pytest.fixture
def timed(ended):
    return Timed(lambda: Run(ended))


def in_a_block(timed, work):
    with timed:
        return work()


def in_an_async_block(timed, work):
    async def main():
        async with timed:
            return work()

    return asyncio.run(main())


def decorated(timed, work):
    return timed(work)()


def decorated_coroutine(timed, work):
    @timed
    async def main():
        await asyncio.sleep(0)
        return work()

    return asyncio.run(main())


def decorated_generator(timed, work):
    @timed
    def steps():
        yield 1
        return work()

    def result():
        return (yield from steps())

    running = result()
    assert next(running) == 1
    try:
        next(running)
    except StopIteration as end:
        return end.value


def decorated_async_generator(timed, work):
    @timed
    async def steps():
        await asyncio.sleep(0)
        yield work()

    async def main():
        return [step async for step in steps()]

    (step,) = asyncio.run(main())
    return step


WAYS = pytest.mark.parametrize(
    "way",
    [
        in_a_block,
        in_an_async_block,
        decorated,
        decorated_coroutine,
        decorated_generator,
        decorated_async_generator,
    ],
)


class Stop(BaseException):
    """As KeyboardInterrupt, which asyncio treats in a way of its own."""


def fail(error):
    raise error


@WAYS
def test_a_result_is_returned_and_the_run_ends_without_error(way, timed, ended):
    result = object()
    assert way(timed, lambda: result) is result
    assert [error for _, error in ended] == [None]


@WAYS
@pytest.mark.parametrize("error", [ValueError("no"), Stop()], ids=["Exception", "BaseException"])
def test_an_exception_goes_on_untouched(way, error, timed, ended):
    with pytest.raises(type(error)) as raised:
        way(timed, lambda: fail(error))
    assert raised.value is error
    assert traceback.extract_tb(error.__traceback__)[-1].name == "fail"
    assert (error.__cause__, error.__context__) == (None, None)
    assert [seen for _, seen in ended] == [error]


class Broken:
    def end(self, error):
        raise RuntimeError("the exporter is\ngone")


@WAYS
def test_an_end_that_raises_is_said_once_and_the_result_is_returned(way, said):
    timed = Timed(Broken)
    assert [way(timed, lambda: 5) for _ in range(3)] == [5, 5, 5]
    (line,) = said()
    assert line == "a measurement was lost: Broken failed (RuntimeError: the exporter is gone)."


@WAYS
def test_an_end_that_raises_hides_no_exception(way, said):
    error = ValueError("no")
    with pytest.raises(ValueError, match=r"^no$") as raised:
        way(Timed(Broken), lambda: fail(error))
    assert raised.value is error
    assert len(said()) == 1


def broken_begin():
    raise RuntimeError("the sampler is gone")


@WAYS
def test_a_begin_that_raises_is_said_once_and_the_result_is_returned(way, said):
    timed = Timed(broken_begin)
    assert [way(timed, lambda: 5) for _ in range(3)] == [5, 5, 5]
    (line,) = said()
    assert line == (
        "a measurement was lost: test_timed.broken_begin failed "
        "(RuntimeError: the sampler is gone)."
    )
    error = ValueError("no")
    with pytest.raises(ValueError, match=r"^no$") as raised:
        way(timed, lambda: fail(error))
    assert raised.value is error


def test_a_run_that_could_not_begin_takes_all_that_is_said_of_it(said):
    with Timed(broken_begin) as run:
        run.status = "degraded"
        run.invocation.input_tokens = 5
        with run.tool("search") as tool:
            tool.invocation.arguments = {}

        @run.tool("answer")
        def answer():
            return 42

        assert answer() == 42

    async def main():
        async with Timed(broken_begin) as run, run.tool("search"):
            return 1

    assert asyncio.run(main()) == 1
    assert len(said()) == 1


def test_an_interrupted_begin_is_the_applications():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_a_block(Timed(interrupted), list)


def test_one_object_may_be_entered_inside_itself(timed, ended):
    error = ValueError("inner")
    with timed as outer:
        with pytest.raises(ValueError, match="inner"), timed as inner:
            raise error
        with timed as second:
            pass
    assert ended == [(inner, error), (second, None), (outer, None)]


def test_a_decorated_function_may_call_itself(timed, ended):
    @timed
    def countdown(number):
        return number and countdown(number - 1)

    assert countdown(4) == 0
    assert len({id(run) for run, _ in ended}) == 5


def test_a_hundred_calls_of_a_coroutine_at_once_are_a_hundred_runs(timed, ended):
    everyone = asyncio.Barrier(101)

    @timed
    async def wait(number):
        await everyone.wait()
        if number % 2:
            raise ValueError(number)
        return number

    async def main():
        calls = asyncio.gather(*map(wait, range(100)), return_exceptions=True)
        await asyncio.sleep(0)
        assert ended == []
        await everyone.wait()
        return await calls

    results = asyncio.run(main())
    assert results[::2] == list(range(0, 100, 2))
    assert [error.args[0] for error in results[1::2]] == list(range(1, 100, 2))
    assert len({id(run) for run, _ in ended}) == 100
    assert sorted(error.args[0] for _, error in ended if error) == list(range(1, 100, 2))


def test_one_object_in_several_tasks_gives_each_its_own_run(timed, ended):
    async def block(inside, leave, error=None):
        with timed as run:
            inside.append(run)
            await leave.wait()
            if error:
                raise error

    async def main():
        first, second = asyncio.Event(), asyncio.Event()
        inside = []
        error = ValueError("first")
        one = asyncio.create_task(block(inside, first, error))
        await asyncio.sleep(0)
        other = asyncio.create_task(block(inside, second))
        await asyncio.sleep(0)
        first.set()  # entered first, and left first
        await asyncio.wait([one])
        second.set()
        await other
        assert one.exception() is error
        return [(inside[0], error), (inside[1], None)]

    assert asyncio.run(main()) == ended


def test_one_object_in_several_threads_gives_each_its_own_run(timed, ended):
    barrier = threading.Barrier(8, timeout=20)

    def block(number):
        error = ValueError(number) if number % 2 else None
        try:
            with timed as run:
                barrier.wait()
                if error:
                    raise error
        except ValueError:
            pass
        return run, error

    with ThreadPoolExecutor(8) as pool:
        mine = list(pool.map(block, range(8)))
    assert {id(run): error for run, error in ended} == {id(run): error for run, error in mine}


def test_a_generator_is_measured_from_its_first_step_to_its_last(timed, ended):
    begun = []

    @timed
    def steps():
        begun.append(True)
        received = yield 1
        yield received

    running = steps()
    assert begun == []
    next(running)
    assert running.send("answer") == "answer"
    assert ended == []
    assert list(running) == []
    assert [error for _, error in ended] == [None]


def test_a_consumer_that_stops_early_is_no_error(timed, ended):
    @timed
    def steps():
        yield from range(10)

    @timed
    async def async_steps():
        for step in range(10):
            yield step

    async def main():
        running = async_steps()
        await anext(running)
        await running.aclose()

    running = steps()
    next(running)
    running.close()
    asyncio.run(main())
    assert [error for _, error in ended] == [None, None]


def test_a_generator_that_another_thread_ends_ends_its_run(timed, ended):
    def steps():
        with timed:
            yield 1

    running = steps()
    next(running)
    thread = threading.Thread(target=list, args=[running])
    thread.start()
    thread.join()
    assert [error for _, error in ended] == [None]


def test_a_decorated_function_stays_what_it_is(timed):
    @timed
    def sync(first: int) -> int:
        """Say so."""

    @timed
    async def coroutine():
        pass

    assert (sync.__name__, sync.__doc__) == ("sync", "Say so.")
    assert sync.__wrapped__.__annotations__ == {"first": int, "return": int}
    assert asyncio.iscoroutinefunction(coroutine)


def test_between_the_steps_of_a_generator_the_context_is_its_consumers(telemetry):
    @agents.execution(agent_type="streamer")
    def stream():
        yield get_current_span().name
        yield get_current_span().name

    tracer = telemetry.tracer_provider.get_tracer("t")
    with tracer.start_as_current_span("consumer"):
        seen = [(name, get_current_span().name) for name in stream()]
        assert get_current_span().name == "consumer"
    assert seen == [("invoke_agent streamer", "consumer")] * 2


def test_two_streams_at_once_and_one_left_early_do_not_mix(telemetry):
    @agents.execution(agent_type="streamer")
    async def stream():
        for _ in range(3):
            yield get_current_span().get_span_context().span_id

    async def consume():
        one, other = stream(), stream()
        ids = [await anext(one), await anext(other), await anext(one), await anext(other)]
        assert not get_current_span().get_span_context().is_valid
        await one.aclose()
        await other.aclose()
        assert not get_current_span().get_span_context().is_valid
        return ids

    first, second, again, again_second = asyncio.run(consume())
    assert (first, second) == (again, again_second)
    assert first != second
