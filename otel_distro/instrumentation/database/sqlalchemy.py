"""SQLAlchemy: a span and measurements for each statement, and the state of its pools.

By its public events on `Engine`, so engines made before and after, synchronous and asynchronous,
ORM and Core are covered, from 2.0 on. Upstream's instrumentor leaves 2.1 out, and has no
histogram, no maximum of a pool and no time waited.
"""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final
from weakref import WeakKeyDictionary

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.trace import get_tracer
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, ExceptionContext
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import Pool, PoolProxiedConnection, QueuePool

from otel_distro.instrumentation.database.instruments import instruments
from otel_distro.instrumentation.database.operations import (
    Operations,
    Running,
    Target,
    pool_name,
    reported_above,
    target,
)
from otel_distro.instrumentation.database.pools import Reading, Waits
from otel_distro.instruments.recorder import SCOPE
from otel_distro.notices import describe, notice
from otel_distro.version import __version__

# `db.system.name` by SQLAlchemy's name of the dialect, where they differ.
_SYSTEMS: Final = {
    "postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mariadb",
    "sqlite": "sqlite",
    "oracle": "oracle.db",
    "mssql": "microsoft.sql_server",
    "cockroachdb": "cockroachdb",
    "clickhouse": "clickhouse",
    "redshift": "aws.redshift",
}
_RUNNING: Final = "_otel_distro_running"
_POOL: Final = "otel_distro.pool"


class SQLAlchemyInstrumentor(BaseInstrumentor):
    """Instruments every engine, whenever it was made."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions that are supported."""
        return ("sqlalchemy >= 2.0",)

    def _instrument(self, **kwargs: Any) -> None:
        tracer = get_tracer(SCOPE, __version__, kwargs.get("tracer_provider"))
        self._shared = instruments(kwargs.get("meter_provider"))
        pools = self._pools = _Pools(Waits(self._shared))
        statements = _Statements(Operations(tracer, self._shared), pools)
        self._listeners: list[tuple[type, str, Callable[..., Any]]] = [
            (Engine, "before_cursor_execute", statements.begin),
            (Engine, "after_cursor_execute", statements.end),
            (Engine, "handle_error", statements.fail),
            (Pool, "first_connect", _report_here),  # comes before `connect`, and executes
            (Pool, "connect", _report_here),
            (Pool, "checkin", pools.returned),
            (Pool, "detach", pools.returned),
        ]
        for of, name, listener in self._listeners:
            event.listen(of, name, listener)
        self._shared.sources.append(pools.read)

        original = self._raw_connection = Engine.raw_connection

        def raw_connection(engine: Engine) -> PoolProxiedConnection:
            state = pools.of(engine)
            if state is None:
                return original(engine)
            at_hand = pools.idle(engine) > 0
            with pools.waits.waiting(lambda: state.name, PoolTimeoutError, at_hand=at_hand):
                connection = original(engine)
            pools.taken(state, connection)
            return connection

        Engine.raw_connection = raw_connection  # type: ignore[method-assign, assignment]

    def _uninstrument(self, **_kwargs: Any) -> None:
        Engine.raw_connection = self._raw_connection  # type: ignore[method-assign]
        for of, name, listener in self._listeners:
            event.remove(of, name, listener)
        self._shared.sources.remove(self._pools.read)


class _Statements:
    """The events of a statement. The running one is kept on SQLAlchemy's execution context."""

    def __init__(self, operations: Operations, pools: "_Pools") -> None:
        self._operations = operations
        self._pools = pools

    def begin(  # noqa: PLR0913, PLR0917 - SQLAlchemy's signature
        self,
        conn: Connection,
        cursor: Any,  # noqa: ARG002
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,  # noqa: FBT001
    ) -> None:
        state = self._pools.of(conn.engine)
        # Dialects probe with statements that may fail; of those we would not hear the end.
        if state is None or context.execution_options.get("skip_user_error_events"):
            return
        many = executemany and isinstance(parameters, list)
        running = self._operations.begin(statement, state.where, len(parameters) if many else 0)
        try:
            setattr(context, _RUNNING, running)
        except Exception as error:  # noqa: BLE001 - contexts of strangers' dialects
            self._operations.end(running)
            notice("database context", f"statements are not measured ({describe(error)}).")

    def end(  # noqa: PLR0913, PLR0917 - SQLAlchemy's signature
        self,
        conn: Connection,  # noqa: ARG002
        cursor: Any,  # noqa: ARG002
        statement: str,  # noqa: ARG002
        parameters: Any,  # noqa: ARG002
        context: Any,
        executemany: bool,  # noqa: ARG002, FBT001
    ) -> None:
        self._operations.end(_taken_from(context))

    def fail(self, exception_context: ExceptionContext) -> None:
        running = _taken_from(exception_context.execution_context)
        self._operations.end(running, exception_context.original_exception)


def _taken_from(context: Any) -> Running | None:
    running: Running | None = getattr(context, _RUNNING, None)
    if running is not None:
        setattr(context, _RUNNING, None)
    return running


def _report_here(dbapi_connection: Any, connection: Any) -> None:
    """Keep our asyncpg instrumentation silent about what SQLAlchemy does with a connection."""
    if type(dbapi_connection).__module__ == "sqlalchemy.dialects.postgresql.asyncpg":
        reported_above.add(connection.driver_connection)


@dataclass(eq=False, repr=False, slots=True)
class _State:
    """What we know about a pool; `taken` are those of its connections that are in use."""

    name: str
    where: Target
    taken: set[int] = field(default_factory=set)


class _Pools:
    """The pools of all engines that were used."""

    def __init__(self, waits: Waits) -> None:
        self.waits = waits
        self._states: WeakKeyDictionary[Pool, _State] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, engine: Engine) -> _State | None:
        """Return what is known about an engine's pool, None where that fails."""
        try:
            pool = engine.pool
            state = self._states.get(pool)
            if state is None:
                where = _where(engine)
                name = getattr(pool, "logging_name", None) or pool_name(
                    f"{engine.name}+{engine.driver}", where
                )
                with self._lock:
                    state = self._states.setdefault(pool, _State(name, where))
                self.waits.begin(name)
        except Exception as error:  # noqa: BLE001 - dialects and pools of strangers
            notice("database pool", f"an engine is not instrumented ({describe(error)}).")
            return None
        return state

    @staticmethod
    def idle(engine: Engine) -> int:
        """Return how many connections are at hand, as far as the pool tells."""
        with suppress(Exception):
            if isinstance(engine.pool, QueuePool):
                return engine.pool.checkedin()
        return 0

    @staticmethod
    def taken(state: _State, connection: PoolProxiedConnection) -> None:
        """Count a connection as used; pools other than QueuePool don't do it themselves."""
        try:
            _report_here(connection.dbapi_connection, connection)
            info = connection.record_info
            if info is not None:
                info[_POOL] = state
                state.taken.add(id(info))
        except Exception as error:  # noqa: BLE001 - pools of strangers
            notice("database pool taken", f"a pool is not counted ({describe(error)}).")

    @staticmethod
    def returned(_dbapi_connection: Any, connection_record: Any) -> None:
        """Count a connection as no longer used."""
        with suppress(Exception):
            info = connection_record.record_info
            state = info.pop(_POOL, None)
            if state is not None:
                state.taken.discard(id(info))

    def read(self) -> Iterator[Reading]:
        """Yield how full each pool is."""
        with self._lock:
            states = list(self._states.items())
        for pool, state in states:
            if not isinstance(pool, QueuePool):
                yield Reading(state.name, len(state.taken))
                continue
            try:
                limit = limit_of(pool)
            except AttributeError:
                notice("database pool limit", "SQLAlchemy has changed: pools have no maximum.")
                limit = None
            yield Reading(state.name, pool.checkedout(), pool.checkedin(), limit)


def limit_of(pool: QueuePool) -> int | None:
    """Return how many connections a pool may open, None for any number.

    `_max_overflow` is private to SQLAlchemy, and the only place that knows it; a test holds it.
    """
    overflow: int = pool._max_overflow  # noqa: SLF001
    return None if overflow < 0 else pool.size() + overflow


def _where(engine: Engine) -> Target:
    url = engine.url
    name = engine.dialect.name
    system = _SYSTEMS.get(name, "other_sql")
    if system == "sqlite":
        return target(system, _file_name(url))
    address, port = url.host, url.port
    if address is None:
        address = _first(url.query.get("host"))  # how Postgres drivers take sockets and lists
    return target(system, url.database, address, port)


def _file_name(url: URL) -> str:
    # Folders hold user names and change with each deployment; a file: URI has settings after it.
    database = (url.database or ":memory:").partition("?")[0]
    return PurePath(database).name or database


def _first(value: Any) -> str | None:
    text = value if isinstance(value, str) else next(iter(value or ()), None)
    return text.partition(",")[0] if text else None
