"""The fields that every line of a request has, wherever in the request it is logged.

They live in a context variable that holds a mapping nobody changes: a task sees what was there
when it was created, and what it sets itself is seen by it and its children only.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType, TracebackType
from typing import Final, Self, TypeAlias
from uuid import UUID

from otel_distro.logger.values import DROPPED, Plain, clean_fields

Fields: TypeAlias = Mapping[str, Plain]


class _Unsaid:
    """Stands for a field that was not mentioned: None takes one away."""

    def __repr__(self) -> str:
        return "<not given>"


UNSAID: Final = _Unsaid()
Id: TypeAlias = str | int | UUID | _Unsaid | None

# The fields that have a name of their own in OpenTelemetry or in Blipee OS, and which one.
# user.id: https://opentelemetry.io/docs/specs/semconv/registry/attributes/user/
# gen_ai.conversation.id: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
NAMED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "user_id": "user.id",
        "organization_id": "organization.id",
        "request_id": "request.id",
        "agent_id": "agent.id",
        "conversation_id": "gen_ai.conversation.id",
    }
)
MAX_FIELDS: Final = 64

# A plain dictionary, which nobody changes: records with it are pickled.
NOTHING: Final[Fields] = {}
_current: ContextVar[Fields] = ContextVar("otel_distro_log_context", default=NOTHING)
# The blocks that are open, each with what was before it. Not tokens: those raise for a generator
# that is entered in one task and closed by another, and cannot be shared between tasks.
_blocks: ContextVar[tuple[tuple["context", Fields], ...]] = ContextVar(
    "otel_distro_log_blocks", default=()
)


# Returns the fields of the running task or thread, not to be changed; and makes others those. The
# variable's own methods: each request calls them.
current_fields: Final = _current.get
replace_fields: Final = _current.set


def merge(below: Fields, above: Fields) -> Fields:
    """Return both; of a field in both, the one above. None takes a field away."""
    if not above:
        return below
    merged = {key: value for key, value in {**below, **above}.items() if value is not None}
    if len(merged) <= MAX_FIELDS and DROPPED not in merged:
        return merged
    merged.pop(DROPPED, None)
    # The newest are of use: a program that adds fields without end did not mean the first ones.
    newest = dict(list(merged.items())[-MAX_FIELDS:])
    left_out = len(merged) - len(newest) + _dropped(below) + _dropped(above)
    return {**newest, DROPPED: left_out}


def fields_of(**fields: object) -> Fields:
    """Return the fields that were given, safe to render and to send."""
    return clean_fields(
        {key: value for key, value in fields.items() if value is not UNSAID}, MAX_FIELDS
    )


def set_context(
    *,
    user_id: Id = UNSAID,
    organization_id: Id = UNSAID,
    request_id: Id = UNSAID,
    agent_id: Id = UNSAID,
    conversation_id: Id = UNSAID,
    **fields: object,
) -> None:
    """Add fields to every line of this request or task, from here on. Never raises.

    All loggers have them, those of standard `logging` too. A field that is there already is
    replaced, None takes it away.

    Args:
        user_id: Who asked; exported as `user.id`.
        organization_id: For which organization; `organization.id`.
        request_id: In which request; `request.id`.
        agent_id: Which agent is at work; `agent.id`.
        conversation_id: In which conversation; `gen_ai.conversation.id`.
        fields: Any others, exported under their own names.
    """
    added = fields_of(
        user_id=user_id,
        organization_id=organization_id,
        request_id=request_id,
        agent_id=agent_id,
        conversation_id=conversation_id,
        **fields,
    )
    _current.set(merge(_current.get(), added))


def clear_context() -> None:
    """Take all fields away from this request or task, as a long-lived worker does."""
    _current.set(NOTHING)


class context:  # noqa: N801 - reads as the statement that it is: `with context(request_id=...)`
    """Adds fields for the length of a `with` block. Never raises.

    What `set_context` adds inside the block ends with it as well. The arguments are those of
    `set_context`.
    """

    __slots__ = ("_added",)

    def __init__(
        self,
        *,
        user_id: Id = UNSAID,
        organization_id: Id = UNSAID,
        request_id: Id = UNSAID,
        agent_id: Id = UNSAID,
        conversation_id: Id = UNSAID,
        **fields: object,
    ) -> None:
        self._added = fields_of(
            user_id=user_id,
            organization_id=organization_id,
            request_id=request_id,
            agent_id=agent_id,
            conversation_id=conversation_id,
            **fields,
        )

    def __enter__(self) -> Self:
        before = _current.get()
        _blocks.set((*_blocks.get(), (self, before)))
        _current.set(merge(before, self._added))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        blocks = _blocks.get()
        for depth in range(len(blocks) - 1, -1, -1):
            entered, before = blocks[depth]
            if entered is self:
                _current.set(before)
                _blocks.set(blocks[:depth])
                return


def _dropped(fields: Fields) -> int:
    count = fields.get(DROPPED)
    return count if isinstance(count, int) else 0
