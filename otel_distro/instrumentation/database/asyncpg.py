"""asyncpg: a span and measurements for each statement, and the state of its pools.

Wraps the public methods that execute. asyncpg's query loggers would not do: they must be added to
each connection, hear nothing of prepared statements and cursors, and are called afterwards.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Generator, Iterator
from functools import partial, wraps
from typing import Any, Final

from asyncpg import Connection, InterfaceError
from asyncpg.cursor import CursorFactory
from asyncpg.pool import Pool, PoolAcquireContext
from asyncpg.prepared_stmt import PreparedStatement
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import get_tracer

from otel_distro.instrumentation.database.instruments import Instruments, instruments
from otel_distro.instrumentation.database.operations import (
    Operations,
    Target,
    pool_name,
    reported_above,
    target,
)
from otel_distro.instrumentation.database.pools import Reading, Waits
from otel_distro.instruments.recorder import SCOPE
from otel_distro.notices import describe, notice
from otel_distro.version import __version__

_SYSTEM: Final = "postgresql"
_MANY: Final = frozenset({"executemany", "fetchmany"})
_Method = Callable[..., Any]
_TextOf = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


class AsyncPGInstrumentor(BaseInstrumentor):
    """Instruments every connection and pool, whenever it was made."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the versions that are supported."""
        return ("asyncpg >= 0.28",)

    def _instrument(self, **kwargs: Any) -> None:
        tracer = get_tracer(SCOPE, __version__, kwargs.get("tracer_provider"))
        shared = self._shared = instruments(kwargs.get("meter_provider"))
        operations = Operations(tracer, shared)
        self._originals: list[tuple[type, str, _Method]] = []
        self._pools = _Pools(shared)

        for name in ("execute", "executemany", "fetch", "fetchval", "fetchrow", "fetchmany"):
            self._wrap(Connection, name, _executing(operations, _given, many=name in _MANY))
        for name in ("executemany", "fetch", "fetchval", "fetchrow", "fetchmany"):
            self._wrap(PreparedStatement, name, _executing(operations, _own, many=name in _MANY))
        for name in ("copy_from_table", "copy_to_table", "copy_records_to_table"):
            self._wrap(Connection, name, _executing(operations, _copying))
        self._wrap(Connection, "copy_from_query", _executing(operations, _given))
        self._wrap(Connection, "cursor", _cursor(operations, _given))
        self._wrap(PreparedStatement, "cursor", _cursor(operations, _own))
        self._wrap(Connection, "reset", _silent)
        self._wrap(PoolAcquireContext, "__aenter__", self._pools.entering)
        self._wrap(PoolAcquireContext, "__await__", self._pools.awaiting)
        shared.sources.append(self._pools.read)

    def _uninstrument(self, **_kwargs: Any) -> None:
        for of, name, original in self._originals:
            setattr(of, name, original)
        self._shared.sources.remove(self._pools.read)

    def _wrap(self, of: type, name: str, wrapper: Callable[[_Method], _Method]) -> None:
        original = of.__dict__.get(name)
        if original is not None:  # `fetchmany` is younger than the oldest version supported
            self._originals.append((of, name, original))
            setattr(of, name, wraps(original)(wrapper(original)))


def target_of(resource: Any) -> Target:
    """Return where a connection goes, or that of a prepared statement.

    `_connection`, `_addr` and `_params` are private to asyncpg. It shows the last two only to
    query loggers, after a statement; a test holds all three.
    """
    connection = getattr(resource, "_connection", resource)
    address: Any = connection._addr  # noqa: SLF001
    host, port = address if isinstance(address, tuple) else (address, None)
    return target(_SYSTEM, connection._params.database, host, port)  # noqa: SLF001


def _given(_resource: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else kwargs.get("query", kwargs.get("command"))


def _own(prepared: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
    return prepared.get_query()


def _copying(_resource: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = '"{}"'.format(args[0] if args else kwargs.get("table_name"))
    schema = kwargs.get("schema_name")
    return f'COPY "{schema}".{name}' if schema else f"COPY {name}"


class _Statements:
    """Begins statements, of all that asyncpg executes them with."""

    def __init__(self, operations: Operations, text_of: _TextOf) -> None:
        self.operations = operations
        self._text_of = text_of

    def find(
        self, resource: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[str, Target] | None:
        """Return text and target, None for what is reported elsewhere or raises by itself."""
        try:
            if getattr(resource, "_connection", resource) in reported_above:
                return None
            text = self._text_of(resource, args, kwargs)
            return (text, target_of(resource)) if isinstance(text, str) else None
        except InterfaceError:
            return None  # of a closed connection; what was called will say so itself
        except Exception as error:  # noqa: BLE001 - another asyncpg
            notice("asyncpg", f"a statement of asyncpg has no span ({describe(error)}).")
            return None


def _executing(
    operations: Operations, text_of: _TextOf, *, many: bool = False
) -> Callable[[_Method], _Method]:
    statements = _Statements(operations, text_of)

    def wrapper(original: _Method) -> _Method:
        async def executing(resource: Any, *args: Any, **kwargs: Any) -> Any:
            found = statements.find(resource, args, kwargs)
            if found is None:
                return await original(resource, *args, **kwargs)
            sets = args[-1] if args else kwargs.get("args")
            batch = len(sets) if many and isinstance(sets, Collection) else 0
            running = operations.begin(*found, batch)
            try:
                result = await original(resource, *args, **kwargs)
            except BaseException as error:
                operations.end(running, error)
                raise
            operations.end(running)
            return result

        return executing

    return wrapper


def _silent(original: _Method) -> _Method:
    """Hide what a pool executes when a connection comes back."""

    async def silent(connection: Any, *args: Any, **kwargs: Any) -> Any:
        with suppress_instrumentation():
            return await original(connection, *args, **kwargs)

    return silent


def _cursor(operations: Operations, text_of: _TextOf) -> Callable[[_Method], _Method]:
    statements = _Statements(operations, text_of)

    def wrapper(original: _Method) -> _Method:
        def cursor(resource: Any, *args: Any, **kwargs: Any) -> Any:
            factory = original(resource, *args, **kwargs)
            found = statements.find(resource, args, kwargs)
            return factory if found is None else _Cursor(factory, operations, *found)

        return cursor

    return wrapper


class _Cursor:
    """A cursor factory whose first step, which executes the statement, is measured."""

    def __init__(
        self, factory: CursorFactory, operations: Operations, text: str, where: Target
    ) -> None:
        self._factory = factory
        self._begin = partial(operations.begin, text, where)
        self._end = operations.end
        self._rows: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._factory, name)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._measured(self._factory).__await__()

    def __aiter__(self) -> "_Cursor":
        return self

    def __anext__(self) -> Awaitable[Any]:
        if self._rows is None:
            self._rows = aiter(self._factory)
            return self._measured(self._rows.__anext__())
        row: Awaitable[Any] = self._rows.__anext__()
        return row

    async def _measured(self, step: Awaitable[Any]) -> Any:
        running = self._begin()
        try:
            result = await step
        except StopAsyncIteration:
            self._end(running)
            raise
        except BaseException as error:
            self._end(running, error)
            raise
        self._end(running)
        return result


class _Pools:
    """The pools that a connection was taken from.

    A pool cannot be referred to weakly. It is let go when it closes, or its event loop does.
    """

    def __init__(self, shared: Instruments) -> None:
        self._waits = Waits(shared)
        self._names: dict[Pool, tuple[str, asyncio.AbstractEventLoop]] = {}

    def entering(self, original: _Method) -> _Method:
        """Wrap `async with pool.acquire()`."""

        async def entering(acquiring: Any) -> Any:
            return await self._acquire(acquiring.pool, original(acquiring))

        return entering

    def awaiting(self, original: _Method) -> _Method:
        """Wrap `await pool.acquire()`."""

        def awaiting(acquiring: Any) -> Any:
            return self._acquire(acquiring.pool, _Awaited(original(acquiring))).__await__()

        return awaiting

    async def _acquire(self, pool: Pool, acquired: Awaitable[Any]) -> Any:
        # Its name is known with its first connection.
        at_hand = pool not in self._names or pool.get_idle_size() > 0
        with self._waits.waiting(lambda: self._name_of(pool), TimeoutError, at_hand=at_hand):
            connection = await acquired
            if pool not in self._names:
                self._remember(pool, connection)
        return connection

    def _name_of(self, pool: Pool) -> str:
        return self._names[pool][0] if pool in self._names else "asyncpg"

    def _remember(self, pool: Pool, connection: Any) -> None:
        try:
            self._forget()
            name = pool_name("asyncpg", target_of(connection))
            self._names[pool] = name, asyncio.get_running_loop()
            self._waits.begin(name)
        except Exception as error:  # noqa: BLE001 - another asyncpg
            notice("asyncpg pool", f"a pool of asyncpg is not counted ({describe(error)}).")

    def _forget(self) -> None:
        for pool, (_, loop) in list(self._names.items()):
            if loop.is_closed() or pool.is_closing():
                self._names.pop(pool, None)

    def read(self) -> Iterator[Reading]:
        """Yield how full each pool is."""
        self._forget()
        for pool, (name, _) in list(self._names.items()):
            size, idle = pool.get_size(), pool.get_idle_size()
            yield Reading(name, size - idle, idle, pool.get_max_size())


class _Awaited:
    def __init__(self, steps: Generator[Any, None, Any]) -> None:
        self._steps = steps

    def __await__(self) -> Generator[Any, None, Any]:
        return self._steps
