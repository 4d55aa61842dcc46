"""The five levels, by their names and by the numbers that standard `logging` has for them."""

import logging
from typing import Final, Literal

Level = Literal["debug", "info", "warn", "error", "fatal"]

# The lowest number of each; what is in between belongs to the one below.
_NAMES: Final[tuple[tuple[int, Level], ...]] = (
    (logging.CRITICAL, "fatal"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warn"),
    (logging.INFO, "info"),
)


def level_name(number: int) -> Level:
    """Return the name of a level of standard `logging`, also of one in between."""
    for lowest, name in _NAMES:
        if number >= lowest:
            return name
    return "debug"
