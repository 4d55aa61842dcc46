"""Why records are lost here. Other reasons are the endpoint's: a status, a gRPC code."""

from typing import Final

QUEUE_FULL: Final = "queue_full"
MEMORY_FULL: Final = "memory_full"
SPOOL_FULL: Final = "spool_full"
EXPIRED: Final = "expired"
CORRUPT: Final = "corrupt"
UNENCODABLE: Final = "unencodable"
TOO_LARGE: Final = "too_large"
REJECTED: Final = "rejected"
NOT_STORED: Final = "not_stored"
STOPPED: Final = "stopped"

OWN: Final = (
    QUEUE_FULL,
    MEMORY_FULL,
    SPOOL_FULL,
    EXPIRED,
    CORRUPT,
    UNENCODABLE,
    TOO_LARGE,
    REJECTED,
    NOT_STORED,
    STOPPED,
)
