"""Loads instrumentors, each on its own: one that fails costs its own library only.

An instrumentor is loaded when its library has been imported: it would import the library itself,
and half of those that are installed nobody uses in this process.
"""

from functools import partial
from importlib.metadata import EntryPoint
from typing import Any, Final

from opentelemetry.instrumentation.dependencies import (
    DependencyConflict,
    DependencyConflictError,
    get_dependency_conflicts,
    get_dist_dependency_conflicts,
)

from otel_distro.installed import entry_points
from otel_distro.instrumentation.libraries import modules_of
from otel_distro.instrumentation.upon_import import upon_import
from otel_distro.notices import describe, notice
from otel_distro.settings import Settings

_GROUP: Final = "opentelemetry_instrumentor"


def instrument_all(settings: Settings) -> None:
    """Have every installed instrumentor active where its library is used. Does not raise."""
    if "*" in settings.disabled_instrumentations:
        return
    for point in entry_points(group=_GROUP):
        if point.name not in settings.disabled_instrumentations:
            instrument(point, settings)
    # Ours also where no package of upstream's names them; each is active once.
    for name, where in _OURS.items():
        instrument(EntryPoint(f"{_PREFIX}{name}", where, _GROUP), settings)


def instrument(point: EntryPoint, settings: Settings, *, skip_dep_check: bool = False) -> None:
    """Have one instrumentor active, ours in its place where we have one.

    At once where its library has been imported, or is not known; otherwise when it is.

    Whatever it raises is reported once and goes no further: upstream's loader gives up on all
    that follow. A library that is not installed is no fault and not worth a line.

    Args:
        point: Of the group `opentelemetry_instrumentor`.
        settings: Of the process.
        skip_dep_check: The caller has compared versions already.
    """
    library = point.name.removeprefix(_PREFIX)
    ours = library in _OURS and not _left_to_upstream(library, settings)
    if ours:
        # Upstream's versions say nothing about ours: it stops at SQLAlchemy 2.0.
        point = EntryPoint(library, _OURS[library], _GROUP)
        if {library, f"{_PREFIX}{library}"} & set(settings.disabled_instrumentations):
            return
    elif library in _OURS and point.name != library:
        return
    activate = partial(_activate, point, settings, ours=ours, skip_dep_check=skip_dep_check)
    modules = modules_of(point.name)
    if point.name == "logging" and not settings.log_correlation:
        # The export is our bridge's, so there is nothing for it to do. Who imports it, to have it
        # do more, is to find it active, or all that is logged would be exported twice.
        modules = (point.module,)
    if modules:
        upon_import(modules, activate, needed=point.module)
    else:
        activate()


def _activate(point: EntryPoint, settings: Settings, *, ours: bool, skip_dep_check: bool) -> None:
    name = point.name
    try:
        conflict = None
        if not ours and not skip_dep_check and point.dist is not None:
            conflict = get_dist_dependency_conflicts(point.dist)
        if conflict is None:
            instrumentor = point.load()()
            if getattr(instrumentor, "is_instrumented_by_opentelemetry", False):
                return
            if ours:
                conflict = get_dependency_conflicts(instrumentor.instrumentation_dependencies())
            if conflict is None:
                options = _options(name, settings, ours=ours)
                instrumentor.instrument(skip_dep_check=True, **options)
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
    _report(name, conflict)


def _report(name: str, conflict: DependencyConflict | None) -> None:
    if conflict is not None and (conflict.found or conflict.found_any):
        notice(f"instrumentor {name}", f"{name} is not instrumented. {conflict}")


def _left_to_upstream(library: str, settings: Settings) -> bool:
    # Where a package of upstream's sees to FastAPI, ours for Starlette would see its requests too.
    return settings.instrumentation == "upstream" and (
        library == "starlette" or bool(entry_points(group=_GROUP, name=library))
    )


def _options(name: str, settings: Settings, *, ours: bool) -> dict[str, Any]:
    match name:
        case "fastapi" | "starlette" if ours:
            return {
                "excluded_urls": ",".join(settings.excluded_urls),
                "streams_in_latency": settings.streams_in_latency,
            }
        case "fastapi":
            return {
                "excluded_urls": ",".join(settings.excluded_urls),
                "exclude_spans": ["send", "receive"],
            }
        case "logging":
            # Trace ids in the format of stdlib logging stay upstream's; the export is our bridge's.
            return {"enable_log_auto_instrumentation": False}
        case _:
            return {}


# Instrumentors of ours, by the name that upstream's has: no package of upstream's is needed.
# With the prefix it is ours that is meant, among entry points and among what is disabled.
_PREFIX: Final = "blipee_"
_OURS: Final = {
    "asyncpg": "otel_distro.instrumentation.database.asyncpg:AsyncPGInstrumentor",
    "fastapi": "otel_distro.instrumentation.fastapi:FastAPIInstrumentor",
    "sqlalchemy": "otel_distro.instrumentation.database.sqlalchemy:SQLAlchemyInstrumentor",
    "starlette": "otel_distro.instrumentation.starlette:StarletteInstrumentor",
}
