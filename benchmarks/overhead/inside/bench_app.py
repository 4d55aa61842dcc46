"""The application that all serve: one route for each kind of request that is measured."""

import logging
import os

from fastapi import FastAPI
from vendors import VENDOR

app = FastAPI()
logger = logging.getLogger("orders")
# As applications have it: a handler of their own, so that nobody adds one for them. Not by
# `basicConfig`, which does nothing where a contestant has added one before.
_console = logging.StreamHandler(open(os.devnull, "w"))  # noqa: SIM115, PTH123
_console.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
logging.getLogger().addHandler(_console)
logging.getLogger().setLevel(logging.INFO)
ATTRIBUTES: dict[str, str | int | float | bool] = {
    "order.customer": "c-1042",
    "order.currency": "EUR",
    "order.lines": 7,
    "order.total": 129.95,
    "order.express": True,
    "order.country": "PT",
    "order.channel": "web",
    "order.coupon": "SPRING",
    "order.weight_kg": 2.4,
    "order.gift": False,
}


@app.get("/orders/{order_id}")
async def read_order(order_id: int, expand: str = "") -> dict[str, object]:
    return {"id": order_id, "expand": expand, "state": "paid", "lines": [1, 2, 3]}


@app.get("/busy/{order_id}")
async def price_order(order_id: int, expand: str = "") -> dict[str, object]:
    """Open one child span and write three log lines."""
    logger.info("pricing %d", order_id)
    with VENDOR.span("price order"):
        logger.info("order %d has %d lines", order_id, 3)
    logger.info("priced %d", order_id)
    return {"id": order_id, "expand": expand, "state": "paid", "lines": [1, 2, 3]}


@app.get("/described/{order_id}")
async def describe_order(order_id: int, expand: str = "") -> dict[str, object]:
    """Set ten attributes on the span of the request."""
    VENDOR.describe(ATTRIBUTES)
    return {"id": order_id, "expand": expand, "state": "paid", "lines": [1, 2, 3]}


VENDOR.instrument(app)
