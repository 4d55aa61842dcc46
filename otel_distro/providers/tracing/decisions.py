"""Which spans are recorded: what the SDK's own samplers answer, without asking them."""

from typing import Any, Final

from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import TraceState
from opentelemetry.util.types import Attributes

# Ratios are of the low 64 bits of a trace's id.
RATIO_BITS: Final = TraceIdRatioBased.TRACE_ID_LIMIT
ALL: Final = RATIO_BITS + 1

# Whom a sampler of parents asks for a span with a local parent that is not sampled, for one with
# a local parent that is, and for the same of remote parents. It shows them nowhere.
_OF_PARENTS: Final = (
    "_local_parent_not_sampled",
    "_local_parent_sampled",
    "_remote_parent_not_sampled",
    "_remote_parent_sampled",
)


class KeptIfFailed(SamplingResult):
    """The span is recorded, and delivered only if its status is an error when it ends.

    It is not sampled: its children, in this process and in others, see that of their parent.
    """

    def __init__(
        self, attributes: Attributes = None, trace_state: TraceState | None = None
    ) -> None:
        super().__init__(Decision.RECORD_ONLY, attributes, trace_state)


def bounds_of(sampler: Sampler) -> tuple[int, ...] | None:
    """Return the ids of traces below which a sampler samples; None for one that has to be asked.

    The first bound is for spans without a parent, the others are for `_OF_PARENTS`.
    """
    if type(sampler).should_sample is ParentBased.should_sample:
        asked = [getattr(sampler, name, None) for name in ("_root", *_OF_PARENTS)]
    else:
        asked = [sampler] * (1 + len(_OF_PARENTS))
    bounds = [bound for bound in map(_bound, asked) if bound is not None]
    return tuple(bounds) if len(bounds) == len(asked) else None


def _bound(sampler: object) -> int | None:
    if type(sampler) is TraceIdRatioBased:
        return sampler.bound
    if getattr(type(sampler), "should_sample", None) is StaticSampler.should_sample:
        decision: Any = getattr(sampler, "_decision", None)
        return {Decision.DROP: 0, Decision.RECORD_AND_SAMPLE: ALL}.get(decision)
    return None
