"""Encoded records that can be joined into one request without decoding them."""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from otel_distro.delivery.encoding.wire import length_delimited


class Chunk(NamedTuple):
    """Records of one signal and one resource, as OTLP protobuf.

    The three signals' messages have the same shape: a request holds `Resource*` messages (field
    1), each of these a resource (1), scopes with their records (2, repeated) and a schema URL (3).
    Protobuf joins repeated fields by writing one after the other, so chunks of one resource
    become one `Resource*` message by putting their scopes together.

    Source: https://opentelemetry.io/docs/specs/otlp/

    Attributes:
        resource: The fields 1 and 3 of the `Resource*` message.
        scopes: Its fields 2.
        count: Spans, log records or metric data points in it.
        errors: Whether it holds failures: failed spans, log records of severity ERROR or above.
            These are the last to go where something has to.
    """

    resource: bytes
    scopes: bytes
    count: int  # type: ignore[assignment]  # a method of tuples
    errors: bool = False

    @property
    def size(self) -> int:
        """Bytes it takes."""
        return len(self.resource) + len(self.scopes)


def join(chunks: Iterable[Chunk]) -> bytes:
    """Return the body of one `Export*ServiceRequest` that holds all of `chunks`, in order."""
    return b"".join(
        length_delimited(1, resource + b"".join(chunk.scopes for chunk in same))
        for resource, same in groupby(chunks, attrgetter("resource"))
    )
