"""How telemetry leaves the process. Knows nothing of Blipee.

    application ─► queue ─► writer: encodes, writes ahead ─► lane ─► sender: sends, retries
                                      │                       ▲
                                      └───────► spool ────────┘

Here is what can be said without importing anything: `pipeline` has the `Pipeline` and needs
OpenTelemetry's API, `sdk` has what the SDK's providers take and needs the SDK.
"""

from otel_distro.delivery.batching import Batching
from otel_distro.delivery.endpoint import Compression, Endpoint, Protocol
from otel_distro.delivery.ledger import Balance
from otel_distro.delivery.model import (
    DeliverySettings,
    HistogramAggregation,
    SpoolSettings,
    Temporality,
)
from otel_distro.delivery.signal import SIGNALS, Signal

__all__ = [
    "SIGNALS",
    "Balance",
    "Batching",
    "Compression",
    "DeliverySettings",
    "Endpoint",
    "HistogramAggregation",
    "Protocol",
    "Signal",
    "SpoolSettings",
    "Temporality",
]
