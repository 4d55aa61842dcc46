"""What a record of standard `logging` says, and as which attributes it is exported.

Our loggers put it in a private attribute of the record, in parts; other records have it in
attributes that nobody declared. Readers get the same from both.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final, NotRequired, TypedDict

from otel_distro.logger.errors import ErrorFields, error_fields
from otel_distro.logger.fields import MAX_FIELDS, NAMED, current_fields
from otel_distro.logger.values import DROPPED, MAX_ITEMS, Plain, clean_fields

# Underscored, so that formatters that print all attributes of a record leave it out.
_ATTRIBUTE: Final = "_otel_distro"
# Of every record; what is left was given by the application with `extra`.
STANDARD: Final = frozenset(
    logging.LogRecord("", 0, "", 0, "", (), None).__dict__
    | {"message": None, "asctime": None, "taskName": None, _ATTRIBUTE: None}
)
# uvicorn repeats its message with terminal colors in it.
NOISE: Final = frozenset({"color_message"})
# The SDK keeps 128 attributes; code.* (3), exception.* (3) and the count have their place in them.
_MAX_ATTRIBUTES: Final = MAX_ITEMS - 7


class Said(TypedDict):
    """What is said beside message and level; all of it plain and bounded."""

    context: Mapping[str, Plain]
    meta: Mapping[str, Plain]
    error: NotRequired[ErrorFields]


def attach(record: logging.LogRecord, said: Said) -> None:
    """Put it on a record of ours, and where formats like `%(request_id)s` find it."""
    attributes = record.__dict__
    for part in (said["context"], said["meta"]):
        for key, value in part.items():
            if key not in STANDARD:
                attributes[key] = value
    attributes[_ATTRIBUTE] = said


def attached(record: logging.LogRecord) -> Said | None:
    """Return what one of our loggers put on a record."""
    said: Said | None = record.__dict__.get(_ATTRIBUTE)
    return said


def read(record: logging.LogRecord) -> Said:
    """Return what any record says, with the fields of the running task."""
    said = attached(record)
    if said is not None:
        return said
    extra = {
        key: value
        for key, value in record.__dict__.items()
        if key not in STANDARD and key not in NOISE
    }
    said = Said(context=current_fields(), meta=clean_fields(extra))
    if record.exc_info and record.exc_info[1] is not None:
        said["error"] = error_fields(record.exc_info[1])
    return said


def attributes(said: Said) -> dict[str, Plain]:
    """Return what is exported of it: flat, context last so that it wins."""
    fields = context_attributes(said["context"])
    meta = said["meta"]
    limit = _MAX_ATTRIBUTES - len(fields)
    leaves = _leaves("", meta)
    flat = dict(islice(leaves, limit))
    if left_out := sum(1 for _ in leaves):
        known = meta.get(DROPPED)
        flat[DROPPED] = left_out + (known if isinstance(known, int) else 0)
    flat |= fields
    if "error" in said:
        error = said["error"]
        # https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-logs/
        flat["exception.type"] = error["name"]
        flat["exception.message"] = error["message"]
        flat["exception.stacktrace"] = error["stack"]
    return flat


def context_attributes(fields: Mapping[str, Plain]) -> dict[str, Plain]:
    """Return context fields under the names that OpenTelemetry has for them."""
    if not fields:
        return {}
    named = {key: value for key, value in fields.items() if key in NAMED}
    leaves = islice(_leaves("", {**named, **fields}), MAX_FIELDS)
    return {NAMED.get(key, key): value for key, value in leaves}


def _leaves(prefix: str, fields: Mapping[str, Plain]) -> Iterator[tuple[str, Plain]]:
    """Yield `a.b` for `{"a": {"b": …}}`. Lists of plain values stay lists."""
    for key, value in fields.items():
        match value:
            case dict() if value:
                yield from _leaves(f"{prefix}{key}.", value)
            case dict():
                yield f"{prefix}{key}", "{}"
            case list() if any(isinstance(item, dict | list) for item in value):
                yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False)
            case _:
                yield f"{prefix}{key}", value
