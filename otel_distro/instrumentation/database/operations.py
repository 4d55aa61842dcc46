"""One statement: a client span and three measurements of one duration.

Names and attributes: https://opentelemetry.io/docs/specs/semconv/database/, stable.
"""

import time
from collections.abc import Mapping
from contextvars import Token as ContextToken
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple
from weakref import WeakSet, ref

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.semconv.attributes.db_attributes import (
    DB_COLLECTION_NAME,
    DB_NAMESPACE,
    DB_OPERATION_BATCH_SIZE,
    DB_OPERATION_NAME,
    DB_QUERY_SUMMARY,
    DB_QUERY_TEXT,
    DB_RESPONSE_STATUS_CODE,
    DB_SYSTEM_NAME,
)
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.trace import (
    INVALID_SPAN,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)

from otel_distro.governor import state
from otel_distro.instrumentation.database import sql
from otel_distro.instrumentation.database.instruments import Instruments
from otel_distro.instrumentation.database.naming import NO_TABLE, OTHER, name_of
from otel_distro.instruments.bound import Bound, bind
from otel_distro.notices import describe, notice

_Value = str | int
_STATEMENTS: Final = 512  # remembered
_READ: Final = 8192  # characters of a statement; with _STATEMENTS this bounds the memory
_TABLES: Final = 500  # names in time series; more are <other>
_cost: Final = state.point("database")
# Instrumentation libraries look for it: utils.is_instrumentation_enabled.
_SUPPRESSED: Final = "suppress_instrumentation"

# Connections of drivers whose statements are reported by the library above: no second span.
reported_above: Final[WeakSet[object]] = WeakSet()


@dataclass(eq=False, repr=False, slots=True)
class Target:
    """Where statements go. Compared by identity: get it from `target()`."""

    system: str
    namespace: str | None
    address: str | None
    port: int | None
    attributes: Mapping[str, _Value]


@lru_cache(maxsize=256)
def target(
    system: str, namespace: str | None = None, address: str | None = None, port: int | None = None
) -> Target:
    """Return the one `Target` of these values.

    Args:
        system: `db.system.name`.
        namespace: Name of the database.
        address: Host, or path of a socket.
        port: Where it listens.
    """
    attributes = {
        DB_SYSTEM_NAME: system,
        DB_NAMESPACE: namespace,
        SERVER_ADDRESS: address,
        SERVER_PORT: port,
    }
    known = {name: value for name, value in attributes.items() if value is not None}
    return Target(system, namespace, address, port, known)


def pool_name(driver: str, where: Target) -> str:
    """Return the name of a pool: driver, host and database, without credentials."""
    host = where.address or ""
    port = "" if where.port is None else f":{where.port}"
    return f"{driver}://{host}{port}/{where.namespace or ''}"


class _Prepared(NamedTuple):
    """All that is the same whenever a statement runs."""

    name: str
    on_span: Mapping[str, _Value]
    on_metric: Mapping[str, _Value]
    error: Mapping[str, _Value]
    # Of one that succeeds: its seconds, its milliseconds, and the count.
    operation_s: Bound
    query_ms: Bound
    queries: Bound


@dataclass(eq=False, repr=False, slots=True, weakref_slot=True)
class Running:
    """A statement on its way; `within` leads from its measurements to its span.

    Attributes:
        cost: Seconds that beginning it took, where it is one of those that are timed.
    """

    span: Span
    prepared: _Prepared
    within: Context
    token: ContextToken[Context] | None = None
    start: float = 0.0
    cost: float | None = None


class _While:
    """True as long as a statement is on its way.

    In the context it keeps drivers silent. Where the library never tells that a statement is
    over, its `Running` is collected with it, and they are heard again.
    """

    __slots__ = ("_running",)

    def __init__(self, running: Running) -> None:
        self._running = ref(running)

    def __bool__(self) -> bool:
        running = self._running()
        return running is not None and running.token is not None


class Operations:
    """Makes the spans and measurements. Raises nothing."""

    def __init__(self, tracer: Tracer, instruments: Instruments) -> None:
        self._tracer = tracer
        self._instruments = instruments
        self._tables: set[str] = set()
        self._prepared = lru_cache(_STATEMENTS)(self._prepare)

    def begin(self, text: str, where: Target, batch: int = 0) -> Running | None:
        """Begin a statement; return None where instrumentation is suppressed.

        Args:
            text: The statement, as it goes to the driver.
            where: To which database.
            batch: How often it is executed, if with several sets of parameters.
        """
        try:
            if not is_instrumentation_enabled():
                return None
            used = time.thread_time() if _cost.due() else None
            prepared = self._prepared(text if len(text) <= _READ else text[:_READ], where)
            current = context.get_current()
            if state.level < state.WITHOUT_DATABASE_SPANS:
                attributes = prepared.on_span
                if batch > 1:
                    attributes = {**attributes, DB_OPERATION_BATCH_SIZE: batch}
                span = self._tracer.start_span(
                    prepared.name, current, kind=SpanKind.CLIENT, attributes=attributes
                )
                running = Running(span, prepared, set_span_in_context(span, current))
            else:
                running = Running(INVALID_SPAN, prepared, current)
            # Not with the span: should the end never come, later spans must not be its children.
            running.token = context.attach(Context({**current, _SUPPRESSED: _While(running)}))
            if used is not None:
                running.cost = time.thread_time() - used
            running.start = time.perf_counter()
        except Exception as error:  # noqa: BLE001 - the application's statement goes on
            notice("database begin", f"a statement has no span ({describe(error)}).")
            return None
        return running

    def end(self, running: Running | None, error: BaseException | None = None) -> None:
        """End a statement that began, with what it raised. The second time does nothing."""
        if running is None or running.token is None:
            return
        try:
            elapsed = time.perf_counter() - running.start
            used = None if running.cost is None else time.thread_time() - running.cost
            token, running.token = running.token, None
            context.detach(token)
            self._end(running, elapsed, error)
            if used is not None:
                _cost.took(time.thread_time() - used)
        except Exception as failure:  # noqa: BLE001 - same
            notice("database end", f"a statement is not measured ({describe(failure)}).")

    def _end(self, running: Running, elapsed: float, error: BaseException | None) -> None:
        span, prepared, within = running.span, running.prepared, running.within
        if error is None:
            span.end()
            # The statement's own span, or the one that it is in where statements have none.
            span_context = get_current_span(within).get_span_context()
            exemplar = span_context if span_context.trace_flags.sampled else None
            prepared.operation_s.record(elapsed, exemplar)
            prepared.query_ms.record(elapsed * 1000, exemplar)
            prepared.queries.add(1, exemplar)
            return
        kind, code = error_of(error)
        span.set_attribute(ERROR_TYPE, kind)
        if code is not None:
            span.set_attribute(DB_RESPONSE_STATUS_CODE, code)
        # Not the message: databases quote rows in it.
        span.set_status(Status(StatusCode.ERROR, kind))
        span.end()
        instruments = self._instruments
        instruments.operation_s.record(elapsed, {**prepared.on_metric, ERROR_TYPE: kind}, within)
        instruments.query_ms.record(elapsed * 1000, prepared.error, within)
        instruments.queries.add(1, prepared.error, within)

    def _prepare(self, text: str, where: Target) -> _Prepared:
        syntax = sql.syntax_of(where.system)
        pieces = list(sql.tokens(text, syntax))
        operation, table = name_of(pieces)
        shown = sql.masked(pieces, syntax)
        if sql.doubtful(pieces, syntax):
            table, shown = NO_TABLE, ""
        table = self._bounded(table)
        named = table not in {NO_TABLE, OTHER}
        summary = " ".join(
            part for part, known in ((operation, operation != OTHER), (table, named)) if known
        )
        attributes = {
            DB_OPERATION_NAME: operation if operation != OTHER else None,
            DB_COLLECTION_NAME: table if named else None,
        }
        on_metric = dict(where.attributes)
        on_metric.update({name: value for name, value in attributes.items() if value})
        on_span = dict(on_metric)
        if summary:
            on_span[DB_QUERY_SUMMARY] = summary
        if shown:
            shown = shown.encode("utf-8", "replace").decode()  # a lone surrogate stops the export
            on_span[DB_QUERY_TEXT] = shown if len(text) < _READ else f"{shown}…"
        tags = {"table": table, "operation": operation}
        success, error = {**tags, "status": "success"}, {**tags, "status": "error"}
        for both in (success, error):
            self._instruments.queries.add(0, both)
        return _Prepared(
            summary or where.system,
            on_span,
            on_metric,
            error,
            bind(self._instruments.operation_s, on_metric),
            bind(self._instruments.query_ms, success),
            bind(self._instruments.queries, success),
        )

    def _bounded(self, table: str) -> str:
        table = table.encode("utf-8", "replace").decode()
        if table not in self._tables:
            if len(self._tables) >= _TABLES:
                return OTHER
            self._tables.add(table)
        return table


def error_of(error: BaseException) -> tuple[str, str | None]:
    """Return `error.type` and, where there is one, the database's own code."""
    cause = error
    if type(error).__module__.startswith("sqlalchemy.") and error.__cause__ is not None:
        cause = error.__cause__  # its adapters of asyncio drivers put the driver's error there
    kind = type(cause)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    for attribute in ("sqlstate", "pgcode", "sqlite_errorname"):
        code = getattr(cause, attribute, None)
        if isinstance(code, str):
            return name, code
    return name, None
