"""Reads the few small protobuf messages that a server answers with.

By hand, because they are three, and the protobuf library with OTLP's classes takes longer to
import than all answers of a day to read.
"""

from collections.abc import Iterator
from typing import Final

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_LONGEST_VARINT: Final = 10
_RETRY_INFO: Final = b"google.rpc.RetryInfo"


def partial_success(message: bytes) -> tuple[int, str]:
    """Read `Export*ServiceResponse`: how many records were rejected, and why. All signals' alike.

    Source: https://opentelemetry.io/docs/specs/otlp/#partial-success
    """
    rejected, why = 0, ""
    for number, value in _fields(message):
        if number == 1 and isinstance(value, bytes):
            for inner, said in _fields(value):
                if inner == 1 and isinstance(said, int):
                    rejected = said
                elif inner == 2 and isinstance(said, bytes):  # noqa: PLR2004
                    why = said.decode("utf-8", "replace")
    # An int64: what is negative is no count.
    return (rejected if rejected < 1 << 63 else 0), why


def status_message(message: bytes) -> str:
    """Read the text of a `google.rpc.Status`."""
    return _last_bytes(message, 2).decode("utf-8", "replace")


def retry_delay_s(status: bytes) -> float | None:
    """Read the delay of the `google.rpc.RetryInfo` among a Status' details; None without one."""
    for number, detail in _fields(status):
        if number == 3 and isinstance(detail, bytes):  # noqa: PLR2004
            if not _last_bytes(detail, 1).endswith(_RETRY_INFO):
                continue
            duration = dict(_fields(_last_bytes(_last_bytes(detail, 2), 1)))
            seconds, nanos = duration.get(1, 0), duration.get(2, 0)
            if isinstance(seconds, int) and isinstance(nanos, int):
                return _signed(seconds) + _signed(nanos) / 1e9
    return None


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _last_bytes(message: bytes, field: int) -> bytes:
    found = b""
    for number, value in _fields(message):
        if number == field and isinstance(value, bytes):
            found = value
    return found


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield field numbers with numbers or bytes, up to the first that is cut off or malformed."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if key < 0:
            return
        if kind == _VARINT:
            value, at = _varint(message, at)
            if value < 0:
                return
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(message, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(kind, -1)
        if size < 0 or at + size > len(message):
            return
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return a number and where the next thing starts; -1 if it is cut off."""
    value = 0
    for index, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004
            return value & (1 << 64) - 1, at + index + 1
    return -1, len(message)
