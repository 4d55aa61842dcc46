"""Caches."""

from typing import Final, Literal

from otel_distro.instruments import recorder
from otel_distro.instruments.timed import never_raises

# As many as the specification's limit of attribute sets: beyond it siblings say nothing.
_MAX_SEEN: Final = 2000

_first: set[str] = set()


@never_raises
def request(*, result: Literal["hit", "miss"], cache: str = "default") -> None:
    """Report a look-up.

    Args:
        result: hit or miss.
        cache: Its name, of a bounded set.
    """
    counter = recorder.counter("cache.requests")
    if cache not in _first and len(_first) < _MAX_SEEN:
        _first.add(cache)
        for sibling in ("hit", "miss"):
            counter.add(0, {"cache": cache, "result": sibling})
    counter.add(1, {"cache": cache, "result": result})
