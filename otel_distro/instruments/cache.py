"""Caches."""

from typing import Literal

from otel_distro.instruments import recorder

_first: set[str] = set()


def request(*, result: Literal["hit", "miss"], cache: str = "default") -> None:
    """Report a look-up.

    Args:
        result: hit or miss.
        cache: Its name, of a bounded set.
    """
    counter = recorder.counter("cache.requests")
    if cache not in _first:
        _first.add(cache)
        for sibling in ("hit", "miss"):
            counter.add(0, {"cache": cache, "result": sibling})
    counter.add(1, {"cache": cache, "result": result})
