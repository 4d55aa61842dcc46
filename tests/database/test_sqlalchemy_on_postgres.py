"""SQLAlchemy over the drivers of Postgres: one span for each statement, none of the driver's."""

import asyncio
import importlib.util

import pytest
import sqlalchemy as sa
from postgres_cluster import find_binaries
from sqlalchemy.ext.asyncio import create_async_engine

METADATA = sa.MetaData()
USERS = sa.Table(
    "users",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("email", sa.String(80), unique=True),
    prefixes=["TEMPORARY"],
)
ROWS = [{"id": 1, "email": "hunter2@blipee.io"}, {"id": 2, "email": "two@blipee.io"}]


def use(connection):
    METADATA.create_all(connection, checkfirst=False)
    connection.execute(sa.insert(USERS), ROWS)
    connection.execute(sa.select(USERS).where(USERS.c.email == "hunter2@blipee.io")).one()
    with pytest.raises(sa.exc.IntegrityError), connection.begin_nested():
        connection.execute(sa.insert(USERS), {"id": 3, "email": "hunter2@blipee.io"})
    connection.execute(
        sa.text("WITH old AS (SELECT id FROM users WHERE id < 2) DELETE FROM users USING old")
    )


def through_psycopg(postgres, telemetry):
    engine = sa.create_engine(f"postgresql+psycopg://{postgres.place}", pool_size=3, max_overflow=2)
    with engine.connect():  # the first connection asks for the server's version
        telemetry.forget_spans()
    with engine.begin() as connection:
        use(connection)
        state = telemetry.values("database.connections.active", "pool")
    limit = telemetry.values("database.connections.max", "pool")
    engine.dispose()
    return state, limit


def through_asyncpg(postgres, telemetry):
    async def main():
        engine = create_async_engine(
            f"postgresql+asyncpg://{postgres.place}", pool_size=3, max_overflow=2
        )
        async with engine.connect():
            telemetry.forget_spans()
        async with engine.begin() as connection:
            await connection.run_sync(use)
            state = telemetry.values("database.connections.active", "pool")
        limit = telemetry.values("database.connections.max", "pool")
        await engine.dispose()
        return state, limit

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("driver", "through", "error"),
    [
        ("psycopg", through_psycopg, "psycopg.errors.UniqueViolation"),
        ("asyncpg", through_asyncpg, "asyncpg.exceptions.UniqueViolationError"),
    ],
)
@pytest.mark.usefixtures("sqlalchemy_instrumented", "asyncpg_instrumented")
def test_each_statement_is_one_span_of_sqlalchemy(driver, through, error, postgres, telemetry):
    active, limit = through(postgres, telemetry)

    assert telemetry.names == [
        "CREATE users",
        "INSERT users",
        "SELECT users",
        "SAVEPOINT",
        "INSERT users",
        "ROLLBACK",
        "DELETE users",
    ]
    for span in telemetry.spans:
        assert span.attributes["db.system.name"] == "postgresql"
        assert span.attributes["db.namespace"] == "postgres"
        assert span.attributes["server.address"] == postgres.host
        assert span.attributes["server.port"] == postgres.port
    failed = telemetry.spans[4]
    assert failed.attributes["error.type"] == error
    assert failed.attributes["db.response.status_code"] == "23505"
    assert (
        telemetry.values("database.queries", "table", "operation", "status").items()
        >= {
            ("users", "INSERT", "success"): 1,
            ("users", "INSERT", "error"): 1,
            ("users", "SELECT", "success"): 1,
            ("users", "SELECT", "error"): 0,
        }.items()
    )
    name = f"postgresql+{driver}://{postgres.host}:{postgres.port}/postgres"
    assert active == {name: 1}
    assert limit == {name: 5}
    assert "hunter2" not in telemetry.everything()


def test_the_text_that_is_shown(postgres, telemetry, sqlalchemy_instrumented):
    engine = sa.create_engine(f"postgresql+psycopg://{postgres.place}")
    with engine.connect() as connection:
        telemetry.forget_spans()
        connection.execute(
            sa.text(
                "SELECT $$it's$$, E'\\'', id FROM pg_class, (SELECT 1 AS id) x"
                " WHERE relname = :name AND 5 < 6"
            ),
            {"name": "hunter2"},
        )
    engine.dispose()
    assert telemetry.span.attributes["db.query.text"] == (
        "SELECT ?, ?, id FROM pg_class, (SELECT ? AS id) x WHERE relname = %(name)s AND ? < ?"
    )


def test_without_postgres_the_fix_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(pytest.fail.Exception, match="apt install postgresql"):
        find_binaries(tmp_path)
