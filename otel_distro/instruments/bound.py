"""Instruments with their attributes given once: each measurement is then only a value.

Instruments of our meter provider have a `bind` of their own. Those of others, and the API's
placeholders until a provider is set, are called with the attributes each time.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import local
from typing import Any, Final, Protocol

from opentelemetry.context import Context
from opentelemetry.metrics import Instrument
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    SpanContext,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from otel_distro.notices import describe, notice

Attributes = Mapping[str, AttributeValue]
_Take = Callable[..., None]
_METHODS: Final = frozenset({"add", "record", "set"})


# A value, when it was measured in ns since 1970, and the context of its sampled span.
Example = tuple[float, int, SpanContext]


class Bound(Protocol):
    """An instrument with attributes. Each method is there as the instrument's own is.

    The span context is that of a sampled span, for the exemplar; with None there is none. The
    current context is not looked at. Nothing here raises.
    """

    def add(self, value: float, span_context: SpanContext | None = None) -> None:
        """Add to a counter or an updowncounter."""

    def record(self, value: float, span_context: SpanContext | None = None) -> None:
        """Add a value to a histogram."""

    def set(self, value: float, span_context: SpanContext | None = None) -> None:
        """Set a gauge."""

    def record_all(self, values: Sequence[float], examples: Sequence[Example] = ()) -> None:
        """Add values to a histogram: of good numbers only, some of them as examples, too."""


def bind(instrument: Instrument, attributes: Attributes | None = None) -> Bound:
    """Return the instrument with these attributes, to be kept and used again.

    Args:
        instrument: Of any meter, also of the API before a provider is set.
        attributes: Of each measurement. Changing them afterwards changes nothing.
    """
    bound: Bound = (_own(instrument) or Unbound)(instrument, attributes)
    return bound


class Source(Protocol):
    """Something that keeps measurements back to record them together."""

    def settle(self) -> None:
        """Record what is kept back. Called by any thread, before a collection."""

    def forget(self) -> None:
        """Forget what is kept back: this is a forked child, and its parent records it."""


def settle_before_collections(instrument: Instrument, source: Source) -> bool:
    """Have a source settle before each collection of an instrument, from now on.

    Returns False where the instrument's provider does not do that: it must keep nothing back.
    """
    own = getattr(type(instrument), "settle_before_collections", None)
    if own is None:
        return False
    own(instrument, source)
    return True


class Tally(Protocol):
    """A sum with attributes that its holder adds to without a call: `tally.value += 1`.

    Several threads may, all at once. It has no exemplars.
    """

    value: int


def tally(instrument: Instrument, attributes: Attributes | None = None) -> Tally:
    """Return a sum that is added to a counter or an updowncounter when that is collected.

    Args:
        instrument: As `bind` takes it.
        attributes: As of `bind`.
    """
    own = getattr(type(instrument), "tally", None)
    if own is not None and _has_gil():
        tally: Tally = own(instrument, attributes)
        return tally
    return AddedAtOnce(bind(instrument, attributes))


def sampled() -> SpanContext | None:
    """Return the context of the current span where it is sampled, for an exemplar."""
    span_context = get_current_span().get_span_context()
    return span_context if span_context.trace_flags.sampled else None


_NO_SPAN: Final = set_span_in_context(INVALID_SPAN, Context())


def context_of(span_context: SpanContext | None) -> Context:
    """Return a context with that span in it, or with none."""
    if span_context is None:
        return _NO_SPAN
    return set_span_in_context(NonRecordingSpan(span_context), Context())


def _own(instrument: Any) -> Callable[..., Bound] | None:  # noqa: ANN401 - any provider's
    """Return how instruments of that kind are bound: by a method of their class."""
    return getattr(type(instrument), "bind", None)


class Unbound:
    """An instrument that knows nothing of this, until what it stands for does."""

    def __init__(self, instrument: Any, attributes: Attributes | None) -> None:  # noqa: ANN401 - as above
        self._instrument = instrument
        self._attributes = dict(attributes or {})
        self.add: _Take = partial(self._call, "add")
        self.record: _Take = partial(self._call, "record")
        self.set: _Take = partial(self._call, "set")

    def record_all(self, values: Sequence[float], examples: Sequence[Example] = ()) -> None:
        """Record one after the other."""
        contexts = {value: span_context for value, _, span_context in examples}
        for value in values:
            self.record(value, contexts.get(value))

    def _call(self, method: str, value: float, span_context: SpanContext | None = None) -> None:
        try:
            # The API says in no other way what its placeholders have become.
            real = getattr(self._instrument, "_real_instrument", None)
            if real is not None:
                self._become(real)
                getattr(self, method)(value, span_context)
                return
            context = context_of(span_context)
            getattr(self._instrument, method)(value, self._attributes, context)
        except Exception as error:  # noqa: BLE001 - the instrument is anyone's
            notice(f"bound {method}", f"a measurement was lost ({describe(error)}).")

    def _become(self, real: Any) -> None:  # noqa: ANN401 - as above
        self._instrument = real
        own = _own(real)
        if own is not None:
            bound = own(real, self._attributes)
            for method in _METHODS:
                setattr(self, method, getattr(bound, method))


class AddedAtOnce:
    """A tally of an instrument that knows nothing of this."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        self._total = 0
        # What was read by the thread that writes next: others may have written meanwhile.
        self._read = local()

    @property
    def value(self) -> int:
        """All that was added."""
        self._read.total = total = self._total
        return total

    @value.setter
    def value(self, total: int) -> None:
        self._bound.add(total - self._read.total)
        self._total = total


def _has_gil() -> bool:
    # Without it `tally.value += 1` is not one step.
    is_enabled: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)
    return is_enabled is None or is_enabled()
