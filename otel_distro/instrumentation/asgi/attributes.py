"""What a request says of itself, as attributes of its span.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span
"""

import re
from contextlib import suppress
from typing import Final

from opentelemetry.util.http import (
    detect_synthetic_user_agent,
    normalize_user_agent,
    sanitize_method,
)
from opentelemetry.util.types import AttributeValue

from otel_distro.governor import state
from otel_distro.instrumentation.asgi.messages import MAX_BYTES, MAX_KEPT, Headers, Scope
from otel_distro.instrumentation.asgi.names import OTHER_METHOD

Attributes = dict[str, AttributeValue]

# RFC 9110, RFC 5789 and RFC 10008: https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/
_METHODS: Final = {
    one: one
    for one in (
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"
    )
}  # fmt: skip
_DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:@/?#\s\[\]]+)(?::([0-9]{1,5}))?")
# The values that the conventions want redacted.
_SECRET: Final = re.compile(
    r"(?:(?<=&)|^)(AWSAccessKeyId|Signature|sig|X-Goog-Signature"
    r"|X-Amz-(?:Credential|Security-Token|Signature))=[^&]+"
)


def method_of(scope: Scope) -> str:
    """Return the method as the conventions name it."""
    said: str = scope.get("method", "GET")
    return _METHODS.get(said) or sanitize_method(said.strip()) or OTHER_METHOD


def attributes_of(scope: Scope, headers: Headers, method: str) -> Attributes:
    """Return the attributes that are known before the request is answered.

    Args:
        scope: Of an HTTP or WebSocket request.
        headers: The first of each name.
        method: As `method_of` returns it.
    """
    level = state.level
    key = (
        level,
        method,
        scope.get("scheme"),
        scope.get("http_version"),
        headers.get(b"host"),
        headers.get(b"user-agent"),
        scope.get("server"),
    )
    try:
        attributes = _common[key].copy()
    except (KeyError, TypeError):  # not all servers say hashable things
        attributes = _add_common(key, scope, headers, method)
    attributes["url.path"] = scope["path"]
    if scope.get("method", method) != method:
        attributes["http.request.method_original"] = scope["method"]
    client = scope.get("client")
    if client:
        attributes["client.address"] = client[0]
        if level < 1 and client[1]:
            attributes["client.port"] = client[1]
    query: bytes | str | None = scope.get("query_string")
    if query and level < 1:
        attributes["url.query"] = shown_query(query)
    return attributes


def shown_query(query: bytes | str) -> str:
    """Return a query as it is shown, without the values that the conventions want redacted."""
    text = query.decode("utf-8", "replace") if isinstance(query, bytes) else query
    if "ig" in text or "AWSAccessKeyId=" in text or "X-Amz-" in text:
        return _SECRET.sub(r"\1=REDACTED", text)
    return text


# What many requests have in common, by all that it is made of.
_common: dict[tuple[object, ...], Attributes] = {}


def _add_common(key: tuple[object, ...], scope: Scope, headers: Headers, method: str) -> Attributes:
    scheme: str = scope.get("scheme") or "http"
    attributes: Attributes = {"http.request.method": method, "url.scheme": scheme}
    server = scope.get("server")
    named = _named(headers.get(b"host"))
    if named is not None:
        attributes["server.address"] = named[1].strip("[]")
        attributes["server.port"] = int(named[2]) if named[2] else _DEFAULT_PORTS.get(scheme, 80)
    elif server:
        attributes["server.address"] = server[0]
        if server[1] is not None:  # of a Unix socket
            attributes["server.port"] = server[1]
    if key[0] == 0:
        _add_details(attributes, scope, headers)
    if len(headers.get(b"host", b"")) + len(headers.get(b"user-agent", b"")) <= MAX_BYTES:
        if len(_common) >= MAX_KEPT:
            _common.clear()
        with suppress(TypeError):  # as above
            _common[key] = attributes.copy()
    return attributes


def _add_details(attributes: Attributes, scope: Scope, headers: Headers) -> None:
    """Add what helps to debug, and nothing depends on: it is left out first to save time."""
    version = scope.get("http_version")
    if version:
        attributes["network.protocol.version"] = version
    agent = headers.get(b"user-agent")
    if agent:
        text = normalize_user_agent(agent.decode("utf-8", "replace"))
        if text:
            attributes["user_agent.original"] = text
        synthetic = detect_synthetic_user_agent(text)
        if synthetic:
            attributes["user_agent.synthetic.type"] = synthetic


def _named(host: bytes | None) -> re.Match[str] | None:
    return None if host is None else _HOST.fullmatch(host.decode("latin-1"))
