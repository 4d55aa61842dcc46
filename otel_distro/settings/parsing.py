"""From the text of a variable to a value: each parser returns it or raises `Invalid`."""

import math
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from otel_distro.installed import entry_points

T = TypeVar("T")
Parser = Callable[[str], T]

_MAX_SHOWN = 60
_SIGNED_31_BIT = 2**31 - 1
_MAX_PORT = 65535
_DIGITS = 19  # more than any allowed number has; Python refuses to convert thousands


class Invalid(Exception):  # noqa: N818 - a verdict on a value, not a fault of ours
    """What is wrong with a value, and what to write instead.

    Args:
        problem: Completes "NAME=value …".
        fix: An example or the allowed values; completes "use …".
        kept: What of the value can still be used, as text.
        secret: Whether the value must not be shown.
    """

    def __init__(
        self, problem: str, fix: str, *, kept: str | None = None, secret: bool = False
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.kept = kept
        self.secret = secret


def shown(value: str) -> str:
    """Return the value as a line of output may carry it: quoted, short, no control characters."""
    short = value if len(value) <= _MAX_SHOWN else value[:_MAX_SHOWN] + "…"
    return ascii(short)


def printable(line: str) -> str:
    """Return the line with its control characters and line ends as escapes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


def boolean(text: str) -> bool:
    """Parse `true` or `false` in any case, as the specification has it."""
    match text.lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise Invalid("is neither true nor false", "true or false")


def whole_number(text: str, *, unit: str, minimum: int, example: int) -> int:
    """Parse digits only: `15s`, `1e3` and `1.5` are refused."""
    fix = f"e.g. {example}"
    parts = re.fullmatch(r"([+-]?)0*([0-9]+)", text)
    if parts is None:
        raise Invalid(f"is not a whole number of {unit}", fix)
    number = int(parts[1] + parts[2][:_DIGITS])
    if number < minimum:
        raise Invalid(f"is below {minimum} {unit}", fix)
    if number > _SIGNED_31_BIT:
        raise Invalid(f"is above {_SIGNED_31_BIT} {unit}", fix)
    return number


milliseconds = partial(whole_number, unit="milliseconds", minimum=1)
count = partial(whole_number, unit="items", minimum=1)
limit = partial(whole_number, unit="items", minimum=0, example=128)


def ratio(text: str) -> float:
    """Parse a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise Invalid("is not a number from 0 to 1", "e.g. 0.1")
    return number


def choice(text: str, *, of: Iterable[str]) -> str:
    """Parse one of a fixed set, in any case."""
    options = sorted(of)
    if text.lower() not in options:
        raise Invalid(f"is not one of {', '.join(options)}", "one of these" + _meant(text, options))
    return text.lower()


def listed(text: str) -> tuple[str, ...]:
    """Parse a comma-separated list, blanks dropped."""
    return tuple(item.strip() for item in text.split(",") if item.strip())


def components(text: str, *, group: str, known: Iterable[str] = ()) -> tuple[str, ...]:
    """Parse a list of components: built-in ones, or entry points of `group` that are installed."""
    wanted = listed(text)
    built_in = set(known)
    missing = [name for name in wanted if name not in built_in and not installed(group, name)]
    if missing:
        options = sorted(built_in | {point.name for point in entry_points(group=group)})
        kept = ",".join(name for name in wanted if name not in missing)
        raise Invalid(
            f"names {shown(missing[0])}, which is not installed",
            f"one of {', '.join(options)}" + _meant(missing[0], options),
            kept=kept or None,
        )
    return wanted


def installed(group: str, name: str) -> bool:
    """Tell whether an entry point of that name is there to load."""
    return bool(entry_points(group=group, name=name))


def url(text: str, *, bare_host: bool = False) -> str:
    """Parse an absolute http or https URL; with `bare_host` also `host:port`, as gRPC allows."""
    # Also a URL that is no URL may hold a password.
    refused = partial(Invalid, fix="e.g. http://localhost:4318", secret="@" in text)
    if bare_host and re.fullmatch(r"(dns|unix|unix-abstract|vsock|ipv4|ipv6|xds):\S+", text):
        return text  # https://grpc.github.io/grpc/core/md_doc_naming.html
    has_scheme = "://" in text or re.match(r"https?:?/", text)
    candidate = f"http://{text}" if bare_host and not has_scheme else text
    try:
        parts = urlsplit(candidate)
    except ValueError:
        raise refused("is not a URL") from None
    if parts.scheme not in {"http", "https"} or not candidate.startswith(f"{parts.scheme}://"):
        meant = None if has_scheme else f"http://{text}"
        if meant is not None:
            url(meant)  # what is left is refused for what else is wrong with it
        raise refused("does not start with http:// or https://", kept=meant)
    if not text.isprintable() or " " in text:
        raise refused("has white space or control characters in it")
    if not parts.hostname:
        raise refused("names no host")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port is not None and not 0 < port <= _MAX_PORT:
        raise refused("has a port that is not from 1 to 65535")
    return text


def pairs(text: str, *, secret: bool = False, lower: bool = False) -> dict[str, str]:
    """Parse `key=value,key=value`, values percent-encoded; what is well-formed is kept.

    Source: https://opentelemetry.io/docs/specs/otel/resource/sdk/ (resource attributes) and
    https://opentelemetry.io/docs/specs/otel/protocol/exporter/ (headers).
    """
    good: dict[str, str] = {}
    kept: list[str] = []
    bad: str | None = None
    for item in listed(text):
        key, separator, value = item.partition("=")
        decoded = unquote(value.strip())
        name = unquote(key.strip())
        token = re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z/:@\-]+", name)
        # Of a header the transports refuse more, and with it every request.
        sendable = not secret or (decoded.isascii() and not re.search("[/:@]", name))
        if not separator or not token or not decoded.isprintable() or not sendable:
            bad = bad or item
            continue
        good[name.lower() if lower else name] = decoded
        kept.append(item)
    if bad is not None:
        where = "a pair" if secret else f"the pair {shown(bad)}, which"
        raise Invalid(
            f"has {where} that is not key=value" if secret else f"has {where} is not key=value",
            "key1=value1,key2=value2",
            kept=",".join(kept) or None,
            secret=secret,
        )
    return good


def readable_file(text: str) -> str:
    """Parse the path of a file that can be opened."""
    try:
        with Path(text).open("rb"):
            return text
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Invalid(f"cannot be read ({reason})", "the path of a readable file") from None


def patterns(text: str) -> tuple[str, ...]:
    """Parse a comma-separated list of regular expressions."""
    good: list[str] = []
    bad: tuple[str, Exception] | None = None
    for expression in listed(text):
        try:
            re.compile(expression)
            # All are joined to one in the end: flags at the start of one are then in the middle.
            re.compile("|".join(("_", *good, expression)))
        except (re.error, OverflowError, RecursionError) as error:
            bad = bad or (expression, error)
        else:
            good.append(expression)
    if bad is not None:
        raise Invalid(
            f"has {shown(bad[0])}, which is not a regular expression ({bad[1]})",
            "e.g. /internal/.*,/ping",
            kept=",".join(good) or None,
        )
    return tuple(good)


def free_text(text: str) -> str:
    """Accept any printable text."""
    if not text.isprintable():
        raise Invalid("has characters that cannot be printed", "plain text")
    return text


def _meant(text: str, options: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(text.lower(), options, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
