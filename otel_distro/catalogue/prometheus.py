"""The name that a metric has in Prometheus.

Source: https://github.com/prometheus/otlptranslator, strategy `UnderscoreEscapingWithSuffixes`, the
default of Prometheus and of the Collector's exporters. Tested against what it really makes.
"""

import re
from typing import Final

from otel_distro.catalogue.instrument import Instrument, Kind

# UCUM codes that the translator spells out; what it does not know it appends as it stands.
_UNITS: Final = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER: Final = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}


def prom_name(name: str, kind: Kind, unit: str) -> str:
    """Return the metric's name, without the `_bucket`, `_sum` and `_count` of a histogram."""
    tokens = [token for token in re.split(r"[^A-Za-z0-9:]", name) if token]
    main, _, per = unit.partition("/")
    unit_word, per_word = _spelled(main, _UNITS), _spelled_per(per)
    if unit_word and unit_word not in tokens:
        tokens.append(unit_word.removesuffix("_") if per_word else unit_word)
    if per_word:
        tokens.append(per_word)
    if kind.monotonic:
        tokens = [*(token for token in tokens if token != "total"), "total"]  # noqa: S105
    if kind.gauge and unit == "1":
        tokens = [*(token for token in tokens if token != "ratio"), "ratio"]  # noqa: S105
    joined = "_".join(tokens)
    return f"_{joined}" if joined[:1].isdigit() else joined


def prom_label(name: str) -> str:
    """Return an attribute's name as a label."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def series(instrument: Instrument) -> tuple[str, ...]:
    """Return the names of all series that an instrument makes, buckets classic."""
    name = prom_name(instrument.name, instrument.kind, instrument.unit)
    if instrument.kind is not Kind.HISTOGRAM:
        return (name,)
    return tuple(f"{name}_{part}" for part in ("bucket", "sum", "count"))


def _spelled(unit: str, words: dict[str, str]) -> str:
    text = unit.strip()
    if not text or "{" in text:
        return ""
    return re.sub(r"[^A-Za-z0-9:]+", "_", words.get(text, text)).removeprefix("_")


def _spelled_per(unit: str) -> str:
    word = _spelled(unit, _PER).removesuffix("_")
    return f"per_{word}" if word else ""
