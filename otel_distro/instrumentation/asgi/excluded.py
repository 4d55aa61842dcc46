"""URLs that are not reported, such as those of probes."""

import re
from typing import Final

from otel_distro.instrumentation.asgi.messages import Scope
from otel_distro.instrumentation.asgi.routes import root_path_of

# A pattern that begins so says nothing of scheme and host.
_ANY_HOST: Final = "^https?://[^/]+"


class ExcludedUrls:
    """Finds out whether a request is excluded.

    Args:
        patterns: Regular expressions, separated by commas; each is searched in the whole URL.
    """

    def __init__(self, patterns: str) -> None:
        each = [one.strip() for one in patterns.split(",")]
        # Paths alone are looked at where that will do: to put an URL together takes longer.
        self._only_paths = all(map(_is_of_paths, each))
        if self._only_paths:
            each = [f"^(?:{one.removeprefix(_ANY_HOST)})" for one in each]
        self._search = re.compile("|".join(each)).search

    def has(self, app: object, scope: Scope, host: bytes | None) -> bool:
        """Return whether one of the patterns is found.

        Args:
            app: The application.
            scope: Of the request.
            host: Its header of that name.
        """
        path: str = scope["path"]
        before = "" if self._only_paths else _before_path(scope, host)
        if self._search(before + path):
            return True
        if not (scope.get("root_path") or getattr(app, "root_path", None)):
            return False
        # A probe's path may be seen without the proxy's part of it.
        root_path = root_path_of(app, scope)
        return path.startswith(root_path) and bool(self._search(before + path[len(root_path) :]))


def _is_of_paths(pattern: str) -> bool:
    """Return whether a pattern is of paths: it begins so in all of its branches."""
    rest = pattern.removeprefix(_ANY_HOST)
    if rest == pattern or re.search(r"\\[()]|\[[^]]*[()|]", rest):
        return False
    while (shorter := re.sub(r"\([^()]*\)", "", rest)) != rest:
        rest = shorter
    return "|" not in rest


def _before_path(scope: Scope, host: bytes | None) -> str:
    if host is not None:
        named = host.decode("latin-1")
    else:
        address, port = scope.get("server") or ("0.0.0.0", 80)  # noqa: S104 - as upstream
        named = address if port in {80, None} else f"{address}:{port}"
    return f"{scope.get('scheme') or 'http'}://{named}"
