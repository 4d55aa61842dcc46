"""Single fields of records, from values that may be anything. Nothing here raises.

A bad value is left out, and so is a field at its default, as in proto3.
"""

from typing import Final

from otel_distro.delivery.encoding.wire import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    length_delimited,
    pack_fixed32,
    pack_fixed64,
    tag,
    utf8,
    varint,
)

_UINT32: Final = 2**32 - 1
_UINT64: Final = 2**64 - 1


def text(field: int, value: object) -> bytes:
    """Return a string; of what is no text its `str`."""
    if value is None:
        return b""
    payload = utf8(as_text(value))
    return length_delimited(field, payload) if payload else b""


def uint32(field: int, value: object) -> bytes:
    """Return a count or an enum's number; the largest for what is larger."""
    whole = min(_whole(value), _UINT32)
    return tag(field, VARINT) + varint(whole) if whole else b""


def fixed32(field: int, value: object) -> bytes:
    """Return flags; the low bits of what has more."""
    whole = _whole(value) & _UINT32
    return tag(field, FIXED32) + pack_fixed32(whole) if whole else b""


def fixed64(field: int, value: object) -> bytes:
    """Return a count, or nanoseconds since the epoch."""
    whole = _whole(value)
    return tag(field, FIXED64) + pack_fixed64(whole) if 0 < whole <= _UINT64 else b""


def identifier(field: int, value: object, size: int) -> bytes:
    """Return the id of a trace (16 bytes) or of a span (8 bytes)."""
    try:
        id_bytes = int.to_bytes(value, size, "big")  # type: ignore[arg-type]
    except (TypeError, OverflowError):
        return b""
    return bytes((field << 3 | LENGTH, size)) + id_bytes


def as_text(value: object) -> str:
    """Return `str(value)`, or what stands for a value that has none."""
    try:
        return str.__str__(value) if isinstance(value, str) else str(value)
    except Exception:  # noqa: BLE001 - values are the application's, and may do anything
        return unreadable(value)


def unreadable(value: object) -> str:
    """Return what stands for a value that raises when it is read."""
    try:
        return f"[unreadable {type(value).__name__}]"
    except Exception:  # noqa: BLE001 - a metaclass of the application's
        return "[unreadable value]"


def _whole(value: object) -> int:
    """Return the value as a whole number of at least 0; 0 for what is none."""
    try:
        return max(int(value), 0)  # type: ignore[call-overload, no-any-return]
    except Exception:  # noqa: BLE001 - as above
        return 0
