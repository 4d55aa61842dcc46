"""Parts that are found by name: the standard ones and installed plugins."""

from importlib.metadata import entry_points
from typing import Any

from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased

from otel_distro.notices import describe, notice
from otel_distro.settings import Sampling, Settings


def load_plugin(group: str, name: str) -> Any:  # noqa: ANN401 - whatever the plugin is
    """Load an entry point. Raises `LookupError` where none has that name."""
    for point in entry_points(group=group, name=name):
        return point.load()
    raise LookupError(f"no {group} named {name!r} is installed")


def create_sampler(sampling: Sampling) -> Sampler | None:
    """Build the sampler; None, the SDK's default, where a plugin fails."""
    argument: float | str | None = sampling.argument
    if sampling.sampler == "traceidratio":
        return TraceIdRatioBased(float(argument or 1))
    if sampling.sampler == "parentbased_traceidratio":
        return ParentBased(TraceIdRatioBased(float(argument or 1)))
    sampler = _plugin("opentelemetry_traces_sampler", sampling.sampler, argument)
    return sampler if isinstance(sampler, Sampler) else None


def create_id_generator(settings: Settings) -> IdGenerator | None:
    """Build the id generator; None, the SDK's default, where a plugin fails."""
    if settings.id_generator == "random":
        return None
    generator = _plugin("opentelemetry_id_generator", settings.id_generator)
    return generator if isinstance(generator, IdGenerator) else None


def create_propagator(settings: Settings) -> TextMapPropagator:
    """Build the propagator; one that fails is left out, and named once."""
    if "none" in settings.propagators:
        return CompositePropagator([])
    loaded = (_plugin("opentelemetry_propagator", name) for name in settings.propagators)
    return CompositePropagator([one for one in loaded if isinstance(one, TextMapPropagator)])


def _plugin(group: str, name: str, *arguments: object) -> object | None:
    try:
        part: object = load_plugin(group, name)(*arguments)
    except Exception as error:  # noqa: BLE001 - a plugin's
        notice(f"{group} {name}", f"{group} {name!r} failed ({describe(error)}); doing without.")
        return None
    return part
