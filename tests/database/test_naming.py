"""A statement is named by its operation and first table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_distro.instrumentation.database.naming import NO_TABLE, OTHER, name_of
from otel_distro.instrumentation.database.sql import syntax_of, tokens


def named(text, system="postgresql"):
    return name_of(tokens(text, syntax_of(system)))


@pytest.mark.parametrize(
    ("text", "operation", "table"),
    [
        ("SELECT * FROM users", "SELECT", "users"),
        ("select u.* from public.users u where id = 1", "SELECT", "public.users"),
        ('SELECT * FROM "order"', "SELECT", "order"),
        ('SELECT * FROM "we""ird"."t"', "SELECT", 'we"ird.t'),
        ("SELECT a FROM users JOIN orders ON true", "SELECT", "users"),
        ("SELECT a FROM b, c", "SELECT", "b"),
        ("SELECT 1", "SELECT", NO_TABLE),
        ("SELECT 'FROM secret'", "SELECT", NO_TABLE),
        ("SELECT pg_advisory_xact_lock(1)", "SELECT", NO_TABLE),
        ("SELECT count(*) FROM (SELECT id FROM users) AS anon_1", "SELECT", "users"),
        ("SELECT EXTRACT(YEAR FROM born) FROM users", "SELECT", "users"),
        ("SELECT trim(both 'x' FROM name)", "SELECT", NO_TABLE),
        ("SELECT a IS DISTINCT FROM b FROM users", "SELECT", "users"),
        ("SELECT * FROM generate_series(1, 3)", "SELECT", NO_TABLE),
        ("SELECT * FROM unnest($1::int[]) AS i JOIN users ON true", "SELECT", "users"),
        ("SELECT (SELECT max(id) FROM logs) FROM users", "SELECT", "logs"),
        ("SELECT * FROM ONLY users FOR UPDATE OF users", "SELECT", "users"),
        ("(SELECT a FROM b) UNION (SELECT c FROM d)", "SELECT", "b"),
        ("/* hint */ SELECT a -- FROM x\n FROM b", "SELECT", "b"),
        (
            "WITH r(n) AS (SELECT 1), q AS (SELECT 2 FROM logs) SELECT * FROM r JOIN users ON true",
            "SELECT",
            "users",
        ),
        ("WITH RECURSIVE r AS (SELECT 1 FROM logs) SELECT * FROM r", "SELECT", "logs"),
        ("WITH x AS (SELECT * FROM a) INSERT INTO b SELECT * FROM x", "INSERT", "b"),
        ("INSERT INTO users (a) VALUES (1)", "INSERT", "users"),
        ("INSERT INTO a SELECT * FROM b", "INSERT", "a"),
        ("INSERT INTO users (a) VALUES (1) ON CONFLICT DO UPDATE SET a = 2", "INSERT", "users"),
        ("INSERT OR REPLACE INTO users VALUES (1)", "INSERT", "users"),
        ("REPLACE INTO users VALUES (1)", "REPLACE", "users"),
        ("UPDATE users SET a = 1 FROM b", "UPDATE", "users"),
        ("UPDATE ONLY users SET a = 1", "UPDATE", "users"),
        ("DELETE FROM users USING b", "DELETE", "users"),
        ("MERGE INTO users USING b ON true WHEN MATCHED THEN UPDATE SET a = 1", "MERGE", "users"),
        ("CREATE TABLE IF NOT EXISTS users (id int)", "CREATE", "users"),
        ("CREATE UNIQUE INDEX i ON users (a)", "CREATE", "users"),
        ("CREATE TRIGGER x AFTER UPDATE ON users", "CREATE", NO_TABLE),
        ("DROP TABLE IF EXISTS users", "DROP", "users"),
        ("ALTER TABLE ONLY users ADD a int", "ALTER", "users"),
        ("TRUNCATE users", "TRUNCATE", "users"),
        ("COPY users (a) FROM STDIN", "COPY", "users"),
        ("COPY (SELECT a FROM users) TO STDOUT", "COPY", "users"),
        ("EXPLAIN ANALYZE SELECT * FROM users", "EXPLAIN", "users"),
        ('PRAGMA main.table_info("users")', "PRAGMA", NO_TABLE),
        ("FETCH FORWARD 50 FROM c_7f3a", "FETCH", NO_TABLE),
        ("BEGIN IMMEDIATE", "BEGIN", NO_TABLE),
        ("COMMIT;", "COMMIT", NO_TABLE),
        ("SAVEPOINT sa_savepoint_1", "SAVEPOINT", NO_TABLE),
        ("; ;SELECT * FROM users; DELETE FROM b", "SELECT", "users"),
        ("SELECT 1; DELETE FROM b", "SELECT", NO_TABLE),
        ("SELCT * FROM users", OTHER, NO_TABLE),
        ("c7f3a0 FROM users", OTHER, NO_TABLE),
        ("", OTHER, NO_TABLE),
        (";", OTHER, NO_TABLE),
        ("WITH", "WITH", NO_TABLE),
        ("SELECT * FROM", "SELECT", NO_TABLE),
        ("INSERT INTO", "INSERT", NO_TABLE),
        ("SELECT * FROM a.", "SELECT", "a"),
        ("SELECT * FROM $1", "SELECT", NO_TABLE),
    ],
)
def test_operation_and_first_table(text, operation, table):
    assert named(text) == (operation, table)


@pytest.mark.parametrize(
    ("system", "text"),
    [
        ("mysql", 'SELECT * FROM `users` WHERE a = "x"'),
        ("microsoft.sql_server", "SELECT TOP 3 * FROM [users]"),
        ("sqlite", 'UPDATE OR IGNORE "users" SET a = 1'),
    ],
)
def test_each_database_has_quotes_of_its_own(system, text):
    assert named(text, system)[1] == "users"


WORDS = [
    *("SELECT", "FROM", "WITH", "RECURSIVE", "AS", "UPDATE", "INTO", "JOIN", "ON", "TABLE"),
    *("(", ")", ",", ".", ";", "t", "'x'", '"q"', "$1"),
]


@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_whatever_comes_has_a_name(text):
    operation, table = named(text)
    assert operation
    assert table
