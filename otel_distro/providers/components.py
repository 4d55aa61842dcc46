"""Parts that are found by name: the standard ones and installed plugins."""

from importlib.metadata import entry_points
from typing import Any

from opentelemetry.context import Context, get_current
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, ParentBased, Sampler, TraceIdRatioBased

from otel_distro.notices import describe, notice
from otel_distro.settings import Sampling, Settings


class NoPropagator(TextMapPropagator):
    """Takes nothing in and passes nothing on.

    Upstream's way, a composite of none, returns None as the context; its ASGI middleware then
    makes that the current one, and every request fails.
    """

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Return the given context, else the current one."""
        del carrier, getter
        return get_current() if context is None else context

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Do nothing."""

    @property
    def fields(self) -> set[str]:
        """Return no header names."""
        return set()


def load_plugin(group: str, name: str) -> Any:  # noqa: ANN401 - whatever the plugin is
    """Load an entry point. Raises `LookupError` where none has that name."""
    for point in entry_points(group=group, name=name):
        return point.load()
    raise LookupError(f"no {group} named {name!r} is installed")


def create_sampler(sampling: Sampling) -> Sampler:
    """Build the sampler; where a plugin fails, the standard one."""
    argument: float | str | None = sampling.argument
    if sampling.sampler == "traceidratio":
        return TraceIdRatioBased(float(argument or 1))
    if sampling.sampler == "parentbased_traceidratio":
        return ParentBased(TraceIdRatioBased(float(argument or 1)))
    sampler = _plugin(Sampler, "opentelemetry_traces_sampler", sampling.sampler, argument)
    # Not None: the SDK would read the name again then, and complain that it does not know it.
    return sampler if isinstance(sampler, Sampler) else DEFAULT_ON


def create_id_generator(settings: Settings) -> IdGenerator | None:
    """Build the id generator; None, the SDK's default, where a plugin fails."""
    if settings.id_generator == "random":
        return None
    generator = _plugin(IdGenerator, "opentelemetry_id_generator", settings.id_generator)
    return generator if isinstance(generator, IdGenerator) else None


def create_propagator(settings: Settings) -> TextMapPropagator:
    """Build the propagator; one that fails is left out, and named once."""
    if "none" in settings.propagators:
        return NoPropagator()
    kind = TextMapPropagator
    loaded = (_plugin(kind, "opentelemetry_propagator", name) for name in settings.propagators)
    parts = [one for one in loaded if isinstance(one, TextMapPropagator)]
    return CompositePropagator(parts) if parts else NoPropagator()


def _plugin(kind: type, group: str, name: str, *arguments: object) -> object | None:
    try:
        part: object = load_plugin(group, name)(*arguments)
        if not isinstance(part, kind):
            raise TypeError(f"it is no {kind.__name__}")  # noqa: TRY301 - a failure like the others
    except Exception as error:  # noqa: BLE001 - a plugin's
        notice(f"{group} {name}", f"{group} {name!r} failed ({describe(error)}); doing without.")
        return None
    return part
