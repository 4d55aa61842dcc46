"""Puts encoded records into chunks: by resource, by whether they are failures, by scope."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_distro.delivery.encoding.attributes import Attributes
from otel_distro.delivery.encoding.chunk import Chunk
from otel_distro.delivery.encoding.fields import text
from otel_distro.delivery.encoding.wire import length_delimited, varint

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

MAX_BYTES: Final = 1_000_000

_KNOWN: Final = 256  # resources and scopes: an application has a handful
_FRAME: Final = 6  # bytes of a tag and a length, at most


class Encoded(NamedTuple):
    """What became of some records.

    Attributes:
        chunks: Ordered by their first record.
        unencodable: Records (of metrics: data points) that could not even be read; they are in
            no chunk.
    """

    chunks: list[Chunk]
    unencodable: int


class Grouping:
    """The records of one call on their way into chunks of at most `max_bytes`.

    A record that is larger than that has a chunk of its own.
    """

    def __init__(self, max_bytes: int) -> None:
        self.unencodable = 0
        self._max_bytes = max_bytes
        self._chunks: list[_Open] = []
        self._open: dict[tuple[bytes, bool], _Open] = {}
        # Where records of the same objects went. With these, so that no others get their ids.
        self._places: dict[tuple[int, int, bool], tuple[_Open, list[bytes], object, object]] = {}

    def add(
        self,
        resource: "Resource | None",
        scope: "InstrumentationScope | None",
        record: bytes,
        *,
        errors: bool = False,
    ) -> None:
        """Take the fields of one record."""
        size = len(record) + _FRAME
        place = self._places.get((id(resource), id(scope), errors))
        if place is None or place[0].room < size:
            place = self._find_place(resource, scope, errors, size)
        place[0].room -= size
        place[1].append(record)

    def add_points(
        self, resource: "Resource", scope: "InstrumentationScope", record: bytes, count: int
    ) -> None:
        """Take the fields of a metric with `count` data points."""
        self.add(resource, scope, record)
        chunk, *_ = self._places[id(resource), id(scope), False]
        chunk.more += count - 1

    def room(self, resource: "Resource", scope: "InstrumentationScope") -> int:
        """Return how many bytes a record may have at most."""
        around = len(_resource_fields(resource)) + len(_scope_fields(scope)) + 2 * _FRAME
        return self._max_bytes - around

    def encoded(self) -> Encoded:
        """Return the chunks."""
        return Encoded([chunk.closed() for chunk in self._chunks], self.unencodable)

    def _find_place(
        self,
        resource: "Resource | None",
        scope: "InstrumentationScope | None",
        errors: bool,  # noqa: FBT001 - no option: half of what a chunk is found by
        size: int,
    ) -> "tuple[_Open, list[bytes], object, object]":
        """Return the chunk for a record of `size`, and the records of its scope in there."""
        of_resource = _resource_fields(resource)
        of_scope = _scope_fields(scope)
        size_of_scope = len(of_scope) + _FRAME
        chunk = self._open.get((of_resource, errors))
        if chunk is None or chunk.room < size + (of_scope not in chunk.scopes) * size_of_scope:
            if chunk is not None:
                chunk.room = 0  # What is small would still fit, and overtake others of its scope.
            room = self._max_bytes - len(of_resource)
            chunk = self._open[of_resource, errors] = _Open(of_resource, errors=errors, room=room)
            self._chunks.append(chunk)
        if of_scope not in chunk.scopes:
            chunk.scopes[of_scope] = []
            chunk.room -= size_of_scope
        place = chunk, chunk.scopes[of_scope], resource, scope
        self._places[id(resource), id(scope), errors] = place
        return place


class _Open:
    """A chunk that is being filled.

    Attributes:
        scopes: Records, by the other fields of their scope.
        room: Bytes that are left; rather a few too small than too large.
        more: Data points beyond one in each record.
    """

    __slots__ = ("_errors", "_resource", "more", "room", "scopes")

    def __init__(self, resource: bytes, *, errors: bool, room: int) -> None:
        self.scopes: dict[bytes, list[bytes]] = {}
        self.room = room
        self.more = 0
        self._resource = resource
        self._errors = errors

    def closed(self) -> Chunk:
        scopes = b"".join(
            length_delimited(2, fields + b"".join(map(_record, records)))
            for fields, records in self.scopes.items()
        )
        count = sum(map(len, self.scopes.values())) + self.more
        return Chunk(self._resource, scopes, count, self._errors)


def _record(fields: bytes) -> bytes:
    return b"\x12" + varint(len(fields)) + fields


class _Kept:
    """Keeps what some object was encoded to: it is the same object each time, and immutable.

    By identity, as the SDK hashes a resource by writing all of it as JSON.
    """

    def __init__(self, encode: Callable[[Any], bytes]) -> None:
        self._encode = encode
        # With the object, so that no other one can get its `id`.
        self._kept: dict[int, tuple[object, bytes]] = {}

    def __call__(self, what: object) -> bytes:
        kept = self._kept.get(id(what))
        if kept is not None:
            return kept[1]
        encoded = self._encode(what)
        if len(self._kept) >= _KNOWN:
            self._kept.clear()
        self._kept[id(what)] = what, encoded
        return encoded

    def __len__(self) -> int:
        return len(self._kept)


def _encode_resource(resource: "Resource | None") -> bytes:
    if resource is None:
        return length_delimited(1, b"")
    attributes = _RESOURCE_ATTRIBUTES.encode(resource.attributes)
    return length_delimited(1, attributes) + text(3, resource.schema_url)


def _encode_scope(scope: "InstrumentationScope | None") -> bytes:
    if scope is None:
        return length_delimited(1, b"")
    fields = (
        text(1, scope.name),
        text(2, scope.version),
        _SCOPE_ATTRIBUTES.encode(scope.attributes),
    )
    return length_delimited(1, b"".join(fields)) + text(3, scope.schema_url)


_RESOURCE_ATTRIBUTES: Final = Attributes(1)
_SCOPE_ATTRIBUTES: Final = Attributes(3)
_resource_fields: Final = _Kept(_encode_resource)
_scope_fields: Final = _Kept(_encode_scope)
