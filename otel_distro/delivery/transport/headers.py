"""What goes with each request besides its body: headers, and the name of the sender."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from otel_distro.version import __version__

DISTRIBUTION: Final = "blipee-otel-distro"

# RFC 9110, section 5.6.2; lower-cased, as gRPC wants them.
_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# Shorter values (a tenant's number) are no secrets, and hiding them would garble messages.
_SHORTEST_SECRET: Final = 5


class Mistake(Exception):  # noqa: N818 - what it says is shown to a person as it stands
    """A setting that no request can be sent with. Never leaves this package."""


@cache
def user_agent() -> str:
    """Name the sender as the OTLP exporter specification asks, our distribution first.

    Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/#user-agent
    """
    return f"{DISTRIBUTION}/{__version__} OTel-OTLP-Exporter-Python/{_version_of_sdk()}"


def checked(headers: Mapping[str, str], encoding: str) -> dict[str, str]:
    """Return the headers in lower case; surrounding white space (of a file, say) is dropped.

    Raises:
        Mistake: One of them can't be sent. Says neither its value nor a strange name, which may
            be a value in the wrong place.
    """
    found: dict[str, str] = {}
    for name, value in headers.items():
        lowered, stripped = name.strip().lower(), value.strip()
        if not _NAME.fullmatch(lowered):
            raise Mistake(
                "the name of a header holds a character that names can't have: "
                "check OTEL_EXPORTER_OTLP_HEADERS"
            )
        if _CONTROL.search(stripped) or not _encodes(stripped, encoding):
            raise Mistake(
                f"the value of the header {lowered!r} holds a character that headers can't have: "
                "check OTEL_EXPORTER_OTLP_HEADERS"
            )
        found[lowered] = stripped
    return found


def secrets(headers: Mapping[str, str]) -> tuple[str, ...]:
    """List what must not be repeated, should the other side quote it: values and their parts."""
    parts = {
        part
        for value in headers.values()
        for part in (value.strip(), *value.split())
        if len(part) >= _SHORTEST_SECRET
    }
    # `Bearer` alone is no secret, and explains.
    return tuple(sorted(parts - {"Bearer", "Basic", "bearer", "basic"}, key=len, reverse=True))


def hidden(text: str, secrets: Iterable[str]) -> str:
    """Take secrets out of a text."""
    for secret in secrets:
        text = text.replace(secret, "…")
    return text


def _encodes(value: str, encoding: str) -> bool:
    try:
        value.encode(encoding)
    except UnicodeError:
        return False
    return True


def _version_of_sdk() -> str:
    # Not from its metadata, which is read whole: the parts of OpenTelemetry do the same.
    try:
        from opentelemetry.sdk.version import __version__ as version
    except ImportError:
        return "unknown"
    return version
