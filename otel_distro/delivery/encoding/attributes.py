"""Attributes as `KeyValue` fields, put together from fragments that are kept.

Most attributes of a service are the same few values again and again. Fragments are kept by type,
key and value; a key of too many values (a path, an id) keeps none of them, only its own bytes.
"""

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes

from otel_distro.delivery.encoding.fields import as_text
from otel_distro.delivery.encoding.values import any_value
from otel_distro.delivery.encoding.wire import LENGTH, length_delimited, tag, utf8, varint

MAX_VALUES_OF_A_KEY: Final = 256
MAX_KEPT: Final = 8192  # keys and fragments of one kind of message
MAX_BYTES: Final = 256  # of one key or fragment

# Only these exact types: looking them up neither runs the application's code nor, as it does for
# deep tuples, exhausts the stack.
_LOOKED_UP: Final = (str, int, bool, float)

# Before a text of so many bytes in a `KeyValue`: tags and lengths of the `AnyValue` and of the
# text in it. Texts are what keys of many values have most.
_SHORT: Final = 512
_VALUE: Final = tag(2, LENGTH)
_TEXT: Final = tag(1, LENGTH)
_BEFORE_TEXT: Final = tuple(
    _VALUE + varint(len(_TEXT) + len(length) + size) + _TEXT + length
    for size, length in enumerate(map(varint, range(_SHORT)))
)


class Attributes:
    """Encodes the attributes of one kind of message.

    Any number of threads may use it at once: two that miss the same fragment both make it.
    """

    def __init__(self, field: int) -> None:
        """`field` is the number that the attributes have in that message."""
        self._tag = tag(field, LENGTH)
        # By type first, as 1 == 1.0 == True.
        self._kept: dict[type, dict[str, _Values]] = {kind: {} for kind in _LOOKED_UP}
        self._count = 0

    def __len__(self) -> int:
        """Keys and fragments that are kept."""
        of_keys = [values for keys in self._kept.values() for values in list(keys.values())]
        return len(of_keys) + sum(map(len, of_keys))

    def encode(self, attributes: Mapping[str, object] | None) -> bytes:
        """Return the fields, one after the other. Never raises."""
        if attributes is None:
            return b""
        kept = self._kept
        fields: list[bytes] = []
        try:
            if type(attributes) is BoundedAttributes:
                attributes = attributes.copy()  # Goes through them one by one, in Python.
            for key, value in attributes.items():
                # The plain dictionaries and the loop are twice as fast as anything tidier.
                try:
                    fields.append(kept[type(value)][key][value])
                except KeyError:
                    fields.append(self._of_new_key(key, value))
        except Exception:  # noqa: BLE001 - keys and mappings are the application's as well
            return self._encode_again(attributes)
        return b"".join(fields)

    def make_room(self) -> None:
        """Count one more; start all over when there are too many."""
        self._count += 1
        if self._count > MAX_KEPT:
            self._count = 1
            for keys in self._kept.values():
                keys.clear()

    def release(self, count: int) -> None:
        """Count some less."""
        self._count -= count

    def _of_new_key(self, key: str, value: object) -> bytes:
        values = _Values(self, self._tag, key, keeps=type(value) is not float)
        keys = self._kept.get(type(value))
        if keys is not None and type(key) is str and len(key) <= MAX_BYTES:
            self.make_room()
            keys[key] = values
            return values[value]
        return values.fragment(value)

    def _encode_again(self, attributes: Mapping[str, object]) -> bytes:
        """Encode what has changed meanwhile, or has keys that cannot be looked up."""
        try:
            pairs = list(attributes.items())
        except Exception:  # noqa: BLE001 - as above
            return b""
        return b"".join(
            _Values(self, self._tag, key, keeps=False).fragment(value) for key, value in pairs
        )


class _Values(dict[Any, bytes]):
    """The fragments of one key and one type, by value."""

    __slots__ = ("_keeps", "_key", "_owner", "_tag")

    def __init__(self, owner: Attributes, tag_: bytes, key: str, *, keeps: bool) -> None:
        self._owner = owner
        self._tag = tag_
        self._key = length_delimited(1, utf8(as_text(key)))
        self._keeps = keeps

    def fragment(self, value: object) -> bytes:
        if type(value) is str and len(text := utf8(value)) < _SHORT:
            end = self._key + _BEFORE_TEXT[len(text)] + text
        else:
            end = self._key + length_delimited(2, any_value(value))
        return self._tag + varint(len(end)) + end

    def __missing__(self, value: object) -> bytes:
        fragment = self.fragment(value)
        if self._keeps and len(fragment) <= MAX_BYTES:
            if len(self) < MAX_VALUES_OF_A_KEY:
                self._owner.make_room()
                self[value] = fragment
            else:
                self._keeps = False
                self._owner.release(len(self))
                self.clear()
        return fragment
