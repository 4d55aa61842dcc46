"""The entry points that `opentelemetry-instrument` loads."""

import os
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro

from otel_distro.configuration import activate, prepare
from otel_distro.notices import notice
from otel_distro.settings import Settings, read_settings
from otel_distro.settings.names import CONFIGURATOR, DISTRO


class BlipeeDistro(BaseDistro):
    """Corrects the environment for all that reads it, and isolates instrumentors."""

    _settings: Settings | None = None

    def _configure(self, **_kwargs: Any) -> None:
        settings = self._settings = prepare()
        if not settings.disabled:
            # Another distribution may be found first in the configurators' group.
            os.environ.setdefault(CONFIGURATOR, "blipee")

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Activate one instrumentor; what it raises is reported and goes no further."""
        settings = self._settings or read_settings()
        if not settings.disabled:
            from otel_distro.instrumentation import instrument

            instrument(
                entry_point, settings, skip_dep_check=bool(kwargs.get("skip_dep_check", False))
            )


class BlipeeConfigurator:
    """Sets the providers."""

    def configure(self, **_kwargs: Any) -> None:
        """Configure the process from its environment. Never raises."""
        activate(prepare())


def check_chosen_distribution() -> None:
    """Say loudly that another installed distribution was chosen over ours."""
    if BlipeeDistro._instance is not None or read_settings().disabled:  # noqa: SLF001 - ours
        return
    others = [p.name for p in entry_points(group="opentelemetry_distro") if p.name != "blipee"]
    if others and os.environ.get(DISTRO) not in others:
        notice(
            "distro",
            f"another OpenTelemetry distribution was found first ({', '.join(others)}) and is in "
            f"use. Set {DISTRO}=blipee and {CONFIGURATOR}=blipee, or uninstall it.",
        )
