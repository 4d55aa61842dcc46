"""No literal of a statement is ever shown, by whichever rules its database quotes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_distro.instrumentation.database.sql import doubtful, masked, syntax_of, tokens

SYSTEMS = ["postgresql", "mysql", "sqlite", "microsoft.sql_server", "oracle.db", "other_sql"]


def shown(text, system="postgresql"):
    syntax = syntax_of(system)
    pieces = list(tokens(text, syntax))
    assert "".join(piece for _, piece in pieces) == text
    return None if doubtful(pieces, syntax) else masked(pieces, syntax)


@pytest.mark.parametrize(
    ("system", "text", "expected"),
    [
        ("postgresql", "SELECT 'a', 1, 2.5, 1e-5, .5, 0xFF", "SELECT ?, ?, ?, ?, ?, ?"),
        ("postgresql", "SELECT 'it''s'", "SELECT ?"),
        ("postgresql", r"SELECT 'C:\', x", "SELECT ?, x"),
        ("postgresql", r"SELECT E'it\'s', x", "SELECT ?, x"),
        ("postgresql", "SELECT $$it's$$, $1, $t$ a $$ b $t$", "SELECT ?, $1, ?"),
        ("postgresql", "VALUES ($1,$2), ($3,$4)", "VALUES ($1,$2), ($3,$4)"),
        ("postgresql", 'SELECT "order", "a""b" FROM t', 'SELECT "order", "a""b" FROM t'),
        ("postgresql", "SELECT a::INTEGER, b[1:n]", "SELECT a::INTEGER, b[?:n]"),
        ("postgresql", "SELECT x -- it's 'me'\n, y", "SELECT x , y"),
        ("postgresql", "SELECT /* a /* b */ secret */ x", "SELECT x"),
        ("postgresql", "WHERE a = %(id_1)s AND b = %s", "WHERE a = %(id_1)s AND b = %s"),
        ("postgresql", "SELECT 'open", "SELECT ?"),
        ("postgresql", "SET my.var = s3cret", "SET"),
        ("postgresql", "ALTER USER bob PASSWORD s3cret", "ALTER USER"),
        ("oracle.db", "create user bob identified by s3cret", "CREATE USER"),
        ("oracle.db", "SELECT q'!it's s3cret!' FROM dual", None),
        ("sqlite", 'SELECT a FROM x JOIN y ON "s3cret" = b', "SELECT a FROM x JOIN y ON ? = b"),
        ("postgresql", "SELECT $$open", "SELECT ?"),
        ("postgresql", "a1 + v2_x", "a1 + v2_x"),
        ("mysql", r"SELECT 'it\'s', x", "SELECT ?, x"),
        ("mysql", 'SELECT "text", `a` FROM "t"', 'SELECT ?, `a` FROM "t"'),
        ("mysql", r'SELECT "it\"s", x', "SELECT ?, x"),
        ("mysql", "SELECT x # secret\n", "SELECT x"),
        (
            "sqlite",
            'SELECT * FROM "order" WHERE name = "bob"',
            'SELECT * FROM "order" WHERE name = ?',
        ),
        ("sqlite", 'SELECT "t"."name" AS "n" FROM t', 'SELECT "t"."name" AS "n" FROM t'),
        ("sqlite", r"SELECT 'C:\', x WHERE a = :a AND b = ?", "SELECT ?, x WHERE a = :a AND b = ?"),
        ("sqlite", "SELECT [a b], x'00ff'", "SELECT [a b], x?"),
        ("microsoft.sql_server", "SELECT N'x', @p, [a]", "SELECT N?, @p, [a]"),
        ("oracle.db", "SELECT :1, :name FROM DUAL", "SELECT :?, :name FROM DUAL"),
        ("other_sql", "SELECT 'a', x", "SELECT ?, x"),
        # With and without escapes, this ends elsewhere: then nothing is shown.
        ("other_sql", r"SELECT 'C:\', x", None),
        ("postgresql", "  SELECT\n\t 1  ", "SELECT ?"),
        ("postgresql", "", ""),
    ],
)
def test_a_statement_is_shown_without_its_values(system, text, expected):
    assert shown(text, system) == expected


SECRET = "hunter2"  # noqa: S105 - no secret
# What may stand around a secret inside a literal of that database.
NOISE = {
    "postgresql": ["''", '"', "\\", "--", "/*", "*/", "$$", "$t$", ";", "\n", "%s", "é"],
    "mysql": ["''", "\\'", '"', "--", "/*", "#", "`", ";", "\n", "\\\\"],
    "sqlite": ["''", '"', "\\", "--", "/*", "[", "`", ";", "\n"],
    "microsoft.sql_server": ["''", '"', "\\", "--", "/*", "]", ";", "\n"],
    "oracle.db": ["''", '"', "\\", "--", "/*", ";", "\n"],
}


@given(st.data())
def test_no_literal_gets_out_whatever_is_around_it(data):
    system = data.draw(st.sampled_from(sorted(NOISE)))
    noise = st.lists(st.sampled_from(NOISE[system]), max_size=4).map("".join)
    literal = noise.flatmap(lambda one: noise.map(lambda two: f"'{one}{SECRET}{two}'"))
    between = st.sampled_from([" AND a = ", ", ", " /* c */ ", " -- c\n, ", ' || "q" || '])
    parts = data.draw(st.lists(st.tuples(between, literal), min_size=1, max_size=5))
    text = "".join(["SELECT x FROM t WHERE a = ''", *(word for pair in parts for word in pair)])
    cut = data.draw(st.integers(min_value=20, max_value=len(text)))
    for one in (text, text[:cut]):
        assert SECRET not in shown(one, system)


@given(st.text(max_size=200), st.sampled_from(SYSTEMS))
def test_any_text_is_read_to_its_end(text, system):
    shown(text, system)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("piece", ["'", '"', "`", "[", "$$", "/*", "\\'", "('", "'\\", "$a$", "1e"])
def test_a_long_hostile_text_is_read_too(piece, system):
    shown(piece * 4000, system)
