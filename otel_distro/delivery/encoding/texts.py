"""Texts that come again and again: names of spans, severities."""

from typing import Final

from otel_distro.delivery.encoding.fields import text

MAX_TEXTS: Final = 1024
MAX_LENGTH: Final = 256


class Texts(dict[str, bytes]):
    """The fields of one number, by text. Any number of threads may use it at once."""

    def __init__(self, field: int) -> None:
        self._field = field

    def field(self, value: object) -> bytes:
        """Return the field that holds `value`. Never raises."""
        # Only exact types: anything else may compare equal, or raise when it is hashed.
        return self[value] if type(value) is str else text(self._field, value)

    def __missing__(self, value: str) -> bytes:
        field = text(self._field, value)
        if len(value) <= MAX_LENGTH:
            if len(self) >= MAX_TEXTS:
                self.clear()
            self[value] = field
        return field
