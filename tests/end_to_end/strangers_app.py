"""An application that knows nothing of us."""

import logging
import os

import httpx
from fastapi import FastAPI

app = FastAPI()
logger = logging.getLogger("shop")


@app.get("/health")
def health():
    return "ok"


@app.get("/orders/{number}")
def order(number: int):
    logger.warning("order %s", number, extra={"number": number})
    return {"number": number}


@app.get("/relay")
async def relay():
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{os.environ['SELF']}/orders/7")
    return answer.json()


@app.get("/fails")
def fails():
    raise RuntimeError("out of stock")
