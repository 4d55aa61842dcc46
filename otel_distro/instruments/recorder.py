"""OpenTelemetry instruments made from the catalogue: name, unit, description and buckets.

Made once for each meter provider, from the global one by default; before that is set, the API's
placeholders are returned, which become real with it.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final, cast

from opentelemetry.metrics import (
    CallbackOptions,
    Counter,
    Histogram,
    Meter,
    MeterProvider,
    Observation,
    UpDownCounter,
    get_meter,
)
from opentelemetry.metrics import _Gauge as Gauge
from opentelemetry.util.types import AttributeValue

from otel_distro.catalogue import CATALOGUE, Instrument, Kind
from otel_distro.notices import describe, notice
from otel_distro.version import __version__

SCOPE: Final = "otel_distro"

Attributes = Mapping[str, AttributeValue]
Observe = Callable[[], Iterable[tuple[float, Attributes]]]


def meter(provider: MeterProvider | None = None) -> Meter:
    """Return the meter of all our instruments."""
    return get_meter(SCOPE, __version__, provider)


def counter(name: str, provider: MeterProvider | None = None) -> Counter:
    """Return the counter of that name in the catalogue. Raises `LookupError`."""
    return cast("Counter", _make(name, Kind.COUNTER, provider))


def up_down_counter(name: str, provider: MeterProvider | None = None) -> UpDownCounter:
    """Return the updowncounter of that name in the catalogue. Raises `LookupError`."""
    return cast("UpDownCounter", _make(name, Kind.UP_DOWN_COUNTER, provider))


def histogram(name: str, provider: MeterProvider | None = None) -> Histogram:
    """Return the histogram of that name in the catalogue. Raises `LookupError`."""
    return cast("Histogram", _make(name, Kind.HISTOGRAM, provider))


def gauge(name: str, provider: MeterProvider | None = None) -> Gauge:
    """Return the gauge of that name in the catalogue. Raises `LookupError`."""
    return cast("Gauge", _make(name, Kind.GAUGE, provider))


# The SDK keeps only the first callback of a name, so that one reads what all of ours say. A list
# lives as long as the process: instruments made before a provider was set follow each new one.
_callbacks: dict[tuple[str, MeterProvider | None], list[Observe]] = {}
_created: set[tuple[str, MeterProvider | None]] = set()


def observe(name: str, callback: Observe, provider: MeterProvider | None = None) -> None:
    """Read an observable instrument's values from a callback at each export.

    Several callbacks may feed one instrument. One that raises costs its own values only, and is
    said once.

    Args:
        name: In the catalogue.
        callback: Yields values with their attributes.
        provider: Of the meter.

    Raises:
        LookupError: The catalogue has no such instrument, or it is not observable.
    """
    entry = _entry(name, *_OBSERVABLE)
    key = (name, provider)
    callbacks = _callbacks.setdefault(key, [])
    callbacks.append(callback)
    if key in _created:
        return
    _created.add(key)

    def read(_options: CallbackOptions) -> Iterable[Observation]:
        for one in list(callbacks):
            try:
                observed = [Observation(value, attributes) for value, attributes in one()]
            except Exception as error:  # noqa: BLE001 - callbacks are the application's
                notice(f"callback {name}", f"a callback of {name} failed ({describe(error)}).")
            else:
                yield from observed

    create = getattr(meter(provider), _OBSERVABLE[entry.kind])
    create(entry.name, callbacks=[read], unit=entry.unit, description=entry.description)


def forget() -> None:
    """Start anew, for tests that replace the providers."""
    _make.cache_clear()
    _created.clear()
    for callbacks in _callbacks.values():
        callbacks.clear()


_OBSERVABLE: Final = {
    Kind.OBSERVABLE_COUNTER: "create_observable_counter",
    Kind.OBSERVABLE_UP_DOWN_COUNTER: "create_observable_up_down_counter",
    Kind.OBSERVABLE_GAUGE: "create_observable_gauge",
}


def _entry(name: str, *kinds: Kind) -> Instrument:
    entry = CATALOGUE.get(name)
    if entry is None or entry.kind not in kinds:
        wanted = " or ".join(kind.value for kind in kinds)
        raise LookupError(f"the catalogue has no {wanted} named {name!r}")
    return entry


@lru_cache(maxsize=1024)
def _make(name: str, kind: Kind, provider: MeterProvider | None) -> object:
    entry = _entry(name, kind)
    of = meter(provider)
    match kind:
        case Kind.COUNTER:
            return of.create_counter(entry.name, entry.unit, entry.description)
        case Kind.UP_DOWN_COUNTER:
            return of.create_up_down_counter(entry.name, entry.unit, entry.description)
        case Kind.GAUGE:
            return of.create_gauge(entry.name, entry.unit, entry.description)
        case _:
            return of.create_histogram(
                entry.name,
                entry.unit,
                entry.description,
                explicit_bucket_boundaries_advisory=list(entry.buckets),
            )
