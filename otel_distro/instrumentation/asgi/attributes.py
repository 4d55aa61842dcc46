"""What a request says of itself, as attributes of its span.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span
"""

import re
from typing import Final

from opentelemetry.util.http import detect_synthetic_user_agent, normalize_user_agent
from opentelemetry.util.types import AttributeValue

from otel_distro.governor import state
from otel_distro.instrumentation.asgi.messages import MAX_KEPT, Headers, Scope
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
_SECRET: Final = re.compile(r"(?:(?<=&)|^)(AWSAccessKeyId|Signature|sig|X-Goog-Signature)=[^&]*")

_hosts: dict[bytes, tuple[str, int | None] | None] = {}
_agents: dict[bytes, tuple[str | None, str | None]] = {}


def method_of(scope: Scope) -> str:
    """Return the method as the conventions name it."""
    said: str = scope.get("method", "GET")
    return _METHODS.get(said) or _METHODS.get(said.strip().upper(), OTHER_METHOD)


def attributes_of(scope: Scope, headers: Headers, method: str) -> Attributes:
    """Return the attributes that are known before the request is answered.

    Args:
        scope: Of an HTTP or WebSocket request.
        headers: The first of each name.
        method: As `method_of` returns it.
    """
    scheme: str = scope.get("scheme") or "http"
    attributes: Attributes = {
        "http.request.method": method,
        "url.scheme": scheme,
        "url.path": scope["path"],
    }
    if scope.get("method", method) != method:
        attributes["http.request.method_original"] = scope["method"]
    host = headers.get(b"host")
    named = None if host is None else _hosts[host] if host in _hosts else _add_host(host)
    server = scope.get("server")
    if named is not None:
        attributes["server.address"] = named[0]
        attributes["server.port"] = named[1] or _DEFAULT_PORTS.get(scheme, 80)
    elif server:
        attributes["server.address"] = server[0]
        if server[1] is not None:  # of a Unix socket
            attributes["server.port"] = server[1]
    client = scope.get("client")
    if client:
        attributes["client.address"] = client[0]
    if state.level < 1:
        _add_details(attributes, scope, headers, client)
    return attributes


def _add_details(
    attributes: Attributes,
    scope: Scope,
    headers: Headers,
    client: tuple[str, int] | None,
) -> None:
    """Add what helps to debug, and nothing depends on: it is left out first to save time."""
    query: bytes = scope.get("query_string") or b""
    if query:
        text = query.decode("utf-8", "replace")
        if "ignature=" in text or "sig=" in text or "AWSAccessKeyId=" in text:
            text = _SECRET.sub(r"\1=REDACTED", text)
        attributes["url.query"] = text
    version = scope.get("http_version")
    if version:
        attributes["network.protocol.version"] = version
    agent = headers.get(b"user-agent")
    if agent:
        text_of_it, synthetic = _agents.get(agent) or _add_agent(agent)
        if text_of_it:
            attributes["user_agent.original"] = text_of_it
        if synthetic:
            attributes["user_agent.synthetic.type"] = synthetic
    if client and client[1]:
        attributes["client.port"] = client[1]


def _add_host(host: bytes) -> tuple[str, int | None] | None:
    said = _HOST.fullmatch(host.decode("latin-1"))
    found = (said[1].strip("[]"), int(said[2]) if said[2] else None) if said else None
    if len(_hosts) >= MAX_KEPT:
        _hosts.clear()
    _hosts[host] = found
    return found


def _add_agent(agent: bytes) -> tuple[str | None, str | None]:
    text = normalize_user_agent(agent.decode("utf-8", "replace"))
    found = (text, detect_synthetic_user_agent(text))
    if len(_agents) >= MAX_KEPT:
        _agents.clear()
    _agents[agent] = found
    return found
