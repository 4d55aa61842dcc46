"""How the trace goes on to other services."""

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

from otel_distro.providers.plugins import make_plugin
from otel_distro.settings import Settings


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


def create_propagator(settings: Settings) -> TextMapPropagator:
    """Build the propagator; one that fails is left out, and named once."""
    if "none" in settings.propagators:
        return NoPropagator()
    kind, group = TextMapPropagator, "opentelemetry_propagator"
    loaded = (make_plugin(kind, group, name) for name in settings.propagators)
    parts = [one for one in loaded if isinstance(one, TextMapPropagator)]
    return CompositePropagator(parts) if parts else NoPropagator()
