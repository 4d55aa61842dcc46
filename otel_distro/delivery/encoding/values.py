"""Values of attributes and bodies of logs: `AnyValue`, from whatever an application has.

Source: https://opentelemetry.io/docs/specs/otel/common/#anyvalue
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import NoneType
from typing import Any, Final

from otel_distro.delivery.encoding.fields import as_text, unreadable
from otel_distro.delivery.encoding.wire import length_delimited, pack_double, utf8, varint

# Readers stop at 100 messages inside each other (protobuf's default), and a list is two of them,
# a mapping three.
MAX_DEPTH: Final = 20
# Of one value all together: a list that holds itself ten times has 10**20 on twenty levels.
MAX_VALUES: Final = 20_000
# Stands for what is beyond these.
TRUNCATED: Final = "…[truncated]"

_INT64: Final = 2**63


def any_value(value: object) -> bytes:
    """Return `value` as the fields of an `AnyValue`. Never raises.

    Numbers that 64 bits do not hold become text, as does what OTLP has no type for. What cannot
    be read, stands too deep or is beyond bounds has a text in its place that says so.
    """
    plain = _PLAIN.get(type(value))
    return plain(value) if plain is not None else _Walk().encode(value)


def key_value(key: object, payload: bytes) -> bytes:
    """Return the fields of a `KeyValue`, of which `payload` is the `AnyValue`."""
    return length_delimited(1, utf8(as_text(key))) + length_delimited(2, payload)


class _Walk:
    """Encodes one value with all that is in it; knows what is left of its bounds."""

    def __init__(self) -> None:
        self._left = MAX_VALUES
        self._depth = 0

    def encode(self, value: object) -> bytes:
        self._left -= 1
        plain = _PLAIN.get(type(value))
        if plain is not None:
            return plain(value)
        try:
            return self._other(value)
        except Exception:  # noqa: BLE001 - values are the application's, and may do anything
            return _text(unreadable(value))

    def _other(self, value: object) -> bytes:  # noqa: PLR0911 - a table
        match value:
            case str():
                return _text(value)
            case int():
                return _whole(int.__index__(value))
            case float():
                return _double(float.__float__(value))
            case bytes() | bytearray() | memoryview():
                return _bytes(bytes(value))
            case Mapping():
                return length_delimited(6, self._inside(self._pairs, value))
            case Sequence() | AbstractSet():
                return length_delimited(5, self._inside(self._items, value))
            case _:
                return self._scalar(value)

    def _scalar(self, value: Any) -> bytes:  # noqa: ANN401 - read as numpy's, if it looks like it
        if getattr(value, "ndim", None) == 0 and hasattr(value, "dtype"):
            plain = _PLAIN.get(type(value.item()))
            if plain is not None:
                return plain(value.item())
        return _text(as_text(value))

    def _inside(self, fields: Callable[[Any], Iterable[bytes]], container: object) -> bytes:
        if self._depth == MAX_DEPTH:
            raise RecursionError
        self._depth += 1
        try:
            return b"".join(length_delimited(1, field) for field in fields(container))
        finally:
            self._depth -= 1

    def _pairs(self, mapping: Mapping[object, object]) -> Iterable[bytes]:
        for key, value in mapping.items():
            if self._left <= 0:
                yield key_value(TRUNCATED, b"")
                return
            yield key_value(key, self.encode(value))

    def _items(self, items: Iterable[object]) -> Iterable[bytes]:
        for item in items:
            if self._left <= 0:
                yield _text(TRUNCATED)
                return
            yield self.encode(item)


def _text(value: str) -> bytes:
    payload = utf8(value)
    return b"\x0a" + varint(len(payload)) + payload


def _bool(value: bool) -> bytes:  # noqa: FBT001 - the value itself
    return b"\x10\x01" if value else b"\x10\x00"


def _whole(value: int) -> bytes:
    if -_INT64 <= value < _INT64:
        return b"\x18" + varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    try:
        return _text(str(value))
    except ValueError:  # Python writes at most some thousand decimals, but any hexadecimals.
        return _text(hex(value))


def _double(value: float) -> bytes:
    return b"\x21" + pack_double(value)


def _bytes(value: bytes) -> bytes:
    return length_delimited(7, value)


_PLAIN: Final[dict[type, Callable[[Any], bytes]]] = {
    str: _text,
    bool: _bool,
    int: _whole,
    float: _double,
    bytes: _bytes,
    NoneType: lambda _: b"",
}
