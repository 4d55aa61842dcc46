"""URLs that are not reported, such as those of probes."""

import re

from otel_distro.instrumentation.asgi.messages import Scope


class ExcludedUrls:
    """Finds out whether a request is excluded.

    Args:
        patterns: Regular expressions, separated by commas; each is searched in the whole URL.
    """

    def __init__(self, patterns: str) -> None:
        self._search = re.compile("|".join(one.strip() for one in patterns.split(","))).search

    def has(self, scope: Scope, host: bytes | None, root_path: str) -> bool:
        """Return whether one of the patterns is found.

        Args:
            scope: Of the request.
            host: Its header of that name.
            root_path: Of the application behind a proxy; a probe's URL may be seen without it.
        """
        if host is not None:
            named = host.decode("latin-1")
        else:
            address, port = scope.get("server") or ("0.0.0.0", 80)  # noqa: S104 - as upstream
            named = address if port in {80, None} else f"{address}:{port}"
        before = f"{scope.get('scheme') or 'http'}://{named}"
        path: str = scope["path"]
        if self._search(before + path):
            return True
        return bool(
            root_path
            and path.startswith(root_path)
            and self._search(before + path[len(root_path) :])
        )
