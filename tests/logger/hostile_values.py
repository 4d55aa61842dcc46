"""Values that raise, never end, or are huge: what an application may log by accident."""

import enum
import sys

from support.hostile import Endless, Hostile, HostileMapping, Nameless


class HostileError(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class HostileNotesError(Exception):
    @property
    def __notes__(self):
        raise RuntimeError("no notes")


class HostileText(str):
    __slots__ = ()

    def __str__(self):
        raise RuntimeError("no text")


class HostileNumber(int):
    def __index__(self):
        raise RuntimeError("no number")

    __str__ = __repr__ = __int__ = __index__


class Color(enum.Enum):
    RED = "red"
    BAD = Nameless()


def cyclic():
    value = {"list": []}
    value["list"].append(value)
    return value


def deep():
    value = []
    for _ in range(100_000):
        value = [value]
    return value


def doubling():
    value = "x" * 1_000
    for _ in range(60):
        value = [value, value]
    return value


HOSTILE = [
    Hostile(),
    HostileError(),
    HostileMapping(a=1),
    HostileText("x"),
    HostileNumber(7),
    Nameless(),
    Endless(),
    Color.BAD,
    cyclic(),
    deep(),
    doubling(),
    {Hostile: 1, 1: 2, None: 3, "": 4, (1, 2): 5},
    float("nan"),
    float("-inf"),
    10**10_000,
    2**63,
    "\ud800",
    "x" * 10_000_000,
    "é" * 10_000_000,
    b"\xff" * 10_000_000,
    memoryview(b"abcd").cast("B", (2, 2)),
    range(10**9),
    (n for n in range(3)),
    {n: n for n in range(10_000)},
    [Hostile()] * 10_000,
    object,
    lambda: None,
    sys,
]
