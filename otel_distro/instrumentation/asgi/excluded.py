"""URLs that are not reported, such as those of probes."""

import re

from otel_distro.instrumentation.asgi.messages import MAX_KEPT, Scope
from otel_distro.instrumentation.asgi.routes import root_path_of


class ExcludedUrls:
    """Finds out whether a request is excluded.

    Args:
        patterns: Regular expressions, separated by commas; each is searched in the whole URL.
    """

    def __init__(self, patterns: str) -> None:
        self._search = re.compile("|".join(one.strip() for one in patterns.split(","))).search
        self._known: dict[tuple[bytes | None, str], bool] = {}

    def has(self, app: object, scope: Scope, host: bytes | None) -> bool:
        """Return whether one of the patterns is found.

        Args:
            app: The application.
            scope: Of the request.
            host: Its header of that name.
        """
        # All that differs between requests to one application.
        key = host, scope["path"]
        found = self._known.get(key)
        if found is None:
            found = self._find(app, scope, host)
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            self._known[key] = found
        return found

    def _find(self, app: object, scope: Scope, host: bytes | None) -> bool:
        if host is not None:
            named = host.decode("latin-1")
        else:
            address, port = scope.get("server") or ("0.0.0.0", 80)  # noqa: S104 - as upstream
            named = address if port in {80, None} else f"{address}:{port}"
        before = f"{scope.get('scheme') or 'http'}://{named}"
        path: str = scope["path"]
        if self._search(before + path):
            return True
        # A probe's path may be seen without the proxy's part of it.
        root_path = root_path_of(app, scope)
        return bool(
            root_path
            and path.startswith(root_path)
            and self._search(before + path[len(root_path) :])
        )
