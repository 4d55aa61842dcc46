"""asyncpg on a real Postgres: a client span and a measurement for each statement, and its pools."""

import asyncio

import asyncpg
import pytest
from opentelemetry.instrumentation.utils import is_instrumentation_enabled, suppress_instrumentation
from opentelemetry.trace import SpanKind, StatusCode

from otel_distro.instrumentation.database.asyncpg import target_of

POOL = "db.client.connection.pool.name"
STATE = "db.client.connection.state"

pytestmark = pytest.mark.usefixtures("asyncpg_instrumented")


@pytest.fixture
def run(postgres, telemetry):
    """Runs a coroutine function with a connection that has a temporary table `readings`."""

    def run(main):
        async def connected():
            connection = await asyncpg.connect(postgres.dsn)
            try:
                with suppress_instrumentation():
                    await connection.execute(
                        "CREATE TEMPORARY TABLE readings (id int primary key, name text)"
                    )
                return await main(connection)
            finally:
                await connection.close(timeout=5)

        return asyncio.run(connected())

    return run


def test_a_statement_is_a_client_span_below_the_current_one(run, telemetry, postgres):
    async def main(connection):
        with telemetry.tracer.start_as_current_span("request") as request:
            await connection.fetch("SELECT name FROM readings WHERE id = $1 AND name = 'x'", 7)
        return request.get_span_context()

    request = run(main)
    span = telemetry.spans[0]
    assert span.name == "SELECT readings"
    assert span.kind is SpanKind.CLIENT
    assert span.parent == request
    assert dict(span.attributes) == {
        "db.system.name": "postgresql",
        "db.namespace": "postgres",
        "db.operation.name": "SELECT",
        "db.collection.name": "readings",
        "db.query.summary": "SELECT readings",
        "db.query.text": "SELECT name FROM readings WHERE id = $1 AND name = ?",
        "server.address": postgres.host,
        "server.port": postgres.port,
    }
    assert telemetry.values("database.queries", "table", "operation", "status") == {
        ("readings", "SELECT", "success"): 1,
        ("readings", "SELECT", "error"): 0,
    }
    assert telemetry.values("db.client.operation.duration", "db.collection.name") == {"readings": 1}
    assert telemetry.values("database.query_duration", "table") == {"readings": 1}


SELECT = "SELECT id FROM readings"
INSERT = "INSERT INTO readings VALUES ($1, $2)"
ROWS = [(1, "a"), (2, "b")]


async def prepared_all(connection):
    prepared = await connection.prepare(SELECT)
    await prepared.fetch()
    await prepared.fetchval()
    await prepared.fetchrow()


async def iterated(connection):
    async with connection.transaction():
        return [row async for row in connection.cursor("SELECT generate_series(1, 120) AS id")]


async def stepped(connection):
    async with connection.transaction():
        cursor = await connection.cursor(SELECT)
        await cursor.fetchrow()
        await cursor.fetch(5)


async def prepared_cursor(connection):
    async with connection.transaction():
        prepared = await connection.prepare(SELECT)
        async for _ in prepared.cursor():
            pass


@pytest.mark.parametrize(
    ("use", "names"),
    [
        (lambda c: c.execute(SELECT), ["SELECT readings"]),
        (lambda c: c.execute(query=SELECT), ["SELECT readings"]),
        (lambda c: c.execute(INSERT, 1, "a"), ["INSERT readings"]),
        (lambda c: c.fetch(SELECT), ["SELECT readings"]),
        (lambda c: c.fetchval(SELECT), ["SELECT readings"]),
        (lambda c: c.fetchrow(SELECT), ["SELECT readings"]),
        (lambda c: c.executemany(INSERT, ROWS), ["INSERT readings"]),
        (lambda c: c.fetchmany(f"{INSERT} RETURNING id", ROWS), ["INSERT readings"]),
        (lambda c: c.copy_records_to_table("readings", records=ROWS), ["COPY readings"]),
        (prepared_all, ["SELECT readings"] * 3),
        (iterated, ["BEGIN", "SELECT", "COMMIT"]),
        (stepped, ["BEGIN", "SELECT readings", "COMMIT"]),
        (prepared_cursor, ["BEGIN", "SELECT readings", "COMMIT"]),
    ],
)
def test_every_way_to_execute_is_one_span(use, names, run, telemetry):
    async def main(connection):
        await use(connection)

    run(main)
    assert telemetry.names == names


def test_a_cursor_yields_all_its_rows(run):
    assert [row["id"] for row in run(iterated)] == list(range(1, 121))


@pytest.mark.parametrize("many", ["executemany", "fetchmany"])
def test_a_batch_says_how_many(many, run, telemetry):
    async def main(connection):
        await getattr(connection, many)(INSERT, ROWS)
        prepared = await connection.prepare(INSERT)
        await getattr(prepared, many)([(3, "c"), (4, "d"), (5, "e")])
        await connection.executemany(INSERT, (row for row in [(6, "f")]))

    run(main)
    sizes = [span.attributes.get("db.operation.batch.size") for span in telemetry.spans]
    assert sizes == [2, 3, None]


def test_a_failing_statement_says_what_failed_and_quotes_nothing(run, telemetry):
    async def main(connection):
        for _ in range(2):
            await connection.execute(INSERT, 1, "hunter2")

    with pytest.raises(asyncpg.UniqueViolationError):
        run(main)
    span = telemetry.spans[-1]
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "asyncpg.exceptions.UniqueViolationError"
    assert span.attributes["db.response.status_code"] == "23505"
    assert telemetry.values("database.queries", "status") == {"success": 1, "error": 1}
    assert "hunter2" not in telemetry.everything()


def test_a_cancelled_statement_is_an_error_and_ends(run, telemetry):
    async def main(connection):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.execute("SELECT pg_sleep(10)"), 0.05)
        return is_instrumentation_enabled()

    assert run(main)
    assert telemetry.span.attributes["error.type"] == "asyncio.exceptions.CancelledError"


def test_suppressed_instrumentation_is_silent(run, telemetry):
    async def main(connection):
        with suppress_instrumentation():
            await connection.fetch(SELECT)

    run(main)
    assert telemetry.spans == ()


def test_a_closed_connection_raises_what_it_always_did(run, telemetry):
    async def main(connection):
        prepared = await connection.prepare(SELECT)
        await connection.close()
        with pytest.raises(asyncpg.InterfaceError, match="fetch"):
            await prepared.fetch()
        with pytest.raises(asyncpg.InterfaceError, match="connection is closed"):
            await connection.fetch(SELECT)

    run(main)


def test_uninstrumented_nothing_is_left(run, telemetry, asyncpg_instrumented):
    async def main(connection):
        instrumented = asyncpg.Connection.fetch
        asyncpg_instrumented.uninstrument()
        await connection.fetch(SELECT)
        return instrumented is not asyncpg.Connection.fetch

    assert run(main)
    assert telemetry.spans == ()


def test_the_private_attributes_that_are_read(run, postgres):
    """Holds what `target_of` reads: it fails where asyncpg changes."""

    async def main(connection):
        prepared = await connection.prepare(SELECT)
        return target_of(connection), target_of(prepared)

    direct, through_prepared = run(main)
    assert direct is through_prepared
    assert (direct.namespace, direct.address, direct.port) == (
        "postgres",
        postgres.host,
        postgres.port,
    )


def test_a_pool_is_seen_in_all_its_instruments(postgres, telemetry):
    name = f"asyncpg://{postgres.host}:{postgres.port}/postgres"

    async def main():
        async with asyncpg.create_pool(postgres.dsn, min_size=1, max_size=2) as pool:
            async with pool.acquire() as one:
                await one.fetchval("SELECT 1")
                two = await pool.acquire()
                assert telemetry.values("database.connections.active", "pool") == {name: 2}
                assert telemetry.values("database.connections.max", "pool") == {name: 2}
                assert telemetry.values("db.client.connection.max", POOL) == {name: 2}
                waiting = asyncio.ensure_future(pool.acquire())
                while not telemetry.values("db.client.connection.pending_requests")[()]:  # noqa: ASYNC110
                    await asyncio.sleep(0)
                with pytest.raises(TimeoutError):
                    await pool.acquire(timeout=0.01)
                await pool.release(two)
                await pool.release(await waiting)
            assert telemetry.values("db.client.connection.count", POOL, STATE) == {
                (name, "used"): 0,
                (name, "idle"): 2,
            }
            assert await pool.fetchval("SELECT 2") == 2
            assert telemetry.values("db.client.connection.pending_requests", POOL) == {name: 0}
            assert telemetry.values("db.client.connection.timeouts", POOL) == {name: 1}
            assert telemetry.values("db.client.connection.wait_time", POOL) == {name: 4}

    asyncio.run(main())
    assert telemetry.points("database.connections.active") == []
    # What the pool executes when a connection comes back is its own affair.
    assert telemetry.names == ["SELECT", "SELECT"]
    assert "hunter2" not in telemetry.everything()
