"""How fields add up: the context, a block, a bound logger, and one line."""

import asyncio
import contextvars

import pytest

from otel_distro.logger import api_logger, clear_context, context, db_logger, set_context
from otel_distro.logger.fields import MAX_FIELDS, current_fields


def seen(exported, log=api_logger, **meta):
    exported.clear()
    log.info("x", **meta)
    return dict(exported.record.attributes)


def test_each_named_field_has_its_name_in_opentelemetry(exported):
    set_context(
        user_id="u",
        organization_id="o",
        request_id="r",
        agent_id="a",
        conversation_id="c",
        tenant=1,
    )
    assert seen(exported) == {
        "user.id": "u",
        "organization.id": "o",
        "request.id": "r",
        "agent.id": "a",
        "gen_ai.conversation.id": "c",
        "tenant": 1,
    }


def test_set_context_adds_and_replaces_and_none_takes_away(exported):
    set_context(request_id="r", user_id="u", tenant="t")
    set_context(user_id="v", region="eu")
    assert seen(exported) == {"request.id": "r", "user.id": "v", "tenant": "t", "region": "eu"}
    set_context(user_id=None, tenant=None)
    assert seen(exported) == {"request.id": "r", "region": "eu"}
    clear_context()
    assert seen(exported) == {}


def test_all_loggers_share_the_context_of_a_request_however_it_was_set(exported):
    api_logger.set_context(request_id="r")
    assert seen(exported, db_logger) == {"request.id": "r"}


def test_a_block_ends_with_all_that_was_set_in_it(exported):
    set_context(request_id="r", user_id="u")
    with context(user_id="v", tenant="t"):
        set_context(region="eu")
        with context(user_id=None):
            assert seen(exported) == {"request.id": "r", "tenant": "t", "region": "eu"}
        assert seen(exported)["user.id"] == "v"
    assert seen(exported) == {"request.id": "r", "user.id": "u"}


def test_a_block_ends_also_with_an_exception(exported):
    with pytest.raises(KeyError), context(request_id="r"):
        raise KeyError
    assert seen(exported) == {}


def test_one_block_may_be_shared_by_tasks_and_entered_twice(exported):
    shared = context(request_id="r")

    async def task(number):
        set_context(user_id=number)
        with shared:
            await asyncio.sleep(0)
            with shared:
                assert current_fields() == {"user_id": number, "request_id": "r"}
            await asyncio.sleep(0)
            assert current_fields() == {"user_id": number, "request_id": "r"}
        assert current_fields() == {"user_id": number}

    async def run():
        await asyncio.gather(*(task(n) for n in range(20)))

    asyncio.run(run())


def test_a_block_that_is_left_in_another_context_than_it_was_entered_in_raises_nothing():
    block = context(request_id="r")
    elsewhere = contextvars.copy_context()
    block.__enter__()
    copied = contextvars.copy_context()
    elsewhere.run(block.__exit__, None, None, None)
    assert elsewhere.run(current_fields) == {}
    copied.run(block.__exit__, None, None, None)
    assert copied.run(current_fields) == {}
    assert current_fields() == {"request_id": "r"}
    block.__exit__(None, None, None)
    assert current_fields() == {}


def test_blocks_of_generators_that_end_in_any_order_leave_nothing():
    def part(**fields):
        with context(**fields):
            yield

    first, second = part(user_id=1), part(tenant=2)
    next(first)
    next(second)
    first.close()
    second.close()
    assert current_fields() == {}


def test_a_bound_logger_wins_over_the_context_and_a_line_over_both(exported):
    bound = api_logger.bind(user_id="bound", region="eu")
    again = bound.bind(region=None, tenant="t")
    set_context(user_id="context", request_id="r", region="us")
    assert seen(exported, bound) == {"user.id": "bound", "request.id": "r", "region": "eu"}
    assert seen(exported, again) == {"user.id": "bound", "request.id": "r", "tenant": "t"}
    assert seen(exported, bound, user_id="line", region=None, n=1) == {
        "user.id": "line",
        "request.id": "r",
        "n": 1,
    }
    assert seen(exported) == {"user.id": "context", "request.id": "r", "region": "us"}


def test_what_was_given_may_be_changed_afterwards(exported):
    tags = ["a"]
    set_context(tags=tags)
    tags.append("b")
    assert seen(exported) == {"tags": ("a",)}


def test_the_context_is_bounded_the_newest_fields_stay(exported):
    for number in range(3 * MAX_FIELDS):
        set_context(**{f"key{number}": number})
    set_context(request_id="r")
    fields = current_fields()
    assert len(fields) == MAX_FIELDS + 1
    assert fields["request_id"] == "r"
    assert fields["dropped_fields"] == 2 * MAX_FIELDS + 1


def test_standard_logging_has_the_fields_too(exported):
    import logging

    with context(request_id="r", user_id="u"):
        logging.getLogger("shop").warning("x", extra={"user.id": "their own", "n": 1})
    assert exported.record.attributes == {"request.id": "r", "user.id": "their own", "n": 1}
