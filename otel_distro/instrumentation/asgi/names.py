"""How the span of a request is called.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name
"""

from typing import Final

from opentelemetry.trace import Span

OTHER_METHOD: Final = "_OTHER"


def span_name(method: str, route: str | None = None) -> str:
    """Return the name of a span, with the route as soon as it is known.

    Args:
        method: As `http.request.method`.
        route: As `http.route`.
    """
    said = "HTTP" if method == OTHER_METHOD else method
    return said if route is None else f"{said} {route}"


def rename(span: Span, method: str, route: str) -> None:
    """Add the route to a span's name, unless the application has given it one of its own."""
    begun = span_name(method)
    # Spans of other providers may not say their name.
    if getattr(span, "name", begun) == begun:
        span.update_name(f"{begun} {route}")
