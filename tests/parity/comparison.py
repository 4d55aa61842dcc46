"""Compares two runs of a case: which facts differ, and how."""

from collections.abc import Iterable
from typing import Any

from parity.facts import Facts

# Stands where one side has no such fact.
ABSENT = "\N{EN DASH}"


def differences(upstream: Facts, ours: Facts) -> dict[str, tuple[Any, Any]]:
    """Return the facts that differ: what upstream says, and what ours does.

    A span, a metric or a point of a metric that only one side has is one difference, told by its
    name, whatever else would be said of it.
    """
    found: dict[str, tuple[Any, Any]] = {}
    whole = _things(upstream) ^ _things(ours)
    for thing in whole:
        if not any(thing != other and _belongs(thing, other) for other in whole):
            found[thing] = _summary(upstream, thing), _summary(ours, thing)
    for fact in sorted(upstream.keys() | ours.keys()):
        values = upstream.get(fact, ABSENT), ours.get(fact, ABSENT)
        # By their texts: 1, 1.0 and True are not the same attribute.
        if repr(values[0]) != repr(values[1]) and not any(_belongs(fact, it) for it in whole):
            found[fact] = values
    return dict(sorted(found.items()))


# Facts that everything of its sort has.
_OF_ALL = (" name", " unit", " count", " value")


def _things(facts: Iterable[str]) -> set[str]:
    return {
        fact.removesuffix(suffix) for fact in facts for suffix in _OF_ALL if fact.endswith(suffix)
    }


def _belongs(fact: str, thing: str) -> bool:
    if fact == thing:
        return True
    rest = fact.removeprefix(thing)
    return rest != fact and (rest.startswith(":") or (rest.startswith(" ") and not _is_next(rest)))


def _is_next(rest: str) -> bool:
    """Return whether it is another span or point that goes on with a number."""
    number = rest[1:].split(" ", 1)[0].rstrip(":")
    return number.isdigit() or (number.startswith("#") and number[1:].isdigit())


def _summary(facts: Facts, thing: str) -> Any:
    for suffix in _OF_ALL:
        if thing + suffix in facts:
            return facts[thing + suffix] if suffix == " name" else "reported"
    return ABSENT
