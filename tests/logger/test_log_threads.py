"""The fields go along into threads and pools, and never stay there."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from otel_distro.logger import clear_context, context, set_context, uninstall
from otel_distro.logger.fields import current_fields

START, SUBMIT = threading.Thread.start, ThreadPoolExecutor.submit


def in_thread(make=lambda target: threading.Thread(target=target)):
    seen = []
    thread = make(lambda: seen.append(dict(current_fields())))
    thread.start()
    thread.join()
    return seen[0]


class Overriding(threading.Thread):
    def __init__(self, target):
        super().__init__()
        self.mine = target

    def run(self):
        self.mine()


def own_run(target):
    thread = threading.Thread()
    thread.run = target
    return thread


@pytest.mark.parametrize(
    "make",
    [
        lambda target: threading.Thread(target=target),
        lambda target: threading.Timer(0, target),
        Overriding,
        own_run,
    ],
)
def test_a_thread_has_the_fields_of_who_started_it(make, install):
    install()
    with context(request_id="r"):
        assert in_thread(make) == {"request_id": "r"}
    assert in_thread(make) == {}


def test_what_a_thread_sets_is_its_own(install):
    install()
    set_context(request_id="r")
    thread = threading.Thread(target=lambda: set_context(request_id="other"))
    thread.start()
    thread.join()
    assert current_fields() == {"request_id": "r"}


def test_a_pools_thread_has_the_fields_of_each_call_and_keeps_none(install):
    install()
    with ThreadPoolExecutor(1) as pool:
        with context(request_id="first"):
            assert pool.submit(current_fields).result() == {"request_id": "first"}
            assert (
                list(pool.map(lambda _: dict(current_fields()), range(2)))
                == [{"request_id": "first"}] * 2
            )
            pool.submit(set_context, user_id="left behind").result()
        assert pool.submit(current_fields).result() == {}
        with context(request_id="second"):
            assert pool.submit(current_fields).result() == {"request_id": "second"}


def test_a_pool_that_asyncio_uses_too(install):
    install()

    async def run():
        set_context(request_id="r")
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, current_fields) == {"request_id": "r"}
        assert await asyncio.to_thread(current_fields) == {"request_id": "r"}
        clear_context()
        assert await loop.run_in_executor(None, current_fields) == {}

    asyncio.run(run())


def test_no_other_context_variable_is_carried(install):
    install()
    theirs = contextvars.ContextVar("theirs", default="unset")
    theirs.set("set")
    seen = []
    with context(request_id="r"), ThreadPoolExecutor(1) as pool:
        thread = threading.Thread(target=lambda: seen.append(theirs.get()))
        thread.start()
        thread.join()
        seen.append(pool.submit(theirs.get).result())
    assert seen == ["unset", "unset"]


def test_results_errors_and_arguments_pass_unchanged(install):
    install()

    def call(*args, **kwargs):
        if not args:
            raise LookupError("no arguments")
        return args, kwargs

    with context(request_id="r"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(call, 1, fn=2, executor=3).result() == ((1,), {"fn": 2, "executor": 3})
        assert isinstance(pool.submit(call).exception(), LookupError)
        assert isinstance(pool.submit("not callable").exception(), TypeError)
    with context(request_id="r"), pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(call)
    assert current_fields() == {}


def test_a_thread_that_cannot_start_is_left_as_it_was(install):
    install()
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    with context(request_id="r"), pytest.raises(RuntimeError, match="once"):
        thread.start()
    assert "run" not in thread.__dict__


def test_uninstalling_puts_back_what_was_there(install):
    install()
    assert threading.Thread.start is not START
    uninstall()
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == (START, SUBMIT)


def test_what_others_have_wrapped_since_stays_and_carries_nothing(install, monkeypatch):
    install()
    ours = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: ours(thread))  # noqa: PLW0108
    uninstall()
    with context(request_id="r"):
        assert in_thread() == {}
    monkeypatch.undo()
    threading.Thread.start = START
