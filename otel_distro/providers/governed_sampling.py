"""What the governor does to sampling: fewer traces are begun, and those that fail are kept."""

from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    Decision,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from otel_distro.governor import state
from otel_distro.providers.sdk import TracerProvider
from otel_distro.providers.tracing import KeptIfFailed

# Of the traces that begin here.
KEPT: Final = 0.1


class GovernedSampler(Sampler):
    """Samples one of ten traces of those that another sampler would; of the rest what fails.

    By the trace's id, so that all who sample by it agree, as `TraceIdRatioBased` does. Who has
    called from a trace that is sampled has decided: its spans are recorded.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._bound = TraceIdRatioBased.get_bound_for_rate(KEPT)

    def should_sample(  # noqa: PLR0913, PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide about a span that is about to start."""
        result = self._sampler.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )
        if result.decision is not Decision.RECORD_AND_SAMPLE:
            return result
        parent = get_current_span(parent_context).get_span_context()
        if parent.is_valid:
            if parent.trace_flags.sampled:
                return result
            return SamplingResult(Decision.DROP, trace_state=result.trace_state)
        if trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < self._bound:
            return result
        return KeptIfFailed(result.attributes, result.trace_state)

    def get_description(self) -> str:
        """Return what it is."""
        return f"GovernedSampler{{{self._sampler.get_description()}}}"


def sampling_of_levels(provider: object) -> Callable[[int], None]:
    """Return what has a provider of ours sample as is right for a level; others are left alone.

    Below level 3 the sampler is the provider's own, and costs nothing more.
    """
    if not isinstance(provider, TracerProvider):
        return lambda _level: None
    own, sampled = provider.sampler, GovernedSampler(provider.sampler)

    def change(level: int) -> None:
        sampler = {state.SAMPLED: sampled, state.METRICS_ONLY: ALWAYS_OFF}.get(level, own)
        if provider.sampler is not sampler:
            _replace_sampler(provider, sampler)

    return change


def _replace_sampler(provider: TracerProvider, sampler: Sampler) -> None:
    """Replace the sampler of a provider and of the tracers it has given out."""
    with provider._tracers_lock:  # noqa: SLF001 - the SDK offers no public way
        provider.sampler = sampler
        for tracer in provider._tracers.values():  # noqa: SLF001 - same
            tracer.sampler = sampler
