"""The agents service: plans which tools answer a question, calls them in order, reports back."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

from otel_distro.instruments import agents, conversations
from otel_distro.instruments.metrics import metrics
from otel_distro.logger import agent_logger

ML_URL = os.environ.get("ML_URL", "http://127.0.0.1:8002")
DATABASE_SERVICE_URL = os.environ.get("DATABASE_SERVICE_URL", "http://127.0.0.1:8003")
TIMEOUT_SECONDS = 5.0
RUNS_AT_ONCE = 8
LOW_CONFIDENCE = 0.6


class Task(BaseModel):
    """What somebody wants to know about one organization."""

    organization: str = Field(pattern=r"^[a-z0-9-]+$", max_length=40)
    question: str = Field(min_length=1, max_length=500)


class Answer(BaseModel):
    """What the agent did and found; the confidence is there when a model was asked."""

    agent: str = "CarbonHunter"
    plan: list[str]
    answer: str
    confidence: float | None


@dataclass
class Findings:
    """What is known so far; each tool reads it and adds to it."""

    organization: str
    readings: list[dict[str, Any]] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    confidence: float | None = None


class UnknownOrganizationError(Exception):
    """The database service has no such organization."""


async def ask_database(http: httpx.AsyncClient, organization: str, what: str) -> dict[str, Any]:
    """One answer of the database service."""
    response = await http.get(f"{DATABASE_SERVICE_URL}/organizations/{organization}/{what}")
    if response.status_code == HTTPStatus.NOT_FOUND:
        raise UnknownOrganizationError(organization)
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer


async def readings(http: httpx.AsyncClient, findings: Findings) -> None:
    """Fetch the last twelve months, newest first."""
    answer = await ask_database(http, findings.organization, "readings?limit=12")
    findings.readings = answer["readings"]


async def classify(http: httpx.AsyncClient, findings: Findings) -> None:
    """Ask the model about the newest month."""
    response = await http.post(f"{ML_URL}/predictions", json=findings.readings[0])
    prediction = response.raise_for_status().json()
    findings.confidence = prediction["confidence"]
    maybe = "Probably" if findings.confidence < LOW_CONFIDENCE else "Clearly"
    findings.sentences.append(f"{maybe} {prediction['label'].replace('_', ' ')}.")


async def summary(_http: httpx.AsyncClient, findings: Findings) -> None:
    """Add up the months at hand."""
    total = sum(reading["co2_kg"] for reading in findings.readings)
    months = len(findings.readings)
    findings.sentences.append(f"{total / 1000:.1f} t of CO2 in the last {months} months.")


async def annual_report(http: httpx.AsyncClient, findings: Findings) -> None:
    """Fetch the comparison with all others, which takes its time."""
    async with metrics.measure("agents.annual_report"):
        last = (await ask_database(http, findings.organization, "annual-report"))["years"][-1]
    share = f"{last['cleaner_than']:.0%}"
    findings.sentences.append(f"{last['year']} was cleaner than {share} of all months.")


Tool = Callable[[httpx.AsyncClient, Findings], Awaitable[None]]
TOOLS: dict[str, Tool] = {
    tool.__name__: tool for tool in (readings, classify, summary, annual_report)
}
RULES = (
    ({"forecast", "waste", "why", "leak"}, ("readings", "classify")),
    ({"history", "emissions"}, ("readings", "summary")),
    ({"slow", "annual"}, ("annual_report",)),
)


def plan(question: str) -> list[str]:
    """Choose the tools for a question, in the order they run; a summary when nothing fits."""
    words = set(re.findall(r"[a-z]+", question.lower()))
    chosen = [tool for triggers, tools in RULES if words & triggers for tool in tools]
    return list(dict.fromkeys(chosen)) or ["readings", "summary"]


class Turns:
    """Lets so many tasks run at once; the others wait, and are counted."""

    def __init__(self, at_once: int) -> None:
        self.waiting = 0
        self._slots = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it."""
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._slots.release()


turns = Turns(at_once=RUNS_AT_ONCE)
agents.queue_size(lambda: turns.waiting, queue="runs")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One HTTP client for as long as the service runs."""
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as app.state.http:
        yield


app = FastAPI(title="Blipee agents", lifespan=lifespan)


async def shared_client(request: Request) -> httpx.AsyncClient:
    """The service's HTTP client."""
    client: httpx.AsyncClient = request.app.state.http
    return client


@app.get("/health")
async def health() -> dict[str, str]:
    """Healthy as soon as it answers."""
    return {"status": "healthy"}


@app.post("/runs")
async def run(task: Task, http: Annotated[httpx.AsyncClient, Depends(shared_client)]) -> Answer:
    """Plan, call each tool, and answer with what they found."""
    steps = plan(task.question)
    agent_logger.info("planned", organization=task.organization, steps=steps)
    findings = Findings(task.organization)
    async with (
        conversations.conversation(type="user_chat"),
        turns.turn(),
        agents.execution(agent_type="CarbonHunter") as execution,
    ):
        await call_tools(steps, execution, http, findings)
    return Answer(plan=steps, answer=" ".join(findings.sentences), confidence=findings.confidence)


async def call_tools(
    steps: list[str], execution: agents.AgentRun, http: httpx.AsyncClient, findings: Findings
) -> None:
    """Call each tool, feeding results on."""
    for step in steps:
        try:
            with execution.tool(step):
                await TOOLS[step](http, findings)
        except UnknownOrganizationError as error:
            agent_logger.warn("unknown organization", organization=str(error))
            raise HTTPException(HTTPStatus.NOT_FOUND, f"unknown organization {error}") from error
        except httpx.HTTPError as error:
            agent_logger.error("a tool failed", error=error, tool=step)
            raise HTTPException(HTTPStatus.BAD_GATEWAY, f"tool {step} failed") from error
