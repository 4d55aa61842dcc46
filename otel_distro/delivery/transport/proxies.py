"""Which proxy stands between us and an HTTP endpoint: `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`."""

from base64 import b64encode
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from otel_distro.delivery.transport.headers import Mistake


class Proxy(NamedTuple):
    """An HTTP proxy. `authorization` is the header's value: a secret, kept out of `repr`."""

    host: str
    port: int
    authorization: str | None = None

    def __repr__(self) -> str:
        return f"Proxy(host={self.host!r}, port={self.port!r})"


def proxy_for(scheme: str, host: str, port: int, environ: Mapping[str, str]) -> Proxy | None:
    """Find the proxy for a server, as the `requests` library reads the environment.

    One difference: this machine is never reached through a proxy, as in Go's and curl's habit.
    The agent on loopback is where telemetry goes by default.

    Raises:
        Mistake: The proxy is of a kind that is not supported.
    """
    url = _variable(f"{scheme}_proxy", environ) or _variable("all_proxy", environ)
    if not url or is_this_machine(host) or _is_excepted(host, port, environ):
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        usable, name, proxy_port = parts.scheme == "http", parts.hostname, parts.port
    except ValueError:
        usable, name, proxy_port = False, None, None
    if not usable or not name:
        raise Mistake(
            f"the proxy of {scheme.upper()}_PROXY is not of the form http://host:port; "
            f"use such a one, or name {host} in NO_PROXY"
        )
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {b64encode(pair.encode()).decode()}"
    return Proxy(name, proxy_port or 80, authorization)


def is_this_machine(host: str) -> bool:
    """Tell whether a host name or address is on loopback."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _variable(name: str, environ: Mapping[str, str]) -> str:
    if name in environ:
        return environ[name].strip()
    # In a CGI script a client's `Proxy:` header arrives as HTTP_PROXY: https://httpoxy.org
    if name == "http_proxy" and "REQUEST_METHOD" in environ:
        return ""
    return environ.get(name.upper(), "").strip()


def _is_excepted(host: str, port: int, environ: Mapping[str, str]) -> bool:
    return any(
        _matches(entry.strip().lower(), host.lower(), port)
        for entry in _variable("no_proxy", environ).split(",")
    )


def _matches(entry: str, host: str, port: int) -> bool:
    if entry in ("", "*"):
        return entry == "*"
    try:
        network = ip_network(entry.strip("[]"), strict=False)
        return ip_address(host) in network
    except ValueError:
        pass  # One of the two is a name.
    name, colon, its_port = entry.rpartition(":")
    if colon and its_port.isdecimal():
        if int(its_port) != port:
            return False
        entry = name.strip("[]")
    entry = entry.removeprefix("*").removeprefix(".")
    return host == entry or host.endswith(f".{entry}")
