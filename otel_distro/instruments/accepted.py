"""What a measurement may consist of: names, numbers and tags as strangers' code gives them.

Tags become text: `1` and `"1"` are two attribute sets to the SDK and one series to Prometheus.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from itertools import islice
from numbers import Real
from typing import Final

Tags = Mapping[str, str | int | float | bool]
Pairs = tuple[tuple[str, str], ...]

MAX_TAGS: Final = 64
MAX_TEXT: Final = 255
# Beyond it whole numbers are no longer exact as doubles, and sums of them leave OTLP's int64.
_EXACT: Final = 2**53


class Refused(Exception):  # noqa: N818 - is no error: it never leaves the facade
    """Something is not accepted; the text says what, and what to do."""


def text(value: str) -> str:
    """Return a name as exactly a `str`, one that OTLP can carry. Raises `Refused`."""
    if not isinstance(value, str):
        raise Refused(f"the name is of type {type(value).__name__}; give a str")
    # A subclass may have a `__str__`, or a hash, of its own.
    plain = str.__str__(value)
    return plain if plain.isascii() else plain.encode("utf-8", "replace").decode()


def shown(value: object) -> str:
    """Return how a notice names something, whatever it is."""
    if isinstance(value, str):
        plain = str.__str__(value)
        return repr(plain if len(plain) <= MAX_TEXT else f"{plain[:40]}…")
    return f"<{type(value).__name__}>"


def number(value: float) -> float:
    """Return an int or a float. Raises `Refused`."""
    if isinstance(value, bool):
        raise Refused("the value is a bool; give a number, e.g. int(flag)")
    if not isinstance(value, (Real, Decimal)):
        raise Refused(f"the value is of type {type(value).__name__}; give an int or a float")
    if isinstance(value, int) and -_EXACT <= value <= _EXACT:
        return int(value)
    try:
        plain = float(value)
    except OverflowError:
        plain = math.inf
    if math.isnan(plain):
        raise Refused("the value is NaN; leave out what could not be measured")
    if math.isinf(plain):
        raise Refused("the value is infinite; leave out what could not be measured")
    return plain


def pairs(tags: Tags | None) -> tuple[Pairs, list[str]]:
    """Return tags as sorted pairs of text, and a line about each that was left out."""
    if tags is None:
        return (), []
    if not isinstance(tags, Mapping):
        return (), [f"the tags are of type {type(tags).__name__}; give a dict of names and values"]
    kept: dict[str, str] = {}
    problems: list[str] = []
    for key, value in islice(tags.items(), MAX_TAGS):
        try:
            kept[_key(key)] = _value(key, value)
        except Refused as problem:
            problems.append(str(problem))
    if len(tags) > MAX_TAGS:
        problems.append(f"there are more than {MAX_TAGS} tags; those beyond are left out")
    return tuple(sorted(kept.items())), problems


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise Refused(f"a tag's name is of type {type(key).__name__}; give a str")
    plain = text(key)
    if not plain or len(plain) > MAX_TEXT:
        raise Refused(f"a tag's name is empty or longer than {MAX_TEXT}; give it a short name")
    return plain


def _value(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        plain = text(value)
        if len(plain) > MAX_TEXT:
            raise Refused(
                f"the value of tag {shown(key)} is longer than {MAX_TEXT}; "
                "put it on a span or a log line, and give one of a few values here"
            )
        return plain
    if isinstance(value, int):
        if not -_EXACT <= value <= _EXACT:
            raise Refused(f"the value of tag {shown(key)} is a huge number; give one of a few")
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    raise Refused(
        f"the value of tag {shown(key)} is of type {type(value).__name__}; "
        "give a str, a number or a bool, or leave the tag out"
    )
