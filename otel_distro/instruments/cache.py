"""Caches."""

from typing import Literal

from otel_distro.instruments import outcomes
from otel_distro.instruments.timed import never_raises


@never_raises
def request(*, result: Literal["hit", "miss"], cache: str = "default") -> None:
    """Report a look-up.

    Args:
        result: hit or miss.
        cache: Its name, of a bounded set.
    """
    outcomes.count(
        "cache.requests", {"cache": cache}, result, attribute="result", outcomes=("hit", "miss")
    )
