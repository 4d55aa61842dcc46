"""A FastAPI application that is stopped: each request has an id, which its telemetry carries."""

import asyncio
import logging

from fastapi import FastAPI
from opentelemetry import metrics, trace

app = FastAPI()
log = logging.getLogger("stopping")
log.setLevel(logging.INFO)
handled = metrics.get_meter("stopping").create_counter("handled")


def handle(number: str) -> None:
    trace.get_current_span().set_attribute("id", number)
    log.info("handled", extra={"id": number})
    handled.add(1)


@app.get("/health")
def health() -> str:
    return "ok"


@app.get("/work/{number}")
async def work(number: str) -> str:
    handle(number)
    return number


@app.get("/slow/{number}")
async def slow(number: str) -> str:
    print("slow", flush=True)
    await asyncio.sleep(0.5)
    handle(number)
    return number
