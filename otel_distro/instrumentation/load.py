"""Loads instrumentors, each on its own: one that fails costs its own library only."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from opentelemetry.instrumentation.dependencies import (
    DependencyConflict,
    DependencyConflictError,
    get_dependency_conflicts,
    get_dist_dependency_conflicts,
)
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from otel_distro.notices import describe, notice
from otel_distro.settings import Settings

_GROUP: Final = "opentelemetry_instrumentor"


def instrument_all(settings: Settings) -> None:
    """Activate every installed instrumentor whose library is there. Does not raise."""
    if "*" in settings.disabled_instrumentations:
        return
    for point in entry_points(group=_GROUP):
        if point.name not in settings.disabled_instrumentations:
            instrument(point, settings)
    # Again, for an installation whose list of entry points is older; each is active once.
    for name, where in _OURS_ALONE.items():
        instrument(EntryPoint(f"{_PREFIX}{name}", where, _GROUP), settings)


def instrument(point: EntryPoint, settings: Settings, *, skip_dep_check: bool = False) -> None:
    """Activate one instrumentor, ours in its place where we have one.

    Whatever it raises is reported once and goes no further: upstream's loader gives up on all
    that follow. A library that is not installed is no fault and not worth a line.

    Args:
        point: Of the group `opentelemetry_instrumentor`.
        settings: Of the process.
        skip_dep_check: The caller has compared versions already.
    """
    name = point.name
    try:
        conflict = None
        library = name.removeprefix(_PREFIX)
        if library in _OURS_ALONE and not _left_to_upstream(library, settings):
            name = library
            # Upstream's versions say nothing about ours: it stops at SQLAlchemy 2.0.
            conflict = _instrument_ours(library, settings)
        elif library not in _OURS_ALONE or name == library:
            if not skip_dep_check and point.dist is not None:
                conflict = get_dist_dependency_conflicts(point.dist)
            if conflict is None:
                replacement = _REPLACEMENTS.get(point.name, _as_published)
                _activate(*replacement(point, settings))
    except ModuleNotFoundError:
        return
    except DependencyConflictError as error:
        conflict = error.conflict
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - even SystemExit: the app is not ours to stop
        notice(
            f"instrumentor {name}",
            f"instrumentation of {name} failed ({describe(error)}); the others go on. "
            f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={name} turns it off.",
        )
        return
    if conflict is not None and (conflict.found or conflict.found_any):
        notice(f"instrumentor {name}", f"{name} is not instrumented. {conflict}")


def _activate(instrumentor: BaseInstrumentor, options: dict[str, Any]) -> None:
    if not getattr(instrumentor, "is_instrumented_by_opentelemetry", False):
        instrumentor.instrument(skip_dep_check=True, **options)


def _left_to_upstream(library: str, settings: Settings) -> bool:
    return settings.instrumentation == "upstream" and bool(entry_points(group=_GROUP, name=library))


def _instrument_ours(library: str, settings: Settings) -> DependencyConflict | None:
    if {library, f"{_PREFIX}{library}"} & set(settings.disabled_instrumentations):
        return None
    ours = EntryPoint(library, _OURS_ALONE[library], _GROUP).load()()
    conflict = get_dependency_conflicts(ours.instrumentation_dependencies())
    if conflict is None:
        _activate(ours, {})
    return conflict


_Chosen = tuple[BaseInstrumentor, dict[str, Any]]


def _as_published(point: EntryPoint, _settings: Settings) -> _Chosen:
    return point.load()(), {}


def _fastapi(point: EntryPoint, settings: Settings) -> _Chosen:
    excluded = ",".join(settings.excluded_urls)
    if settings.instrumentation == "upstream":
        return point.load()(), {"excluded_urls": excluded, "exclude_spans": ["send", "receive"]}
    from otel_distro.instrumentation.fastapi import FastAPIInstrumentor

    return FastAPIInstrumentor(), {"excluded_urls": excluded}


def _logging(point: EntryPoint, _settings: Settings) -> _Chosen:
    # Trace ids in the format of stdlib logging stay upstream's; the export is our bridge's.
    return point.load()(), {"enable_log_auto_instrumentation": False}


_REPLACEMENTS: Final[dict[str, Callable[[EntryPoint, Settings], _Chosen]]] = {
    "fastapi": _fastapi,
    "logging": _logging,
}

# Instrumentors of ours for which no package of upstream's is needed, by the name that upstream's
# has. `opentelemetry-instrument` finds them under that name with the prefix (pyproject.toml).
_PREFIX: Final = "blipee_"
_OURS_ALONE: Final = {
    "sqlalchemy": "otel_distro.instrumentation.database.sqlalchemy:SQLAlchemyInstrumentor",
    "asyncpg": "otel_distro.instrumentation.database.asyncpg:AsyncPGInstrumentor",
}
