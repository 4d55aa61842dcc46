"""Makes any value safe to render and to send: plain, finite, bounded. Never raises."""

import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time
from enum import Enum
from itertools import islice
from typing import Final, TypeAlias

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

MAX_TEXT: Final = 64 * 1024  # bytes of UTF-8 of one text
MAX_ITEMS: Final = 128  # keys of a mapping, items of a list
DROPPED: Final = "dropped_fields"  # how many keys are left out, beside those that are kept

_MAX_DEPTH: Final = 8
# Of all values of one line together: 128 keys on each of 8 levels would be without end.
_MAX_VALUES: Final = 2_000
_MAX_TEXT_OF_ALL: Final = 4 * MAX_TEXT
_SHORT: Final = 1_024
_INT64: Final = 2**63


def clean(value: object) -> Plain:
    """Return `value` as JSON and OTLP can carry it."""
    return _Cleaner().value(value)


def clean_text(value: object) -> str:
    """Return `value` as text: no lone surrogates, at most `MAX_TEXT` bytes and a mark."""
    cleaned = _Cleaner().value(value)
    match cleaned:
        case str():
            return cleaned
        case list() | dict():
            # Not str(value): of a container that is without bounds.
            return _Cleaner().text(json.dumps(cleaned, ensure_ascii=False))
        case _:
            return str(cleaned)


def clean_str(value: object) -> str:
    """Return `str(value)`, clean: for an exception its message alone."""
    return _Cleaner().text(value)


def clean_fields(fields: Mapping[str, object], limit: int = MAX_ITEMS) -> dict[str, Plain]:
    """Return at most `limit` of the fields, clean, and how many were left out as `DROPPED`."""
    if len(fields) <= limit:
        plain = {key: value for key, value in fields.items() if key and _is_plain(key, value)}
        if len(plain) == len(fields):
            return plain  # type: ignore[return-value] # what _is_plain lets through
    return _Cleaner().mapping(fields, limit)


def keep_end(text: str) -> str:
    """Return the end of a text that is too long: of a traceback that is what matters."""
    text = _encodable(text)
    left_out = len(text) - MAX_TEXT
    return text if left_out <= 0 else f"({left_out:,} characters left out) …{text[-MAX_TEXT:]}"


def _is_plain(key: object, value: object) -> bool:
    """Tell whether nothing has to be done, for the values that most calls have."""
    if type(key) is not str or not key.isascii() or len(key) > _SHORT:
        return False
    if value is None or value is True or value is False:
        return True
    if type(value) is str:
        return len(value) <= _SHORT and value.isascii()
    if type(value) is int:
        return -_INT64 <= value < _INT64
    return type(value) is float and math.isfinite(value)


class _Cleaner:
    """Cleans the values of one line; knows what is left of the line's limits."""

    def __init__(self) -> None:
        self._values_left = _MAX_VALUES
        self._text_left = _MAX_TEXT_OF_ALL
        self._around: list[int] = []

    def value(self, value: object) -> Plain:
        try:
            return self._value(value)
        except Exception:  # noqa: BLE001 - values are the application's, and may do anything
            return _unreadable(value)

    def text(self, value: object) -> str:
        try:
            return self._short(str.__str__(value) if isinstance(value, str) else str(value))
        except Exception:  # noqa: BLE001 - same
            return _unreadable(value)

    def mapping(
        self, mapping: Mapping[object, object] | Mapping[str, object], limit: int
    ) -> "dict[str, Plain]":
        cleaned: dict[str, Plain] = {}
        taken = 0
        for key, value in islice(mapping.items(), limit):
            cleaned[self.text(key) or "(empty)"] = self.value(value)
            taken += 1
        if (left_out := len(mapping) - taken) > 0:
            cleaned[DROPPED] = left_out
        return cleaned

    def _value(self, value: object) -> Plain:
        self._values_left -= 1
        if self._values_left < 0:
            return "(too many values)"
        match value:
            case None | True | False:
                return value
            case Enum():
                return self.value(value.value)
            case Mapping():
                return self._inside(value, lambda: self.mapping(value, MAX_ITEMS))
            case list() | tuple() | set() | frozenset() | deque():
                return self._inside(value, lambda: self._items(value, len(value)))
            case _:
                return self._single(value)

    def _single(self, value: object) -> Plain:
        match value:
            case int():
                return self._whole(int.__index__(value))
            case float():
                return _finite(float.__float__(value))
            case bytes() | bytearray() | memoryview():
                return self._short(bytes(value[:MAX_TEXT]).decode("utf-8", "backslashreplace"))
            case date() | time():
                return self.text(value.isoformat())
            case BaseException():
                return self.text(f"{type(value).__name__}: {self.text(value)}")
            case _:
                return self.text(value)

    def _inside(self, container: object, read: "Callable[[], Plain]") -> Plain:
        if id(container) in self._around:
            return "(contains itself)"
        if len(self._around) == _MAX_DEPTH:
            return "(too deep)"
        self._around.append(id(container))
        try:
            return read()
        finally:
            self._around.pop()

    def _items(self, items: Iterable[object], length: int) -> list[Plain]:
        cleaned = [self.value(item) for item in islice(items, MAX_ITEMS)]
        if length > MAX_ITEMS:
            cleaned.append(f"… ({length - MAX_ITEMS:,} more)")
        return cleaned

    def _whole(self, number: int) -> int | str:
        """Return what does not fit OTLP's 64 bits as text."""
        if -_INT64 <= number < _INT64:
            return number
        # Beyond some thousand digits Python refuses to write decimals; JSON has no hexadecimals.
        return self._short(hex(number))

    def _short(self, text: str) -> str:
        limit = min(MAX_TEXT, self._text_left)
        fits = len(text) <= limit and text.isascii()
        short = text if fits else _cut(text, limit)
        self._text_left = max(self._text_left - len(short), 0)
        return short


def _cut(text: str, limit: int) -> str:
    """Cut to `limit` bytes of UTF-8, not in the middle of a character."""
    kept = _encodable(text[:limit])
    encoded = kept.encode()
    if len(encoded) > limit:
        kept = encoded[:limit].decode("utf-8", "ignore")
    elif len(text) <= limit:
        return kept
    return f"{kept}… (cut, {len(text):,} characters)"


def _encodable(text: str) -> str:
    r"""Write lone surrogates, which no encoding has, as `\udc80`."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _finite(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _unreadable(value: object) -> str:
    try:
        return f"({_encodable(str(type(value).__name__))[:_SHORT]} that cannot be read)"
    except Exception:  # noqa: BLE001 - a metaclass of the application's
        return "(object that cannot be read)"
