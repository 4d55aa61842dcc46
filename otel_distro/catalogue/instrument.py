"""What an entry of the catalogue says about an instrument."""

import math
import re
from enum import Enum
from typing import Final, Literal, NamedTuple

Origin = Literal["seed", "semconv", "application"]

# https://opentelemetry.io/docs/specs/otel/metrics/api/#instrument-name-syntax
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.\-/]{0,254}")
_MAX_UNIT: Final = 63


class Kind(Enum):
    """The instruments of the OpenTelemetry metrics API."""

    COUNTER = "counter"
    UP_DOWN_COUNTER = "updowncounter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"
    OBSERVABLE_COUNTER = "observable counter"
    OBSERVABLE_UP_DOWN_COUNTER = "observable updowncounter"
    OBSERVABLE_GAUGE = "observable gauge"

    @property
    def monotonic(self) -> bool:
        """Whether its value only grows."""
        return self in {Kind.COUNTER, Kind.OBSERVABLE_COUNTER}

    @property
    def gauge(self) -> bool:
        """Whether its last value counts."""
        return self in {Kind.GAUGE, Kind.OBSERVABLE_GAUGE}


class Attribute(NamedTuple):
    """An attribute that an instrument's measurements carry.

    Attributes:
        name: As OpenTelemetry has it, with dots.
        values: All it can be; empty where the application has a bounded set of its own.
    """

    name: str
    values: tuple[str, ...] = ()


class Instrument(NamedTuple):
    """One instrument: everything that names a metric is derived from these entries.

    Attributes:
        name: As emitted.
        kind: Of the OpenTelemetry metrics API.
        unit: UCUM code, or a word in braces for things that are counted.
        description: One sentence, shown by backends.
        attributes: All that its measurements may carry.
        buckets: Upper bounds of a histogram's buckets, in its unit, ascending.
        capacity: Name of the instrument that holds the most this one can be.
        twin: Name of the semantic-convention instrument fed by the same measurement.
        component: What of the platform it tells about; also the alert label.
        origin: Whose name it is.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    attributes: tuple[Attribute, ...] = ()
    buckets: tuple[float, ...] = ()
    capacity: str | None = None
    twin: str | None = None
    component: str = "application"
    origin: Origin = "application"

    @property
    def attribute_names(self) -> frozenset[str]:
        """The names of its attributes."""
        return frozenset(attribute.name for attribute in self.attributes)

    def problem(self) -> str | None:
        """Return what is wrong with the entry, None for nothing."""
        histogram = self.kind is Kind.HISTOGRAM
        checks = (
            (
                _NAME.fullmatch(self.name) is None,
                "is no instrument name: letters, digits and _ . - / after a letter",
            ),
            (
                self.name != self.name.lower(),
                "has capitals, which the SDK makes small; write it small",
            ),
            (
                not self.unit.isascii() or len(self.unit) > _MAX_UNIT,
                f"has a unit that is not at most {_MAX_UNIT} ASCII characters; use a UCUM code",
            ),
            (histogram and not self.buckets, "is a histogram without buckets; give their bounds"),
            (
                not histogram and bool(self.buckets),
                "has buckets and is no histogram; leave them out",
            ),
            (
                not all(math.isfinite(bound) for bound in self.buckets),
                "has a bucket bound that is no finite number; leave it out",
            ),
            (
                list(self.buckets) != sorted(set(self.buckets)),
                "has buckets that do not ascend; sort them, each once",
            ),
            (
                len(self.attribute_names) != len(self.attributes),
                "declares an attribute twice; declare it once",
            ),
        )
        return next((f"{self.name} {what}" for wrong, what in checks if wrong), None)
