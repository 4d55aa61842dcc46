"""Which traces are recorded, and what their ids are."""

from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, ParentBased, Sampler, TraceIdRatioBased

from otel_distro.providers.plugins import make_plugin
from otel_distro.settings import Sampling, Settings


def create_sampler(sampling: Sampling) -> Sampler:
    """Build the sampler; where a plugin fails, the standard one."""
    argument: float | str | None = sampling.argument
    if sampling.sampler == "traceidratio":
        return TraceIdRatioBased(float(argument or 1))
    if sampling.sampler == "parentbased_traceidratio":
        return ParentBased(TraceIdRatioBased(float(argument or 1)))
    sampler = make_plugin(Sampler, "opentelemetry_traces_sampler", sampling.sampler, argument)
    # Not None: the SDK would read the name again then, and complain that it does not know it.
    return sampler if isinstance(sampler, Sampler) else DEFAULT_ON


def create_id_generator(settings: Settings) -> IdGenerator | None:
    """Build the id generator; None, the SDK's default, where a plugin fails."""
    if settings.id_generator == "random":
        return None
    generator = make_plugin(IdGenerator, "opentelemetry_id_generator", settings.id_generator)
    return generator if isinstance(generator, IdGenerator) else None
