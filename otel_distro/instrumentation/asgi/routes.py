"""Finds the route template of a request: the value of `http.route`.

Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/#http-route
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from starlette.routing import BaseRoute, Host, Match, Mount

from otel_distro.instrumentation.asgi.messages import Scope
from otel_distro.notices import describe, notice

try:
    # FastAPI from 0.137 on nests included routers; this flattens them.
    from fastapi.routing import iter_route_contexts
except ImportError:  # an older FastAPI has nothing to flatten

    def iter_route_contexts(routes: Sequence[Any]) -> Iterator[Any]:  # type: ignore[misc]
        """Yield the routes as they are."""
        yield from routes


# An application mounted in itself, or by a mistake without an end.
_MAX_MOUNTS: Final = 16
_NOTHING: Final[dict[str, Any]] = {}


def route_of(scope: Scope, before: Scope) -> str | None:
    """Return the template that has served a request, or None for none. Never raises.

    Args:
        scope: After the request, with what routing has written into it.
        before: A copy of it from before.
    """
    route = scope.get("route")
    if route is None or scope.get("app_root_path") != before.get("app_root_path"):
        return route_that_fits(before)
    # An included router's route knows its own part of the path only.
    effective = scope.get("fastapi", _NOTHING).get("effective_route_context")
    if effective is not None and effective.original_route is route:
        route = effective
    template = getattr(route, "path", None)
    if type(template) is not str or "app_root_path" in before or isinstance(route, Mount | Host):
        return route_that_fits(before)
    return template or None


def route_that_fits(scope: Scope) -> str | None:
    """Return the template that would serve a request, or None for none. Never raises."""
    try:
        return find_route({**scope, "root_path": root_path_of(scope["app"], scope)})
    except Exception as error:  # noqa: BLE001 - custom routes may raise anything
        notice("http.route", f"http.route is missing: matching raised {describe(error)}.")
        return None


def root_path_of(app: object, scope: Scope) -> str:
    """Return where a proxy has the application: as FastAPI's own says, or the server's."""
    return getattr(app, "root_path", None) or scope.get("root_path") or ""


def find_route(scope: Scope) -> str | None:
    """Return the template that serves the request, through mounts, or None for none (a 404).

    Upstream reports the path of a mount for everything below it.

    Args:
        scope: Of an HTTP or WebSocket request, with the application in `scope["app"]`.
    """
    routes = getattr(scope["app"], "routes", None) or _routes_behind_middleware(scope["app"])
    return _find(routes, scope, prefix=_mounted_at(scope), depth=0)


def _find(routes: Sequence[BaseRoute], scope: Scope, *, prefix: str, depth: int) -> str | None:
    partial: str | None = None
    for route in iter_route_contexts(routes):
        match, child_scope = route.matches(scope)
        if match is Match.NONE:
            continue
        path: str = getattr(route, "path", None) or ""
        if match is Match.PARTIAL:
            # The path is right and the method is not: a 405 of this route, unless another fits.
            partial = partial or prefix + path
            continue
        original = getattr(route, "original_route", route)
        if isinstance(original, (Mount, Host)) and depth < _MAX_MOUNTS:
            inside = {**scope, **child_scope}
            below = "" if isinstance(original, Host) else path
            # Not the original: a host in an included router has its prefix inside.
            return _inside(route, inside, prefix=prefix + below, depth=depth + 1)
        return (prefix + path) or None
    return partial


def _inside(mount: Any, scope: Scope, *, prefix: str, depth: int) -> str | None:  # noqa: ANN401 - as `iter_route_contexts` yields it
    routes = mount.routes or _routes_behind_middleware(mount.app)
    if routes:
        return _find(routes, scope, prefix=prefix, depth=depth)
    found = _wsgi_route(mount.app, scope)
    if found is not None:
        return prefix + found
    # Static files and foreign applications: the mount is all that is known.
    return prefix or None


def _routes_behind_middleware(app: object) -> Sequence[BaseRoute]:
    """Return the routes of an application that is wrapped in middleware, as `.app` leads there."""
    for _ in range(_MAX_MOUNTS):
        app = getattr(app, "app", None)
        routes: Any = getattr(app, "routes", None)
        if isinstance(routes, list):
            return routes
    return ()


def _mounted_at(scope: Scope) -> str:
    """Return the template of the mounts above the application, which is not the outermost then.

    They are known by what they matched; values of path parameters become their names again.
    """
    if "app_root_path" not in scope:
        return ""
    above: str = scope.get("root_path", "").removeprefix(scope["app_root_path"])
    names = {str(value): name for name, value in scope.get("path_params", {}).items()}
    return "/".join(f"{{{names[part]}}}" if part in names else part for part in above.split("/"))


def _wsgi_route(app: object, scope: Scope) -> str | None:
    """Return the rule of a Flask application that is mounted through a WSGI adapter."""
    url_map = getattr(getattr(app, "app", None), "url_map", None)
    if url_map is None or scope["type"] != "http":
        return None
    from werkzeug.exceptions import HTTPException
    from werkzeug.routing import RequestRedirect

    adapter = url_map.bind("localhost", path_info=_path_below(scope) or "/")
    try:
        rule, _ = adapter.match(method=scope["method"], return_rule=True)
    except (HTTPException, RequestRedirect):
        return None
    template: str = rule.rule
    return template


def _path_below(scope: Scope) -> str:
    """Return the path without the mounts that led here, as the mounted application sees it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
