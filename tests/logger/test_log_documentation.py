"""The code of docs/logging.md runs, and prints what the page says."""

import json
import re
from pathlib import Path

import pytest
from support.instrumented import run_python

PAGE = (Path(__file__).parents[2] / "docs" / "logging.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
START = """
from otel_distro import logger
from otel_distro.settings import read_settings
logger.install(read_settings())
"""
CALL = """
import asyncio, httpx
async def call():
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        return await client.get("/metrics/cpu", headers={"x-request-id": "r-17"})
assert asyncio.run(call()).json() == {"metric": "cpu"}
"""
EXPECTED = (
    [{"limit": 20, "endpoint": "/api/metrics"}, {"endpoint": "/api/metrics"}],
    [{"invoice": "i-9", "amount": 12.5}, {}],
    [{}, {"step": 2}],
    [{"metric": "cpu"}],
)


def run(number):
    code = START + BLOCKS[number] + (CALL if "FastAPI" in BLOCKS[number] else "")
    variables = {"BLIPEE_OTEL_LOG_FORMAT": "json", "BLIPEE_OTEL_LOG_LEVEL": "debug"}
    done = run_python(code, instrumented=False, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_code_of_the_page_runs(number):
    assert [line["meta"] for line in run(number)] == EXPECTED[number]


def test_the_line_of_the_page_is_what_the_code_prints():
    shown = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1].replace("\n", ""))
    (_, printed) = run(0)
    printed["timestamp"] = shown["timestamp"]
    printed["error"]["stack"] = shown["error"]["stack"]
    assert printed == shown


def test_the_fields_of_the_context_are_where_the_page_says():
    planning, planned = run(2)
    request = {"request_id": "r-17", "organization_id": "o-1"}
    assert planning["context"] == {**request, "agent_id": "planner", "step": 1}
    assert planned["context"] == request
    (reading,) = run(3)
    assert reading["context"] == {"request_id": "r-17"}
