"""Instruments of the catalogue for databases, those of one meter provider made once.

SQLAlchemy and asyncpg share them: an observable instrument keeps only its first callback, and two
sources of one series would meet in Prometheus.
"""

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final
from weakref import WeakKeyDictionary

from opentelemetry.metrics import MeterProvider

from otel_distro.instrumentation.database import pools
from otel_distro.instruments.recorder import (
    Attributes,
    counter,
    histogram,
    observe,
    up_down_counter,
)


class Instruments:
    """What the catalogue has about databases; the pools are those of all `sources`."""

    def __init__(self, provider: MeterProvider | None) -> None:
        self.sources: list[pools.PoolSource] = []
        self.queries = counter("database.queries", provider)
        self.query_ms = histogram("database.query_duration", provider)
        self.operation_s = histogram("db.client.operation.duration", provider)
        self.wait_s = histogram("db.client.connection.wait_time", provider)
        self.timeouts = counter("db.client.connection.timeouts", provider)
        self.pending = up_down_counter("db.client.connection.pending_requests", provider)
        for name, values in _OBSERVED.items():
            observe(name, partial(self._read, values), provider)

    def _read(self, values: "_Values") -> Iterable[tuple[float, Attributes]]:
        readings = [reading for source in list(self.sources) for reading in source()]
        return values(readings)


_Values = Callable[[Iterable[pools.Reading]], Iterable[tuple[float, Attributes]]]
_OBSERVED: Final[dict[str, _Values]] = {
    "database.connections.active": partial(pools.active, "pool"),
    "database.connections.max": partial(pools.limits, "pool"),
    "db.client.connection.count": pools.states,
    "db.client.connection.max": partial(pools.limits, pools.POOL_NAME),
}

_lock: Final = threading.Lock()
_shared: Final[WeakKeyDictionary[MeterProvider, Instruments]] = WeakKeyDictionary()
_global: Final[list[Instruments]] = []


def instruments(provider: MeterProvider | None) -> Instruments:
    """Return the instruments of a meter provider, of the global one for None."""
    with _lock:
        if provider is None:
            if not _global:
                _global.append(Instruments(None))
            return _global[0]
        if provider not in _shared:
            _shared[provider] = Instruments(provider)
        return _shared[provider]
