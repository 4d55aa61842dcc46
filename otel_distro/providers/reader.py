"""Collects metrics by itself, every so often."""

import math
import os
import threading
import weakref
from contextlib import suppress

from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader

from otel_distro.delivery.patching import Era, own_cpu_seconds
from otel_distro.governor import state
from otel_distro.notices import describe, notice


class PeriodicReader(PeriodicExportingMetricReader):
    """The SDK's reader with a thread of its own, which it does without as long as there is none.

    The SDK's starts its thread when it is made and raises where no thread is to be had: then
    nothing at all would be set up.
    """

    def __init__(self, exporter: MetricExporter, interval_ms: float, timeout_ms: float) -> None:
        # Without an end, so that the SDK starts no thread.
        super().__init__(exporter, math.inf, timeout_ms)
        self.interval_ms = interval_ms
        self.timeout_ms = timeout_ms
        self._ticking: threading.Thread | None
        self._begin()
        if hasattr(os, "register_at_fork"):
            begin_again = weakref.WeakMethod(self._begin_again)
            os.register_at_fork(after_in_child=lambda: (again := begin_again()) and again())

    def start(self) -> None:
        """Start the thread, unless it runs, or none is to be had."""
        if self._era.is_over and not self._ending.is_set():
            self._ending.set()
            self._begin()
            return
        if self._ticking is not None or self._ending.is_set():
            return
        thread = threading.Thread(
            target=self._tick, args=(self._ending,), name="blipee-otel metrics", daemon=True
        )
        with suppress(RuntimeError):
            thread.start()
            self._ticking = thread

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        """Collect and export a last time, and stop."""
        if not self._ending.is_set():
            self._ending.set()
            self._collect_now()
        super().shutdown(timeout_millis, **kwargs)

    def _tick(self, ending: threading.Event) -> None:
        while not ending.wait(self.interval_ms / 1000):
            if self._era.is_over:
                return  # it would wait for greenlets that run on another thread
            self._collect_now()
            state.threads[f"metrics {id(self)}"] = own_cpu_seconds()

    def _collect_now(self) -> None:
        try:
            self.collect(timeout_millis=self.timeout_ms)
        except Exception as error:  # noqa: BLE001 - the next one may succeed
            notice("collection of metrics", f"metrics were not collected ({describe(error)}).")

    def _begin_again(self) -> None:
        """Start the thread of a forked child: that of its parent is not there."""
        self._export_lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._era = Era()
        self._ticking = None
        self._ending = threading.Event()
        self.start()
