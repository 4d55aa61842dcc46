"""The SDK's consumer of measurements, with the pending ones put in before each collection."""

import os
import threading
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Protocol

from opentelemetry.sdk.metrics._internal.measurement_consumer import (
    SynchronousMeasurementConsumer,
)

from otel_distro.instruments.bound import Source
from otel_distro.notices import describe, notice

# A collection goes on without what another thread is putting in for longer than this.
_PATIENCE_S: Final = 2.0


class Pending(Protocol):
    """An instrument with pending measurements."""

    def put(self, storages: Iterable[Any]) -> None:
        """Put all that is pending into the storages of readers."""

    def expect_readers(self) -> None:
        """Let the next measurement of each attribute set go to the readers at once."""

    def leave_to_parent(self) -> None:
        """Forget what is pending in a forked child: its parent counts it."""


class Consumer(SynchronousMeasurementConsumer):
    """Takes part in each collection, whichever reader asks for it and when.

    Pending measurements are put in by one thread at a time. A measurement never waits for that.
    """

    def __init__(self, sdk_config: Any, metric_readers: Iterable[Any]) -> None:  # noqa: ANN401 - the SDK's
        super().__init__(sdk_config, ())
        self._instruments: list[Pending] = []
        self._sources: list[Source] = []
        self._renew_lock()
        for reader in metric_readers:
            self.add_metric_reader(reader)
        if hasattr(os, "register_at_fork"):
            forked = weakref.WeakMethod(self._forked)
            os.register_at_fork(after_in_child=lambda: (forget := forked()) and forget())

    def add_instrument(self, instrument: Pending) -> None:
        """Put in what is pending in that instrument, too, from now on."""
        self._instruments.append(instrument)

    def add_source(self, source: Source) -> None:
        """Have it settle before each collection from now on."""
        self._sources.append(source)

    def add_metric_reader(self, metric_reader: Any) -> None:  # noqa: ANN401 - the SDK's
        """Add a reader, for measurements from now on."""
        self.put_all()
        super().add_metric_reader(metric_reader)
        storage: Any = self._reader_storages[metric_reader]
        # The last step of a collection, after the callbacks, which may measure.
        storage.collect = partial(self._collect, storage.collect)
        for instrument in list(self._instruments):
            instrument.expect_readers()

    def put_some(self, put: Callable[[Iterable[Any]], None]) -> bool:
        """Let something be put into the storages, unless that is being done. Returns which."""
        putting = self._putting
        if not putting.acquire(blocking=False):
            return False
        self._put((put,), putting)
        return True

    def put_all(self) -> None:
        """Put in what is pending in all instruments."""
        for source in list(self._sources):
            try:
                source.settle()
            except Exception as error:  # noqa: BLE001 - the others go on
                notice("settling", f"measurements were lost ({describe(error)}).")
        putting = self._putting
        # A signal handler may collect in the middle of what its own thread does.
        if self._putter != threading.get_ident() and putting.acquire(timeout=_PATIENCE_S):
            self._put((instrument.put for instrument in list(self._instruments)), putting)

    def _put(
        self, puts: Iterable[Callable[[Iterable[Any]], None]], putting: threading.Lock
    ) -> None:
        try:
            self._putter = threading.get_ident()
            for put in puts:
                put(self._reader_storages.values())
        finally:
            self._putter = 0
            putting.release()

    def _collect(self, collect: Callable[[], Any]) -> Any:  # noqa: ANN401 - the SDK's
        self.put_all()
        return collect()

    def _renew_lock(self) -> None:
        self._putting = threading.Lock()
        self._putter = 0

    def _forked(self) -> None:
        self._renew_lock()
        for source in list(self._sources):
            source.forget()
        for instrument in self._instruments:
            instrument.leave_to_parent()
