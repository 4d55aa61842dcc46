"""Configures OpenTelemetry for this process, once.

Light to import: the SDK reads some variables when it is imported and raises for bad ones, so it
comes after `prepare()` has corrected them.
"""

import atexit
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from otel_distro import logger
from otel_distro.delivery.forks import at_the_end_of_children
from otel_distro.delivery.termination import before_termination, remain_interrupted
from otel_distro.notices import describe, notice
from otel_distro.settings import InCode, ServiceKind, Settings, read_settings
from otel_distro.settings.early import leave_out_failing_propagators
from otel_distro.settings.names import RESOURCE_DETECTORS

if TYPE_CHECKING:
    from otel_distro.delivery.pipeline import Pipeline
    from otel_distro.instrumentation import LogBridge

# Seconds that a signal handler of the application waits for its telemetry to be on disk.
_SAVING_S: Final = 0.2


class Telemetry:
    """What this process is configured with.

    Attributes:
        settings: What it was configured from.
    """

    def __init__(
        self,
        settings: Settings,
        pipeline: "Pipeline | None" = None,
        bridge: "LogBridge | None" = None,
    ) -> None:
        self.settings = settings
        self._pipeline = pipeline
        self._bridge = bridge
        self._stopped = False

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Deliver what is queued. Returns whether all of it went in time. Does not raise."""
        if self.settings.disabled or self._stopped:
            return True
        from otel_distro.activation import flush_all

        return flush_all(self._pipeline, timeout_millis / 1000)

    def shutdown(self, timeout_millis: int | None = None) -> None:
        """Deliver what is queued, and stop; a second call does nothing.

        Happens by itself when the interpreter exits, and before SIGTERM ends the process. Does
        not raise, and does not wait longer than `timeout_millis` (by default
        `BLIPEE_OTEL_SHUTDOWN_TIMEOUT`) for a Collector that is not there: what it did not take
        is in the spool, and delivered by the next process of the service.
        """
        if self._stopped:
            return
        self._stopped = True
        if self._bridge is not None:
            self._bridge.uninstall()
        logger.uninstall()
        if not self.settings.disabled:
            self._stop(timeout_millis)

    def _stop(self, timeout_millis: int | None = None) -> None:
        from otel_distro.activation import stop_all

        if timeout_millis is None:
            timeout_millis = self.settings.shutdown_timeout_ms
        stop_all(self._pipeline, timeout_millis / 1000)

    def _end(self) -> None:
        """Deliver what is queued: the process is ending.

        What is still to come, from `atexit` functions that were registered before this one and
        from `__del__`, goes to the spool; the ways into telemetry stay open for it.
        """
        if self._stopped:
            return
        self._stopped = True
        if self._pipeline is not None:
            self._pipeline.expect_more()
        self._stop()
        remain_interrupted()

    def _flush(self) -> None:
        """Deliver what is queued, and go on."""
        self.force_flush(self.settings.shutdown_timeout_ms)

    def _save(self) -> None:
        """Have what is queued in the spool, and do not wait for anybody."""
        if self._pipeline is not None and not self._stopped:
            self._pipeline.persist(_SAVING_S)


_active: Telemetry | None = None
_lock = threading.RLock()


def configure(
    *,
    service_name: str | None = None,
    service_version: str | None = None,
    service_kind: ServiceKind | None = None,
    environment: str | None = None,
    resource_attributes: Mapping[str, str] | None = None,
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
    instrument: bool = True,
) -> Telemetry:
    """Configure traces, metrics and logs, as `opentelemetry-instrument` does without code.

    Call it before the application is created. A second call changes nothing, and so does one
    under `opentelemetry-instrument`: both return what is active. Never raises.

    Args:
        service_name: `service.name`.
        service_version: `service.version`.
        service_kind: `blipee.service.kind`: api, agents, ml, database or frontend.
        environment: `deployment.environment.name`.
        resource_attributes: More of them.
        endpoint: Base URL of the Collector, e.g. `http://localhost:4318`.
        headers: Sent with each export request.
        instrument: Whether installed instrumentation libraries are activated.

    Returns:
        A handle to flush and shut down with. Arguments win over the environment.
    """
    said = InCode(
        service_name=service_name,
        service_version=service_version,
        service_kind=service_kind,
        environment=environment,
        resource_attributes=resource_attributes or {},
        endpoint=endpoint,
        headers=headers or {},
    )
    with _lock:
        if _active is not None:
            if said != InCode():
                notice(
                    "configured twice",
                    "configure() found this process configured already and changed nothing; its "
                    "arguments are ignored. Say them as OTEL_* variables instead.",
                )
            return _active
        telemetry = activate(prepare(said))
        if instrument and not telemetry.settings.disabled:
            from otel_distro.instrumentation import instrument_all

            instrument_all(telemetry.settings)
        return telemetry


def prepare(said: InCode | None = None) -> Settings:
    """Read the settings, say what was refused, and correct the environment."""
    settings = read_settings(said=said or InCode())
    for problem in settings.problems:
        notice(problem, problem)
    settings.correct_environment()
    leave_out_failing_propagators()
    return settings


def activate(settings: Settings) -> Telemetry:
    """Build the providers and make them global, without instrumentation libraries."""
    global _active  # noqa: PLW0603 - providers are global to a process, by OpenTelemetry's design
    with _lock:
        if _active is None:
            logger.install(settings)
            parts: tuple[Pipeline | None, LogBridge | None] = None, None
            set_up = False
            if not settings.disabled:
                try:
                    parts = _set_up(settings)
                    set_up = True
                except Exception as error:  # noqa: BLE001 - the application goes on without us
                    notice(
                        "set-up",
                        f"telemetry could not be set up ({describe(error)}); the application "
                        "runs without it. This is a fault of blipee-otel-distro: please report it.",
                    )
            _active = Telemetry(settings, *parts)
            if set_up:
                atexit.register(_active._end)  # noqa: SLF001 - this module's
                at_the_end_of_children(_active._end)  # noqa: SLF001
                before_termination(_active._end, _active._flush, _active._save)  # noqa: SLF001
        return _active


def _set_up(settings: Settings) -> "tuple[Pipeline | None, LogBridge | None]":
    # The SDK runs the detectors of this variable while it is imported, and waits for each.
    detectors = os.environ.pop(RESOURCE_DETECTORS, None)
    try:
        from otel_distro.activation import bridge_logging, set_providers
    finally:
        if detectors is not None:
            os.environ[RESOURCE_DETECTORS] = detectors
    return set_providers(settings), bridge_logging(settings)
