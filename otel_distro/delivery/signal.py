"""The three signals."""

from typing import Final, Literal

Signal = Literal["traces", "metrics", "logs"]
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics", "logs")

# What one record of each is called, to people.
NOUNS: Final[dict[Signal, str]] = {
    "traces": "spans",
    "metrics": "metric points",
    "logs": "log records",
}
