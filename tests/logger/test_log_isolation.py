"""No request sees another's fields: 1,000 at once, each in tasks, threads and pools of its own."""

import asyncio
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import Depends, FastAPI
from fastapi.concurrency import run_in_threadpool

from otel_distro.logger import agent_logger, api_logger, context, db_logger, fields, set_context

REQUESTS = 1_000
LINES = 11  # of each request


def build_app(pool):
    app = FastAPI()
    chance = random.Random(7)  # noqa: S311

    async def pause():
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(chance.choice((0, 0, 0.001)))

    async def identify(number: int):
        set_context(request_id=f"r-{number}", user_id=number)

    def query(number, where="in a thread"):
        db_logger.info(where, own=number)
        set_context(request_id="of the thread only")

    async def agent(number):
        set_context(agent_id=f"a-{number}")
        await pause()
        agent_logger.info("in a task", own=number)

    @app.get("/{number}", dependencies=[Depends(identify)])
    async def handle(number: int):
        loop = asyncio.get_running_loop()
        api_logger.info("begun", own=number)
        await pause()
        await run_in_threadpool(query, number)
        await asyncio.gather(agent(number), agent(number))
        with context(organization_id=f"o-{number}"):
            await pause()
            await loop.run_in_executor(pool, query, number, "in a block")
            await asyncio.to_thread(query, number, "in a block")
            api_logger.info("in a block", own=number)
        bound = api_logger.bind(conversation_id=f"c-{number}")
        await pause()
        pool.submit(query, number).add_done_callback(lambda _: None)
        bound.info("bound", own=number)
        db_logger.error("failed", error=ValueError(number), own=number)
        await pause()
        api_logger.info("ended", own=number)
        return number

    return app


def leaks(exported):
    """Run the requests; return the lines that say something of another request."""
    with ThreadPoolExecutor(4) as pool:
        app = build_app(pool)

        async def run():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                return await asyncio.gather(*(client.get(f"/{n}") for n in range(REQUESTS)))

        answers = asyncio.run(run())
    assert [answer.json() for answer in answers] == list(range(REQUESTS))
    records = exported.records
    assert Counter(record.attributes["own"] for record in records) == dict.fromkeys(
        range(REQUESTS), LINES
    )
    return [
        (record.body, dict(record.attributes))
        for record in records
        if record.attributes != expected(record)
    ]


def expected(record):
    number = record.attributes["own"]
    attributes = {"own": number, "request.id": f"r-{number}", "user.id": number}
    match record.body:
        case "in a task":
            attributes["agent.id"] = f"a-{number}"
        case "in a block":
            attributes["organization.id"] = f"o-{number}"
        case "bound":
            attributes["gen_ai.conversation.id"] = f"c-{number}"
        case "failed":
            attributes |= {
                key: value
                for key, value in record.attributes.items()
                if key.startswith("exception.")
            }
            assert record.attributes["exception.message"] == str(number)
    return attributes


def test_no_request_sees_the_fields_of_another(exported):
    assert leaks(exported) == []


def test_the_test_above_sees_a_leak_where_there_is_one(exported, monkeypatch):
    class Shared:
        """What the seed has: one set of fields for everybody."""

        value = fields.NOTHING

        def get(self):
            return Shared.value

        def set(self, value):
            Shared.value = value

    monkeypatch.setattr(fields, "_current", Shared())
    assert len(leaks(exported)) > REQUESTS


@pytest.mark.parametrize("depth", [1, 3])
def test_a_child_task_has_its_parents_fields_and_keeps_its_own_to_itself(depth, exported):
    async def child(level):
        api_logger.info("before", level=level)
        set_context(agent_id=level)
        if level < depth:
            await asyncio.create_task(child(level + 1))
        api_logger.info("after", level=level)

    async def parent():
        set_context(request_id="r")
        await asyncio.create_task(child(1))
        api_logger.info("parent")

    asyncio.run(parent())
    *children, last = exported.records
    assert last.attributes == {"request.id": "r"}
    for record in children:
        level = record.attributes["level"]
        agent = level if record.body == "after" else level - 1
        assert record.attributes["request.id"] == "r"
        assert record.attributes.get("agent.id", 0) == agent
