"""What came of one request."""

from typing import NamedTuple, Protocol


class Accepted(NamedTuple):
    """The other side has it.

    Attributes:
        rejected: Records it says it did not take (partial success); not to be sent again.
        message: What it said about that.
    """

    rejected: int = 0
    message: str = ""


class Unavailable(NamedTuple):
    """To be tried again.

    Attributes:
        cause: For a person, e.g. `connection refused`.
        after_s: Seconds the other side asked to be left alone.
        slowly: Whether it needs a person first (a missing token, a wrong certificate), so that
            trying every second is no use.
        perhaps_received: Whether the request may have arrived and only its answer is missing.
    """

    cause: str
    after_s: float | None = None
    slowly: bool = False
    perhaps_received: bool = False


class Refused(NamedTuple):
    """Not to be tried again.

    Attributes:
        cause: For a person, with what is likely wrong.
        reason: For the ledger: `error.type`, e.g. `400` or `INVALID_ARGUMENT`.
    """

    cause: str
    reason: str


class TooLarge(NamedTuple):
    """To be tried again in smaller parts."""

    cause: str


Outcome = Accepted | Unavailable | Refused | TooLarge


class Transport(Protocol):
    """Sends the requests of one signal to one endpoint. Used by one thread at a time."""

    def send(self, body: bytes, timeout_s: float) -> Outcome:
        """Send one `Export*ServiceRequest`. Blocks for at most about `timeout_s`. Never raises."""
        ...

    def close(self) -> None:
        """Close the connection; a later `send` opens a new one. Never raises."""
        ...
