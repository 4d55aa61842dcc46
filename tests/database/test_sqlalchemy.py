"""Each statement that SQLAlchemy sends is a client span and a measurement, whoever sends it."""

import asyncio
import gc
import sqlite3
from contextlib import suppress

import pytest
import sqlalchemy as sa
from opentelemetry.instrumentation.utils import is_instrumentation_enabled, suppress_instrumentation
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, get_current_span
from sqlalchemy import event, orm
from sqlalchemy.ext.asyncio import create_async_engine

metadata = sa.MetaData()
readings = sa.Table(
    "readings",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(40)),
)


class Reading(orm.registry(metadata=metadata).generate_base()):
    __table__ = readings


@pytest.fixture
def engine(new_engine):
    """An engine made before it is instrumented, with a table."""
    engine = new_engine()
    metadata.create_all(engine)
    return engine


@pytest.fixture
def connection(engine, sqlalchemy_instrumented):
    with engine.connect() as connection:
        yield connection


def test_a_statement_is_a_client_span_below_the_current_one(connection, telemetry):
    with telemetry.tracer.start_as_current_span("request") as request:
        connection.execute(sa.select(readings.c.name).where(readings.c.id == 7)).all()
    span = telemetry.spans[0]
    assert span.name == "SELECT readings"
    assert span.kind is SpanKind.CLIENT
    assert span.parent == request.get_span_context()
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes) == {
        "db.system.name": "sqlite",
        "db.namespace": "readings.db",
        "db.operation.name": "SELECT",
        "db.collection.name": "readings",
        "db.query.summary": "SELECT readings",
        "db.query.text": "SELECT readings.name FROM readings WHERE readings.id = ?",
    }


def test_one_measurement_feeds_three_instruments(connection, telemetry):
    for _ in range(3):
        connection.execute(sa.select(readings)).all()
    (seconds,) = telemetry.points("db.client.operation.duration")
    (milliseconds,) = telemetry.points("database.query_duration")
    assert (seconds.count, milliseconds.count) == (3, 3)
    assert milliseconds.sum == pytest.approx(seconds.sum * 1000)
    assert seconds.explicit_bounds[:3] == (0.001, 0.005, 0.01)
    assert 100 in milliseconds.explicit_bounds
    assert dict(seconds.attributes) == {
        "db.system.name": "sqlite",
        "db.namespace": "readings.db",
        "db.operation.name": "SELECT",
        "db.collection.name": "readings",
    }
    assert telemetry.values("database.queries", "table", "operation", "status") == {
        ("readings", "SELECT", "success"): 3,
        ("readings", "SELECT", "error"): 0,  # so that a ratio is 0, not absent
    }


def test_measurements_lead_to_the_span(connection, telemetry):
    connection.execute(sa.select(readings)).all()
    (point,) = telemetry.points("db.client.operation.duration")
    assert point.exemplars[0].span_id == telemetry.span.context.span_id


def test_a_failing_statement_says_what_failed_and_quotes_nothing(connection, telemetry):
    connection.execute(readings.insert(), {"id": 1, "name": "hunter2"})
    with pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.text("INSERT INTO readings VALUES (1, 'hunter2')"))
    span = telemetry.spans[-1]
    assert span.name == "INSERT readings"
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "sqlite3.IntegrityError"
    assert span.attributes["db.response.status_code"] == "SQLITE_CONSTRAINT_PRIMARYKEY"
    assert telemetry.values("database.queries", "status") == {"success": 1, "error": 1}
    assert telemetry.values("db.client.operation.duration", "error.type") == {
        None: 1,
        "sqlite3.IntegrityError": 1,
    }
    assert "hunter2" not in telemetry.everything()


def test_executemany_is_one_span_that_says_how_many(connection, telemetry):
    connection.execute(sa.insert(readings), [{"id": n} for n in range(5)])
    assert telemetry.span.name == "INSERT readings"
    assert telemetry.span.attributes["db.operation.batch.size"] == 5


def test_a_batch_of_insertmanyvalues_is_a_span_each(connection, telemetry):
    statement = sa.insert(readings).returning(readings.c.id)
    options = {"insertmanyvalues_page_size": 2}
    rows = [{"name": "n"} for _ in range(5)]
    assert len(connection.execute(statement, rows, execution_options=options).all()) == 5
    assert telemetry.names == ["INSERT readings"] * 3


def test_the_orm_is_covered(engine, sqlalchemy_instrumented, telemetry):
    with orm.Session(engine) as session:
        session.add(Reading(name="a"))
        session.commit()
        assert session.scalars(sa.select(Reading)).one().name == "a"
    assert telemetry.names == ["INSERT readings", "SELECT readings"]


def test_engines_made_later_and_with_options_are_covered(
    new_engine, sqlalchemy_instrumented, telemetry
):
    engine = new_engine().execution_options(isolation_level="SERIALIZABLE")
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        connection.execution_options(stream_results=True).exec_driver_sql("SELECT 2")
    assert telemetry.names == ["SELECT", "SELECT"]
    assert telemetry.spans[0].attributes["db.query.text"] == "SELECT ?"


def test_several_engines_are_told_apart(new_engine, sqlalchemy_instrumented, telemetry, tmp_path):
    for name in ("one", "two"):
        with new_engine(f"sqlite:///{tmp_path}/{name}.db").connect() as connection:
            connection.exec_driver_sql("SELECT 1")
    assert [span.attributes["db.namespace"] for span in telemetry.spans] == ["one.db", "two.db"]


def test_asynchronous_engines_are_covered(sqlalchemy_instrumented, telemetry, tmp_path):
    async def main():
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db")
        with telemetry.tracer.start_as_current_span("request"):
            async with engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
                await connection.execute(sa.insert(readings), [{"id": 1}, {"id": 2}])
                assert len((await connection.execute(sa.select(readings))).all()) == 2
                assert is_instrumentation_enabled()
        used = telemetry.values("database.connections.max", "pool")
        await engine.dispose()
        return used

    assert asyncio.run(main()) == {"sqlite+aiosqlite:///a.db": 15}
    *statements, request = telemetry.spans
    assert [span.name for span in statements[-3:]] == [
        "CREATE readings",
        "INSERT readings",
        "SELECT readings",
    ]
    assert {span.parent.span_id for span in statements} == {request.context.span_id}


def test_concurrent_tasks_each_have_their_parent(sqlalchemy_instrumented, telemetry, tmp_path):
    async def one(engine, number):
        with telemetry.tracer.start_as_current_span(f"request {number}"):
            async with engine.connect() as connection:
                await connection.execute(sa.text(f"SELECT {number} FROM sqlite_master"))  # noqa: S608
                assert is_instrumentation_enabled()

    async def main():
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db")
        await asyncio.gather(*(one(engine, number) for number in range(20)))
        await engine.dispose()

    asyncio.run(main())
    requests = {span.context.span_id for span in telemetry.spans if "request" in span.name}
    statements = [span for span in telemetry.spans if span.name == "SELECT sqlite_master"]
    assert {span.parent.span_id for span in statements} == requests
    assert len(statements) == 20


def test_what_the_driver_does_meanwhile_is_suppressed(connection, telemetry):
    seen = []
    connection.connection.dbapi_connection.create_function(
        "peek", 0, lambda: seen.append(is_instrumentation_enabled())
    )
    connection.exec_driver_sql("SELECT peek()")
    with suppress(sa.exc.OperationalError):
        connection.exec_driver_sql("SELECT peek(), nope FROM nowhere")
    assert seen == [False]
    assert is_instrumentation_enabled()


def test_suppressed_instrumentation_is_silent(connection, telemetry):
    with suppress_instrumentation():
        connection.exec_driver_sql("SELECT 1")
    assert telemetry.spans == ()
    assert telemetry.points("db.client.operation.duration") == []


@pytest.mark.parametrize("name", ["before_cursor_execute", "handle_error"])
def test_an_application_s_listener_that_raises_leaves_nothing_suppressed(
    name, engine, sqlalchemy_instrumented, telemetry
):
    @event.listens_for(engine, name)
    def fail(*_args):
        raise LookupError("the application's")

    with engine.connect() as connection, pytest.raises(LookupError):
        connection.exec_driver_sql("SELECT nope")
    assert is_instrumentation_enabled()
    event.remove(engine, name, fail)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    assert telemetry.spans[-1].name == "SELECT"


def test_what_a_dialect_tries_out_is_no_statement(connection, telemetry):
    """SQLAlchemy says nothing of its end: MySQL's dialect asks so whether there is a table."""
    quiet = connection.execution_options(skip_user_error_events=True)
    with suppress(sa.exc.OperationalError):
        quiet.exec_driver_sql("SELECT nope")
    assert is_instrumentation_enabled()
    assert telemetry.spans == ()


def test_a_statement_that_never_ends_for_us_silences_nobody_for_good(
    engine, sqlalchemy_instrumented, telemetry, monkeypatch
):
    def lost(*_args):
        raise LookupError

    with monkeypatch.context() as patch, engine.connect() as connection:
        patch.setattr(connection, "_handle_dbapi_exception", lost, raising=True)
        with suppress(LookupError):
            connection.exec_driver_sql("SELECT nope")
    gc.collect()
    assert is_instrumentation_enabled()
    assert get_current_span() is INVALID_SPAN


def test_a_statement_is_unharmed_by_whatever_fails_in_us(
    engine, sqlalchemy_instrumented, telemetry, monkeypatch, said
):
    def broken(*_args, **_options):
        raise RuntimeError("broken")

    monkeypatch.setattr("opentelemetry.sdk.trace.Tracer.start_span", broken)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    (line,) = said()
    assert "RuntimeError: broken" in line


def test_uninstrumented_nothing_is_left(engine, sqlalchemy_instrumented, telemetry):
    raw_connection = sa.Engine.raw_connection
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        sqlalchemy_instrumented.uninstrument()
        connection.exec_driver_sql("SELECT 2")
    assert sa.Engine.raw_connection is not raw_connection
    assert len(telemetry.spans) == 1
    assert telemetry.points("database.connections.active") == []


def test_instrumented_again_pools_are_observed_again(engine, sqlalchemy_instrumented, telemetry):
    sqlalchemy_instrumented.uninstrument()
    sqlalchemy_instrumented.instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        assert telemetry.values("database.connections.active", "pool") == {
            "sqlite+pysqlite:///readings.db": 1
        }
    assert telemetry.values("database.queries", "status") == {"success": 1, "error": 0}


def test_table_names_that_never_end_are_other_at_last(connection, telemetry):
    for number in range(600):
        with suppress(sa.exc.OperationalError):
            connection.exec_driver_sql(f"SELECT a FROM t{number}")  # noqa: S608
    tables = {point.attributes["table"] for point in telemetry.points("database.queries")}
    assert len(tables) == 501
    assert "<other>" in tables
    assert telemetry.spans[-1].name == "SELECT"


def test_long_statements_are_cut_and_masked(connection, telemetry):
    values = ", ".join(f"'secret {number}'" for number in range(2000))
    connection.exec_driver_sql(f"SELECT id FROM readings WHERE name IN ({values})")  # noqa: S608
    text = telemetry.span.attributes["db.query.text"]
    assert text.endswith("…")
    assert len(text) <= 8193
    assert "secret" not in text


def test_text_that_cannot_be_encoded_is_sent_all_the_same(connection, telemetry):
    with suppress(Exception):
        connection.exec_driver_sql('SELECT a AS "\ud800" FROM "t\ud800"')
    assert telemetry.everything().encode()


def test_the_driver_s_own_interruption_is_an_error(connection, telemetry):
    def interrupt():
        raise KeyboardInterrupt

    raw = connection.connection.dbapi_connection
    raw.set_progress_handler(interrupt, 1)
    with suppress(sa.exc.OperationalError, sqlite3.OperationalError):
        connection.exec_driver_sql("SELECT * FROM readings, readings AS b")
    raw.set_progress_handler(None, 1)
    assert telemetry.span.status.status_code is StatusCode.ERROR
    assert is_instrumentation_enabled()
