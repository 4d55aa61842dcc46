"""The entry points that `opentelemetry-instrument` loads."""

import gc
import os
from importlib.metadata import EntryPoint
from typing import Any, Final

from opentelemetry.instrumentation.distro import BaseDistro

from otel_distro.configuration import activate, prepare
from otel_distro.installed import entry_points
from otel_distro.notices import notice
from otel_distro.settings import Settings, read_settings
from otel_distro.settings.names import CONFIGURATOR, DISABLED_INSTRUMENTATIONS, DISTRO
from otel_distro.settings.parsing import shown


class BlipeeDistro(BaseDistro):
    """Corrects the environment for all that reads it, and isolates instrumentors."""

    settings: Settings | None = None

    def _configure(self, **_kwargs: Any) -> None:
        settings = self.settings = prepare()
        if not settings.disabled:
            _choose_configurator()

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Activate one instrumentor; what it raises is reported and goes no further."""
        settings = self.settings or read_settings()
        if not settings.disabled:
            from otel_distro.instrumentation import instrument

            instrument(
                entry_point, settings, skip_dep_check=bool(kwargs.get("skip_dep_check", False))
            )


class BlipeeConfigurator:
    """Sets the providers."""

    def configure(self, **_kwargs: Any) -> None:
        """Configure the process from its environment. Never raises."""
        chosen = BlipeeDistro._instance  # noqa: SLF001 - ours: it has read the settings already
        telemetry = activate((chosen and chosen.settings) or prepare())
        if chosen is not None and not telemetry.settings.disabled:
            from otel_distro.instrumentation import instrument_all

            instrument_all(telemetry.settings)
            _nothing_is_left_to_load.begin()
            # The application has nothing yet. What is there stays until the end, and each full
            # collection, several at the exit among them, would look through all of it again.
            gc.freeze()


class _NothingLeftToLoad:
    """Keeps `opentelemetry-instrument` from going through all instrumentors again.

    It would read what each package and its library say of versions before it asks for any:
    a millisecond each, of libraries that nobody may import. It looks at the variable first, and
    runs what is to come before instrumentation next, which takes this back. Where it does not,
    it asks for what is active already, which does nothing.
    """

    _before: str | None = None
    _is_on = False

    def begin(self) -> None:
        self._before, self._is_on = os.environ.get(DISABLED_INSTRUMENTATIONS), True
        os.environ[DISABLED_INSTRUMENTATIONS] = "*"

    def end(self) -> None:
        if not self._is_on:
            return
        self._is_on = False
        if self._before is None:
            os.environ.pop(DISABLED_INSTRUMENTATIONS, None)
        else:
            os.environ[DISABLED_INSTRUMENTATIONS] = self._before


_nothing_is_left_to_load: Final = _NothingLeftToLoad()


def _choose_configurator() -> None:
    """Choose ours, unless another one was asked for that is there: it may be found first."""
    asked = os.environ.get(CONFIGURATOR, "").strip()
    if asked and asked in _installed("opentelemetry_configurator"):
        return
    if asked:
        _refuse(CONFIGURATOR, asked, "opentelemetry_configurator")
    os.environ[CONFIGURATOR] = "blipee"


def check_chosen_distribution() -> None:
    """Say loudly that another installed distribution was chosen over ours, or none."""
    _nothing_is_left_to_load.end()
    if BlipeeDistro._instance is not None or read_settings().disabled:  # noqa: SLF001 - ours
        return
    asked = os.environ.get(DISTRO, "").strip()
    installed = _installed("opentelemetry_distro")
    if asked and asked not in installed:
        _refuse(DISTRO, asked, "opentelemetry_distro")
        return
    others = installed - {"blipee"}
    if others and asked not in others:
        notice(
            "distro",
            f"another OpenTelemetry distribution was found first ({', '.join(sorted(others))}) "
            f"and is in use. Set {DISTRO}=blipee and {CONFIGURATOR}=blipee, or uninstall it.",
        )


def _installed(group: str) -> set[str]:
    return {point.name for point in entry_points(group=group)}


def _refuse(variable: str, asked: str, group: str) -> None:
    notice(
        variable,
        f"{variable}={shown(asked)} is not installed; it is left out. "
        f"Use one of {', '.join(sorted(_installed(group)))}.",
    )
