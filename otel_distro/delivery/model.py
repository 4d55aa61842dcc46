"""How a pipeline delivers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from otel_distro.delivery.batching import Batching
from otel_distro.delivery.endpoint import Endpoint
from otel_distro.delivery.signal import Signal

# Says something to the person who runs the application, once for each key.
Notice = Callable[[str, str], None]
Temporality = Literal["cumulative", "delta", "lowmemory"]
HistogramAggregation = Literal["explicit_bucket_histogram", "base2_exponential_bucket_histogram"]


class SpoolSettings(NamedTuple):
    """Where the spool is, and how much may be there.

    Attributes:
        root: The folder, shared by processes.
        service: Processes take over only what was left by the same service.
        max_bytes: Of the whole folder.
        retention_s: Seconds after which what was not delivered is dropped.
        fsync: Whether each write waits for the disk: survives the machine, not only the process.
    """

    root: Path
    service: str
    max_bytes: int = 256 * 1024 * 1024
    retention_s: float = 48 * 3600
    fsync: bool = False


class DeliverySettings(NamedTuple):
    """How a pipeline delivers.

    Attributes:
        endpoints: Where each signal goes; one that is not in it goes nowhere.
        batching: How each is gathered.
        spool: Where what cannot be delivered waits; None for memory only.
        window_s: Seconds of data that a killed process may lose: records are encoded and written
            to the spool at least so often.
    """

    endpoints: Mapping[Signal, Endpoint]
    batching: Mapping[Signal, Batching]
    spool: SpoolSettings | None = None
    window_s: float = 0.2
