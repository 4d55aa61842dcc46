"""Headers as attributes of the span: those that the standard variables name.

Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/#http-request-header
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Self

from opentelemetry.util.http import (
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS,
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST,
    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE,
    get_custom_headers,
    normalise_request_header_name,
    normalise_response_header_name,
)

from otel_distro.instrumentation.asgi.messages import MAX_BYTES, MAX_KEPT
from otel_distro.notices import notice

_REDACTED = "[REDACTED]"


class CapturedHeaders:
    """Reads the headers that are asked for, of requests or of responses.

    Args:
        names: Regular expressions of the names, case-insensitive.
        sanitized: Of those whose values are not shown.
        attribute: Makes an attribute's name of a header's.
    """

    def __init__(
        self, names: Sequence[str], sanitized: Sequence[str], attribute: Callable[[str], str]
    ) -> None:
        self._wanted = _compiled(names)
        self._sanitized = _compiled(sanitized)
        self._attribute = attribute
        # By header: the attribute's name, None where it is not wanted; and whether to hide it.
        self._known: dict[bytes, tuple[str | None, bool]] = {}

    @classmethod
    def of_requests(cls) -> Self:
        """Return those of requests, as the variables say."""
        variable = OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST
        return cls(_named(variable), _hidden(), normalise_request_header_name)

    @classmethod
    def of_responses(cls) -> Self:
        """Return those of responses, as the variables say."""
        variable = OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE
        return cls(_named(variable), _hidden(), normalise_response_header_name)

    def __bool__(self) -> bool:
        """Return whether any header is wanted."""
        return self._wanted is not None

    def read(self, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, list[str]]:
        """Return the attributes, each with all values of a header."""
        found: dict[str, list[str]] = {}
        for name, value in headers:
            attribute, hidden = self._known.get(name) or self._look_at(name)
            if attribute is not None:
                text = _REDACTED if hidden else value.decode("utf-8", "backslashreplace")
                found.setdefault(attribute, []).append(text)
        return found

    def _look_at(self, name: bytes) -> tuple[str | None, bool]:
        text = name.decode("latin-1")
        wanted = self._wanted is not None and self._wanted.fullmatch(text)
        hidden = self._sanitized is not None and self._sanitized.search(text)
        found = (self._attribute(text) if wanted else None, bool(hidden))
        if len(name) <= MAX_BYTES:
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            self._known[name] = found
        return found


def _named(variable: str) -> list[str]:
    return _good(get_custom_headers(variable), variable)


def _hidden() -> list[str]:
    variable = OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS
    patterns = get_custom_headers(variable)
    # Where it is not understood what is to be hidden, all is.
    return patterns if _good(patterns, variable) == patterns else [".*"]


def _good(patterns: list[str], variable: str) -> list[str]:
    good = []
    for one in patterns:
        try:
            re.compile(one)
        except re.error as error:
            notice(
                f"{variable} {one}",
                f"{variable} has {one!r}, which is no regular expression ({error}); it is left "
                "out. Write a header's name, or a pattern such as x-.*",
            )
        else:
            good.append(one)
    return good


def _compiled(patterns: Sequence[str]) -> re.Pattern[str] | None:
    return (
        re.compile("|".join(f"(?:{one})" for one in patterns), re.IGNORECASE) if patterns else None
    )
