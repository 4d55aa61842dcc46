"""From a record to what is printed: a line of JSON, or lines for a person."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from otel_distro.logger.levels import level_name
from otel_distro.logger.records import attached, read
from otel_distro.logger.values import Plain, clean_text

if TYPE_CHECKING:
    from structlog.dev import ConsoleRenderer

Renderer = Callable[[logging.LogRecord], str]

# Keys that have a place of their own in a pretty line.
_PLACES: Final = frozenset(
    {"timestamp", "level", "logger", "event", "exception", "exc_info", "stack"}
)


def json_renderer(service: str) -> Renderer:
    """Return what makes one JSON object of a record; `service` is of records that are not ours.

    A field that has nothing to say is left out, but for `context` and `meta`.
    """

    def render(record: logging.LogRecord) -> str:
        said = read(record)
        ours = attached(record) is not None
        line: dict[str, object] = {
            "timestamp": _utc(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": level_name(record.levelno),
            "service": record.name if ours else service,
            "message": clean_text(record.getMessage()),
            "context": dict(said["context"]),
            **_span_ids(),
            "meta": dict(said["meta"]),
        }
        if not ours:
            line["logger"] = clean_text(record.name)
        if "error" in said:
            line["error"] = said["error"]
        # ASCII: what reads the other end may have any encoding, and splits at other line ends.
        return json.dumps(line, allow_nan=False)

    return render


def pretty_renderer(*, colors: bool) -> Renderer:
    """Return what makes a line for a person of a record, its exception on lines below."""

    def render(record: logging.LogRecord) -> str:
        said = read(record)
        event: dict[str, Any] = {
            "timestamp": _utc(record).astimezone().strftime("%H:%M:%S.%f")[:-3],
            "level": level_name(record.levelno),
            "logger": _harmless(record.name),
            "event": _harmless(clean_text(record.getMessage()), lines=True),
        }
        for part in (said["context"], said["meta"], _span_ids()):
            for key, value in part.items():
                name = _harmless(key)
                event[f"{name}_" if name in _PLACES else name] = _shown(value)
        if "error" in said:
            event["exception"] = _harmless(said["error"]["stack"].rstrip(), lines=True)
        return _console(colors)(None, "", event)

    return render


@cache
def _console(colors: bool) -> "ConsoleRenderer":  # noqa: FBT001 - the key of a cache
    # Late: structlog brings rich where that is installed, a third of a second. A process that
    # never prints a line, or prints JSON, is spared it.
    from structlog.dev import ConsoleRenderer

    styles = ConsoleRenderer.get_default_level_styles(colors)
    return ConsoleRenderer(
        colors=colors,
        level_styles={**styles, "fatal": styles["critical"]},
        sort_keys=False,
    )


def _utc(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _span_ids() -> dict[str, str]:
    # Late, because the API raises at import for variables that were not corrected yet.
    from opentelemetry.trace import get_current_span

    span = get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}


def _shown(value: Plain) -> Plain:
    return _harmless(value) if isinstance(value, str) else value


def _harmless(text: str, *, lines: bool = False) -> str:
    r"""Write control characters as `\x1b`: from a request they could rule the terminal."""
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(
        char if char.isprintable() or char in kept else ascii(char)[1:-1] for char in text
    )
