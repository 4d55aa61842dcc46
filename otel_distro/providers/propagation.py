"""How the trace goes on to other services."""

import logging
import re
from collections.abc import Iterable
from typing import Final

from opentelemetry.baggage.propagation import W3CBaggagePropagator
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

from otel_distro.notices import notice
from otel_distro.providers.isolation import name_failure
from otel_distro.providers.plugins import make_plugin
from otel_distro.settings import Settings


class Propagators(CompositePropagator):
    """Several propagators, or none, one after the other; one that raises is left out of that call.

    Also where it returns no context, which the next would start from, or the instrumentation use.
    Upstream's composite of none returns none either: its ASGI middleware then makes that the
    current one, and every request fails.
    """

    def __init__(self, propagators: Iterable[TextMapPropagator]) -> None:
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_say_once)
        super().__init__(
            [
                _LinearBaggagePropagator() if type(one) is W3CBaggagePropagator else one
                for one in propagators
            ]
        )

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Take in what each of them finds."""
        for one in self._propagators:
            try:
                found = one.extract(carrier, context, getter=getter)
                if isinstance(found, Context):
                    context = found
                elif found is not None:
                    raise TypeError(f"it returned {type(found).__name__}")  # noqa: TRY301
            except Exception as error:  # noqa: BLE001 - the propagator's, or the carrier's
                name_failure(one, "extract", error, _GO_ON)
        return get_current() if context is None else context

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Pass on what each of them has."""
        for one in self._propagators:
            try:
                one.inject(carrier, context, setter=setter)
            except Exception as error:  # noqa: BLE001 - the propagator's, or the carrier's
                name_failure(one, "inject", error, _GO_ON)

    @property
    def fields(self) -> set[str]:
        """Return the names of the headers of all."""
        names: set[str] = set()
        for one in self._propagators:
            try:
                names.update(one.fields)
            except Exception as error:  # noqa: BLE001 - the propagator's
                name_failure(one, "fields", error, _GO_ON)
        return names


_GO_ON: Final = "the other propagators go on"

# Where the API complains of headers: of each request, and of each entry of a header, with what is
# in it. Anybody can send those.
_LOGGERS: Final = (
    "opentelemetry.baggage.propagation",
    "opentelemetry.trace.propagation.tracecontext",
    "opentelemetry.trace.span",
)


def _say_once(record: logging.LogRecord) -> bool:
    if record.levelno != logging.WARNING:
        return True
    what = re.sub(r"[`']?%[sd][`']?", "…", str(record.msg)).rstrip(".")
    notice(f"header {what}", f"what a header says is left out ({what}); it is not said again.")
    return False


class _LinearBaggagePropagator(W3CBaggagePropagator):
    """Upstream's, without what takes it long.

    Its pattern is quadratic: 8 KB of blanks take a tenth of a second. It complains of each entry
    that is not ASCII, and raises where one has half of a surrogate pair.
    """

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        return super().extract(carrier, context, _Tidy(getter, self._MAX_HEADER_LENGTH))


class _Tidy(Getter[CarrierT]):
    """Leaves out what baggage cannot have in it: many blanks, and entries that are not ASCII."""

    def __init__(self, getter: Getter[CarrierT], longest: int) -> None:
        self._getter = getter
        self._longest = longest

    def get(self, carrier: CarrierT, key: str) -> list[str] | None:
        values = self._getter.get(carrier, key)
        return values and [self._tidy(one) for one in values]

    def keys(self, carrier: CarrierT) -> list[str]:
        return self._getter.keys(carrier)

    def _tidy(self, header: str) -> str:
        if not header.isascii():
            header = ",".join(entry for entry in header.split(",") if entry.isascii())
        # What is too long stays so, and is refused. Between entries blanks mean nothing, and
        # within one it is refused for them.
        return header if len(header) > self._longest else re.sub(r"[ \t]+", " ", header)


def create_propagator(settings: Settings) -> TextMapPropagator:
    """Build the propagator; one that fails is left out, and named once."""
    if "none" in settings.propagators:
        return Propagators(())
    kind, group = TextMapPropagator, "opentelemetry_propagator"
    loaded = (make_plugin(kind, group, name) for name in settings.propagators)
    return Propagators(one for one in loaded if isinstance(one, TextMapPropagator))
