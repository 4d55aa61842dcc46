"""What the other side said, made fit for one line of a notice."""

import json
import re
import unicodedata
from typing import Final

from otel_distro.delivery.transport.headers import hidden
from otel_distro.delivery.transport.messages import status_message

_LONGEST: Final = 200
# None of these takes more than linear time: `<` ends the search for `>`.
_TITLE: Final = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE)
_UNSEEN: Final = re.compile(r"<(style|script)\b[^<>]*>[^<]*", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>")


def one_line(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Return at most 200 characters without line breaks, control characters and secrets."""
    spaced = "".join(
        # C: control, format (also what turns the direction of writing), unassigned, surrogates.
        " " if unicodedata.category(character)[0] in "CZ" else character
        for character in hidden(text, secrets)
    )
    line = " ".join(spaced.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def said_in(body: bytes, content_type: str, secrets: tuple[str, ...]) -> str:
    """Find the message in the body of an answer that is not a success; "" without one."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in {"application/x-protobuf", "application/protobuf", "application/grpc"}:
        return one_line(status_message(body), secrets)
    text = body.decode("utf-8", "replace")
    if kind == "application/json":
        return one_line(_message_of(text), secrets)
    if kind == "text/html" or text.lstrip()[:1] == "<":
        title = _TITLE.search(text)
        text = title[1] if title else _TAG.sub(" ", _UNSEEN.sub(" ", text))
    # Something binary explains nothing.
    return "" if "\x00" in text else one_line(text, secrets)


def rejected_in(body: bytes) -> tuple[int, str]:
    """Read the partial success of a JSON answer, in the mapping of protobuf's JSON."""
    try:
        document = json.loads(body)
        partial = document.get("partialSuccess") or {}
        count = next((partial[key] for key in partial if key.startswith("rejected")), 0)
        return max(0, int(count)), str(partial.get("errorMessage", ""))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return 0, ""


def _message_of(text: str) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for key in ("message", "error", "detail"):
        if isinstance(document, dict) and isinstance(document.get(key), str):
            return str(document[key])
    return text
