"""Whatever is logged, the call returns, and what comes out is JSON, UTF-8 and bounded."""

import decimal
import json
import logging
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hostile_values import (
    HOSTILE,
    Color,
    HostileError,
    HostileNotesError,
    cyclic,
    deep,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.hostile import Hostile, Nameless

from otel_distro.logger import api_logger, context, set_context
from otel_distro.logger.errors import error_fields
from otel_distro.logger.records import attached, attributes
from otel_distro.logger.rendering import json_renderer, pretty_renderer
from otel_distro.logger.values import DROPPED, MAX_ITEMS, MAX_TEXT, clean, clean_fields, clean_text


@pytest.fixture
def kept(install, monkeypatch):
    """The records that a handler of the application gets."""

    class Keep(logging.Handler):
        def emit(self, record):
            records.append(record)

    records = []
    install(LOG_LEVEL="debug")
    log = logging.getLogger("api")
    monkeypatch.setattr(log, "handlers", [Keep()])
    monkeypatch.setattr(log, "propagate", False)
    return records


def check(record):
    """Check that a record can be rendered and sent; return it as JSON has it."""
    line = json_renderer("s")(record)
    assert "\n" not in line
    pretty_renderer(colors=True)(record).encode()
    read = json.loads(line, parse_constant=pytest.fail)
    assert len(line) < 6 * (5 * MAX_TEXT + 20_000)
    flat = attributes(attached(record))
    assert len(flat) <= MAX_ITEMS
    for key, value in flat.items():
        assert key
        key.encode()
        for item in value if isinstance(value, list) else [value]:
            assert item is None or type(item) in {bool, int, float, str}
            if type(item) is str:
                assert len(item.encode()) < MAX_TEXT + 100
            elif type(item) is int:
                assert -(2**63) <= item < 2**63
    return read


def log_everywhere(value):
    with context(field=value, user_id=value):
        api_logger.bind(bound=value).info(value, value, value=value, nested={"in": [value]})
        api_logger.error("failed", error=value, value=value)
        api_logger.error("failed %s", value, extra=value, exc_info=value)


@pytest.mark.parametrize("number", range(len(HOSTILE)))  # pytest would read the values
def test_no_value_makes_a_log_call_raise(number, kept, said):
    value = HOSTILE[number]
    log_everywhere(value)
    assert len(kept) == 3
    for record in kept:
        check(record)
    assert said() == []


def hostile(number):
    return HOSTILE[number]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.text(st.characters(categories=["Cs", "Cc", "L"])),
    st.binary(),
    st.datetimes(),
    st.decimals(),
    st.uuids(),
    st.complex_numbers(),
    st.integers(1, 8).map(hostile),
)
KEYS = st.one_of(st.text(st.characters()), st.integers(), st.none(), st.binary(), st.booleans())
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(KEYS, inner), st.tuples(inner, inner), st.sets(KEYS)
    ),
    max_leaves=30,
)
of_one_fixture = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)


@of_one_fixture
@given(message=ANYTHING, fields=st.dictionaries(st.text(st.characters()), ANYTHING))
def test_any_message_and_any_fields_make_one_good_line(kept, message, fields):
    kept.clear()
    api_logger.info(message, **fields)
    (record,) = kept
    line = check(record)
    if isinstance(message, str) and message.isascii() and len(message) < 1_000:
        assert line["message"] == message


@of_one_fixture
@given(fields=st.dictionaries(st.text(st.characters()), ANYTHING, max_size=5))
def test_any_context_makes_good_lines(kept, fields):
    kept.clear()
    with context():
        for key, value in fields.items():
            set_context(**{key: value})
        api_logger.info("x")
    (record,) = kept
    check(record)


@given(ANYTHING)
def test_cleaning_twice_is_cleaning_once(value):
    once = clean(value)
    assert clean(once) == once


PLAIN = [
    (None, None),
    (True, True),
    (7, 7),
    (0.5, 0.5),
    ("text", "text"),
    ("Zoë ☕", "Zoë ☕"),
    ("\ud800", "\\ud800"),
    (float("nan"), "NaN"),
    (float("inf"), "Infinity"),
    (float("-inf"), "-Infinity"),
    (2**63, "0x8000000000000000"),
    (b"caf\xc3\xa9 \xff", "café \\xff"),
    (date(2026, 1, 2), "2026-01-02"),
    (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
    (timedelta(seconds=90), "0:01:30"),
    (decimal.Decimal("1.10"), "1.10"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Path("/tmp"), "/tmp"),  # noqa: S108 - a text
    (Color.RED, "red"),
    (ValueError("bad"), "ValueError: bad"),
    ((1, "a"), [1, "a"]),
    ({1: {"a": None}}, {"1": {"a": None}}),
    ({"": 1}, {"(empty)": 1}),
    (Hostile(), "(Hostile that cannot be read)"),
    (Nameless(), "(object that cannot be read)"),
]


@pytest.mark.parametrize("number", range(len(PLAIN)))
def test_what_becomes_of_a_value(number):
    value, plain = PLAIN[number]
    assert clean(value) == plain


@pytest.mark.parametrize("kind", [HostileError, HostileNotesError])
def test_an_exception_that_cannot_be_read_has_its_name_and_its_place(kind):
    try:
        raise kind("bad")  # noqa: TRY301
    except kind as error:
        described = error_fields(error)
    assert described["name"] == kind.__name__
    assert "in test_an_exception_that_cannot_be_read" in described["stack"]


def test_a_value_in_itself_and_one_too_deep_are_marked():
    assert clean(cyclic()) == {"list": ["(contains itself)"]}
    assert "(too deep)" in json.dumps(clean(deep()))
    assert "(too many values)" in json.dumps(clean([[0] * 100] * 100))


@pytest.mark.parametrize("text", ["x" * 10_000_000, "é" * 10_000_000, "\ud800" * 10_000_000])
def test_a_long_text_is_cut_at_64_kib_and_says_so(text):
    cut = clean_text(text)
    assert MAX_TEXT - 2 <= len(cut.encode()) <= MAX_TEXT + 40
    assert cut.endswith("… (cut, 10,000,000 characters)")


def test_of_ten_thousand_keys_128_are_kept_and_the_rest_is_counted():
    cleaned = clean_fields({f"key{n}": n for n in range(10_000)})
    assert len(cleaned) == MAX_ITEMS + 1
    assert cleaned["key0"] == 0
    assert cleaned[DROPPED] == 10_000 - MAX_ITEMS
    assert clean(list(range(1_000)))[-1] == "… (872 more)"
