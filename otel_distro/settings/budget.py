"""What telemetry may cost."""

import math
from typing import Final

from otel_distro.settings import names
from otel_distro.settings.parsing import Invalid
from otel_distro.settings.reader import Reader

_DEFAULT: Final = 5.0
_MOST: Final = 100


def read_cpu_budget(reader: Reader) -> float:
    """Read what telemetry may take of a processor, in percent; 0 for whatever it takes."""
    return reader.get(names.CPU_BUDGET, _percent, _DEFAULT, instead=f"{_DEFAULT:g}")


def _percent(text: str) -> float:
    if text.lower() == "off":
        return 0.0
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= _MOST:
        raise Invalid(f"is not a number from 0 to {_MOST}", f"e.g. {_DEFAULT:g}, or off")
    return number
