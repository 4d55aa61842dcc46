"""How the span of a request is called.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name
"""

from typing import Final

OTHER_METHOD: Final = "_OTHER"


def span_name(method: str, route: str | None = None) -> str:
    """Return the name of a span, with the route as soon as it is known.

    Args:
        method: As `http.request.method`.
        route: As `http.route`.
    """
    said = "HTTP" if method == OTHER_METHOD else method
    return said if route is None else f"{said} {route}"
