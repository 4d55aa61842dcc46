"""How records are gathered before they are sent."""

from typing import Final, NamedTuple

# The specification's size of a batch: so many are sent without waiting for more.
_ENOUGH: Final = 512


class Batching(NamedTuple):
    """How the records of one signal are queued and sent together.

    Source: https://opentelemetry.io/docs/specs/otel/trace/sdk/#batching-processor; the sizes are
    above its defaults (2,048 and 512), so that a burst is not lost and a backlog goes quickly.

    Attributes:
        max_queue_size: Records held before they are encoded; with more of them the oldest go.
        max_export_batch_size: Records in one request.
        schedule_delay_ms: Milliseconds a record waits at most for company.
        export_timeout_ms: Milliseconds one request may take.
    """

    max_queue_size: int = 16_384
    max_export_batch_size: int = 4096
    schedule_delay_ms: int = 5000
    export_timeout_ms: int = 30_000

    @property
    def enough(self) -> int:
        """Records that are worth a request before the delay is over."""
        return min(_ENOUGH, self.max_export_batch_size)
