"""Protobuf's wire format: what every message is put together from.

Source: https://protobuf.dev/programming-guides/encoding/
"""

import struct
from typing import Final

# Wire types, the low three bits of a tag.
VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5

pack_double: Final = struct.Struct("<d").pack
pack_fixed32: Final = struct.Struct("<I").pack
pack_fixed64: Final = struct.Struct("<Q").pack
pack_sfixed64: Final = struct.Struct("<q").pack


def _long_varint(number: int) -> bytes:
    groups = bytearray()
    while number >> 7:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


# Most numbers are lengths: of values, of attributes, of spans.
_SHORT: Final = 2048
_SHORT_VARINTS: Final = (
    *(bytes((number,)) for number in range(1 << 7)),
    *(bytes((number & 0x7F | 0x80, number >> 7)) for number in range(1 << 7, _SHORT)),
)


def varint(number: int) -> bytes:
    """Return a number of at least 0 in groups of seven bits."""
    return _SHORT_VARINTS[number] if number < _SHORT else _long_varint(number)


def zigzag(number: int) -> int:
    """Return a sint32 as the varint that holds it: small ones, of either sign, stay small."""
    return number << 1 if number >= 0 else (-number << 1) - 1


def tag(field: int, wire_type: int) -> bytes:
    """Return what stands before the value of a field."""
    return varint(field << 3 | wire_type)


def length_delimited(field: int, payload: bytes) -> bytes:
    """Return a field that holds a text, bytes, a message or packed numbers."""
    return varint(field << 3 | LENGTH) + varint(len(payload)) + payload


def utf8(text: str) -> bytes:
    """Return text as UTF-8: a lone surrogate, which has none, as U+FFFD; a pair as its character.

    Surrogates come from `os.fsdecode` of names that are not UTF-8, and from JSON's escapes.
    """
    try:
        return str.encode(text)
    except UnicodeEncodeError:
        return str.encode(text, "utf-16", "surrogatepass").decode("utf-16", "replace").encode()
