"""Meters that bound the callbacks of observable instruments and let the others measure cheaply."""

from collections.abc import Iterable, Sequence
from typing import Any

from opentelemetry.metrics import (
    CallbackT,
    Counter,
    Histogram,
    Meter,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.metrics import _Gauge as Gauge

from otel_distro.notices import notice
from otel_distro.providers.callbacks import BoundedCallback
from otel_distro.providers.metering import Metering, T

Callbacks = Sequence[CallbackT] | None


class BoundedMeter(Meter):
    """Stands before a meter of the SDK; what the API does not name is that meter's."""

    def __init__(self, meter: Meter, metering: Metering | None = None) -> None:
        super().__init__(meter.name, meter.version, meter.schema_url)
        self._meter = meter
        self._metering = metering

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it is there
        if name == "_meter":  # not yet set: while it is copied, for one
            raise AttributeError(name)
        return getattr(self._meter, name)

    def create_observable_counter(
        self, name: str, callbacks: Callbacks = None, unit: str = "", description: str = ""
    ) -> ObservableCounter:
        """Create the instrument."""
        bounded = _bounded(name, callbacks)
        return self._meter.create_observable_counter(name, bounded, unit, description)

    def create_observable_gauge(
        self, name: str, callbacks: Callbacks = None, unit: str = "", description: str = ""
    ) -> ObservableGauge:
        """Create the instrument."""
        bounded = _bounded(name, callbacks)
        return self._meter.create_observable_gauge(name, bounded, unit, description)

    def create_observable_up_down_counter(
        self, name: str, callbacks: Callbacks = None, unit: str = "", description: str = ""
    ) -> ObservableUpDownCounter:
        """Create the instrument."""
        bounded = _bounded(name, callbacks)
        return self._meter.create_observable_up_down_counter(name, bounded, unit, description)

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        """Create the instrument."""
        return self._measuring(self._meter.create_counter(name, unit, description))

    def create_up_down_counter(
        self, name: str, unit: str = "", description: str = ""
    ) -> UpDownCounter:
        """Create the instrument."""
        return self._measuring(self._meter.create_up_down_counter(name, unit, description))

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> Gauge:
        """Create the instrument."""
        return self._measuring(self._meter.create_gauge(name, unit, description))

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> Histogram:
        """Create the instrument."""
        return self._measuring(
            self._meter.create_histogram(
                name,
                unit,
                description,
                explicit_bucket_boundaries_advisory=explicit_bucket_boundaries_advisory,
            )
        )

    def _measuring(self, instrument: T) -> T:
        return self._metering.stand_before(instrument) if self._metering else instrument


def _bounded(name: str, callbacks: object) -> list[CallbackT] | None:
    if callbacks is None:
        return None
    if not isinstance(callbacks, Iterable):
        notice(
            f"callback {name}",
            f"the callbacks of {name} are {type(callbacks).__name__} and no list; it has no data.",
        )
        return None
    return [BoundedCallback(one, name) for one in callbacks]
