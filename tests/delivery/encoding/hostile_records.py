"""Values that raise, never end, or are huge: what an application may set by accident."""

import enum


class HostileList(list):
    def __iter__(self):
        raise RuntimeError("no items")


class OddText(str):
    __slots__ = ()

    def encode(self, *_):
        raise RuntimeError("no bytes")

    __str__ = __hash__ = __len__ = __eq__ = encode


class OddNumber(int):
    def __index__(self):
        raise RuntimeError("no number")

    __str__ = __int__ = __hash__ = __and__ = __le__ = __index__


class OddFloat(float):
    def __float__(self):
        raise RuntimeError("no number")


class Color(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


def cyclic_list(width=1):
    value = []
    value.extend([value] * width)
    return value


def cyclic_dict():
    value = {}
    value["self"] = value
    return value


def deep(kind=list):
    value = kind()
    for _ in range(200_000):
        value = kind([value])
    return value


def doubling():
    value = "x" * 100
    for _ in range(60):
        value = [value, value]
    return value
