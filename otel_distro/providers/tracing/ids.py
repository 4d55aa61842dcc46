"""Ids of traces and spans."""

import os
import random
from typing import Any, Final

from opentelemetry.trace import SpanContext, TraceFlags, TraceState

# Not the module's own generator: applications seed that, to have the same numbers in each run,
# and each of their processes would have the same ids.
_random: Final = random.Random()  # noqa: S311 - ids are no secrets
# A number of so many bits. One call in C, and so atomic.
random_bits: Final = _random.getrandbits

if hasattr(os, "register_at_fork"):
    # As `random` does with its own: parent and child would go on with the same numbers.
    os.register_at_fork(after_in_child=_random.seed)

_new_tuple: Final[Any] = tuple.__new__


def new_context(trace_id: int, flags: TraceFlags, state: TraceState) -> SpanContext:
    """Return the context of a new span with a random id, in a trace whose id is valid.

    The API's class is a tuple; its own constructor checks what cannot be wrong here, for three
    times the price.
    """
    # 0, which is no id, comes once in 2**64 times.
    made: SpanContext = _new_tuple(
        SpanContext, (trace_id, random_bits(64) or 1, False, flags, state, True)
    )
    return made
