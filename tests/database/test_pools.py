"""How full pools are, and how long they are waited for."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy import pool as pools

from otel_distro.instrumentation.database.sqlalchemy import limit_of

POOL = "db.client.connection.pool.name"
STATE = "db.client.connection.state"
NAME = "sqlite+pysqlite:///readings.db"

pytestmark = pytest.mark.usefixtures("sqlalchemy_instrumented")


def test_an_exhausted_pool_is_seen_in_all_its_instruments(new_engine, telemetry):
    engine = new_engine(poolclass=pools.QueuePool, pool_size=2, max_overflow=0, pool_timeout=2)
    held, done = threading.Barrier(3), threading.Event()

    def hold():
        with engine.connect():
            held.wait(10)
            done.wait(10)

    def ask():
        with engine.connect():
            pass

    with ThreadPoolExecutor(3) as threads:
        holding = [threads.submit(hold) for _ in range(2)]
        held.wait(10)
        waiting = threads.submit(ask)
        pending = 0
        while not pending and not waiting.done():
            pending = telemetry.values("db.client.connection.pending_requests", POOL)[NAME]
        assert pending == 1
        assert telemetry.values("database.connections.active", "pool") == {NAME: 2}
        assert telemetry.values("database.connections.max", "pool") == {NAME: 2}
        assert telemetry.values("db.client.connection.count", POOL, STATE) == {
            (NAME, "used"): 2,
            (NAME, "idle"): 0,
        }
        assert telemetry.values("db.client.connection.max", POOL) == {NAME: 2}
        assert telemetry.values("db.client.connection.timeouts", POOL) == {NAME: 0}
        with pytest.raises(sa.exc.TimeoutError):
            waiting.result(10)
        done.set()
        for one in holding:
            one.result(10)

    assert telemetry.values("db.client.connection.timeouts", POOL) == {NAME: 1}
    assert telemetry.values("db.client.connection.pending_requests", POOL) == {NAME: 0}
    assert telemetry.values("db.client.connection.wait_time", POOL) == {NAME: 2}
    ask()
    assert telemetry.values("db.client.connection.wait_time", POOL) == {NAME: 3}
    assert telemetry.values("database.connections.active", "pool") == {NAME: 0}
    assert telemetry.values("db.client.connection.count", STATE) == {"used": 0, "idle": 2}


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"pool_size": 3, "max_overflow": 4}, 7),
        ({"pool_size": 3, "max_overflow": 0}, 3),
        ({"pool_size": 3, "max_overflow": -1}, None),
        ({"pool_size": 0}, None),
    ],
)
def test_the_limit_of_a_pool(options, limit, new_engine):
    """Holds the one private attribute that is read: it fails where SQLAlchemy changes."""
    engine = new_engine(poolclass=pools.QueuePool, **options)
    assert limit_of(engine.pool) == limit


@pytest.mark.parametrize("kind", [pools.NullPool, pools.StaticPool, pools.SingletonThreadPool])
def test_pools_without_a_queue_tell_what_is_used_and_have_no_limit(kind, new_engine, telemetry):
    engine = new_engine(poolclass=kind)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        assert telemetry.values("database.connections.active", "pool") == {NAME: 1}
    assert telemetry.values("db.client.connection.count", POOL, STATE) == {(NAME, "used"): 0}
    assert telemetry.points("database.connections.max") == []
    assert telemetry.values("db.client.connection.wait_time", POOL) == {NAME: 1}


def test_several_at_once_are_counted_without_a_queue(new_engine, telemetry):
    engine = new_engine(poolclass=pools.NullPool)
    with engine.connect(), engine.connect():
        assert telemetry.values("database.connections.active", "pool") == {NAME: 2}
    connection = engine.connect()
    connection.detach()
    connection.close()
    assert telemetry.values("database.connections.active", "pool") == {NAME: 0}


def test_pools_of_one_name_are_added_up(new_engine, telemetry):
    engines = [new_engine(poolclass=pools.QueuePool, pool_size=2, max_overflow=1) for _ in "ab"]
    with engines[0].connect(), engines[1].connect(), engines[1].connect():
        assert telemetry.values("database.connections.active", "pool") == {NAME: 3}
        assert telemetry.values("database.connections.max", "pool") == {NAME: 6}


def test_a_pool_may_have_a_name_of_its_own(new_engine, telemetry):
    with new_engine(poolclass=pools.QueuePool, pool_logging_name="reports").connect():
        assert telemetry.values("database.connections.active", "pool") == {"reports": 1}


def test_a_pool_that_is_gone_is_observed_no_more(new_engine, telemetry):
    engine = new_engine(poolclass=pools.QueuePool)
    with engine.connect():
        pass
    assert telemetry.points("database.connections.active")
    engine.dispose()
    gc.collect()
    assert telemetry.points("database.connections.active") == []
    with engine.connect():
        assert telemetry.values("database.connections.active", "pool") == {NAME: 1}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite://", "sqlite+pysqlite:///:memory:"),
        ("sqlite:///{folder}/x.db", "sqlite+pysqlite:///x.db"),
        ("sqlite:///file:{folder}/x.db?uri=true&mode=rwc&cache=private", "sqlite+pysqlite:///x.db"),
    ],
)
def test_the_name_of_a_pool_shows_no_folder(url, name, new_engine, telemetry, tmp_path):
    with new_engine(url.format(folder=tmp_path)).connect():
        assert telemetry.values("database.connections.active", "pool") == {name: 1}


def test_a_pool_that_cannot_connect_stays_at_zero(new_engine, telemetry, tmp_path):
    engine = new_engine(f"sqlite:///{tmp_path}/nowhere/x.db")
    with pytest.raises(sa.exc.OperationalError):
        engine.connect()
    assert telemetry.values("db.client.connection.pending_requests", POOL) == {
        "sqlite+pysqlite:///x.db": 0
    }
    assert telemetry.values("database.connections.active", "pool") == {"sqlite+pysqlite:///x.db": 0}
