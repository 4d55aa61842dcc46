"""A web application whose every request is a numbered span and a log record."""

import logging
import os

from fastapi import FastAPI
from opentelemetry import trace

from benchmarks.reliability.sides import instrument, set_up

SIDE = os.environ["BENCH_SIDE"]
set_up(SIDE, f"bench-{SIDE}")
app = FastAPI()
instrument(SIDE, app)
tracer = trace.get_tracer("bench")
logger = logging.getLogger("bench")


@app.get("/{number}")
async def read(number: int) -> int:
    tracer.start_span(str(number)).end()
    logger.info("%d", number)
    return number
