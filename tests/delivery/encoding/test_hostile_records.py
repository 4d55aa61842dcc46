"""Nothing raises, and a bad value costs no more than itself."""

import decimal
import math
import uuid
from collections import OrderedDict, UserDict, deque
from types import MappingProxyType

import numpy as np
import pytest
from decoded import attributes, plain, records, requested, sole, span
from hostile_records import (
    Color,
    HostileList,
    Level,
    OddFloat,
    OddNumber,
    OddText,
    cyclic_dict,
    cyclic_list,
    deep,
    doubling,
)
from opentelemetry._logs import LogRecord
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, Status, StatusCode
from support.hostile import Endless, Hostile, HostileMapping, Nameless

from otel_distro.delivery.encoding import encode_logs, encode_spans
from otel_distro.delivery.encoding.values import MAX_DEPTH, MAX_VALUES, TRUNCATED


def each(count):
    """Run for each row of a table, by its number: pytest would read the values."""
    return pytest.mark.parametrize("number", range(count))


BIG = 10**5_000
BECOMES = [
    (None, None),
    (True, True),
    (1, 1),
    (-1, -1),
    (1.5, 1.5),
    ("", ""),
    ("Zoë ☕", "Zoë ☕"),
    (b"\xff\x00", b"\xff\x00"),
    (bytearray(b"ab"), b"ab"),
    (memoryview(b"abcd").cast("B", (2, 2)), b"abcd"),
    (float("inf"), math.inf),
    (float("-inf"), -math.inf),
    (2**63 - 1, 2**63 - 1),
    (-(2**63), -(2**63)),
    (2**63, "9223372036854775808"),
    (-(2**63) - 1, "-9223372036854775809"),
    (BIG, hex(BIG)),
    ("a\ud800b", "a�b"),
    ("\ud83d\ude00", "😀"),
    ({"\udc80": "\udc80"}, {"�": "�"}),
    ([None, 1, "a", None], [None, 1, "a", None]),
    ((1, (2, [3])), [1, [2, [3]]]),
    ([[n] for n in range(50)], [[n] for n in range(50)]),
    ({"a": {"b": None}}, {"a": {"b": None}}),
    ({}, {}),
    ([], []),
    ({1: 2, None: 3, (1, 2): 4, "": 5}, {"1": 2, "None": 3, "(1, 2)": 4, "": 5}),
    (deque([1]), [1]),
    ({7}, [7]),
    (range(3), [0, 1, 2]),
    (MappingProxyType({"a": 1}), {"a": 1}),
    (UserDict(a=1), {"a": 1}),
    (OrderedDict(a=1), {"a": 1}),
    (np.int64(5), 5),
    (np.uint64(2**63), "9223372036854775808"),
    (np.float64(0.5), 0.5),
    (np.float32(0.5), 0.5),
    (np.bool_(True), True),
    (np.str_("a"), "a"),
    (np.array([1, 2]), "[1 2]"),
    (np.array(7), 7),
    ([np.int64(5), np.float32(0.5)], [5, 0.5]),
    (decimal.Decimal("1.10"), "1.10"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (ValueError("bad"), "bad"),
    (Color.RED, "red"),
    (Level.HIGH, 3),
    (OddText("x"), "x"),
    (OddNumber(7), 7),
    (OddFloat(0.5), 0.5),
    (Hostile(), "[unreadable Hostile]"),
    (Nameless(), "[unreadable value]"),
    (Endless(), "[unreadable Endless]"),
    (HostileMapping(a=1), "[unreadable HostileMapping]"),
    (HostileList([1]), "[unreadable HostileList]"),
    ([1, Hostile(), 2], [1, "[unreadable Hostile]", 2]),
    ({"a": Hostile(), "b": 1}, {"a": "[unreadable Hostile]", "b": 1}),
]
HUGE = [
    "x" * 10_000_000,
    b"\xff" * 10_000_000,
    {str(n): n for n in range(10_000)},
    cyclic_list(),
    cyclic_list(10),
    cyclic_dict(),
    deep(),
    deep(tuple),
    doubling(),
    range(10**9),
    [0] * 1_000_000,
]


def body(value):
    return sole(encode_logs([log(value)]), "logs").body


def log(value=None, **fields):
    made = LogRecord(body=value, observed_timestamp=2)
    for name, content in fields.items():
        setattr(made, name, content)
    return ReadableLogRecord(made, Resource({}))


@each(len(BECOMES))
def test_what_becomes_of_a_value(number):
    value, expected = BECOMES[number]
    in_span = attributes(sole(encode_spans([span({"k": value})]), "traces"))["k"]
    for found in (in_span, plain(body(value))):
        assert found == expected
        assert type(found) is type(expected)


def test_not_a_number_is_sent_as_such():
    assert math.isnan(body(float("nan")).double_value)


@each(len(HUGE))
def test_beside_a_huge_value_the_others_arrive(number):
    value = HUGE[number]
    made = [span({"before": 1, "k": value, "after": 2}), span({"n": 3})]
    encoded = encode_spans(made)
    assert encoded.unencodable == 0
    (_, first), (_, second) = records(requested(encoded.chunks, "traces"))
    found = attributes(first)
    assert (found["before"], found["after"]) == (1, 2)
    assert attributes(second) == {"n": 3}
    assert plain(body(value)) == found["k"]


def test_texts_bytes_and_keys_are_kept_however_many():
    for value in HUGE[:3]:
        assert plain(body(value)) == value
    many = {f"key{n}": n for n in range(10_000)}
    assert attributes(sole(encode_spans([span(many)]), "traces")) == many


def depth(value):
    levels = 0
    while isinstance(value, list):
        value = value[0]
        levels += 1
    return levels, value


def test_what_is_too_deep_or_too_much_is_marked():
    assert depth(plain(body(deep()))) == (MAX_DEPTH, "[unreadable list]")
    assert depth(plain(body(cyclic_list()))) == (MAX_DEPTH, "[unreadable list]")
    cut = plain(body([0] * 1_000_000))
    assert len(cut) == MAX_VALUES
    assert cut[-1] == TRUNCATED
    cut = plain(body({str(n): n for n in range(100_000)}))
    assert len(cut) == MAX_VALUES
    assert cut[TRUNCATED] is None


KEYS = [1, None, b"a", (1, 2), OddText("k"), Color.RED, Nameless()]


@each(len(KEYS))
def test_keys_that_are_no_text_cost_at_most_their_name(number):
    key = KEYS[number]
    pairs = {"before": 1, "after": 2}
    made = UserPairs([*pairs.items(), (key, 3)])
    found = attributes(sole(encode_spans([span({"k": made, **pairs})]), "traces"))
    assert found.pop("k") == {**pairs, **dict.fromkeys(found_name(key), 3)}
    assert found == pairs
    found = attributes(sole(encode_logs([log(attributes=made)]), "logs"))
    assert found == {**pairs, **dict.fromkeys(found_name(key), 3)}


class UserPairs(UserDict):
    """A mapping that does not hash its keys."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __len__(self):
        return len(self.pairs)

    def items(self):
        return self.pairs


def found_name(key):
    match key:
        case Nameless():
            return ["[unreadable value]"]
        case OddText():
            return ["k"]
        case Color():
            return ["red"]
        case _:
            return [str(key)]


def test_a_key_that_equals_another_type_s_is_not_mistaken():
    for key, name in [(1, "1"), (True, "True"), (1.0, "1.0"), ("1", "1")]:
        assert attributes(sole(encode_spans([span({key: "x"})]), "traces")) == {name: "x"}


TIMES = [None, -1, 2**64, "x", float("nan"), float("inf"), Hostile()]


@each(len(TIMES))
def test_a_bad_time_is_left_out(number):
    time = TIMES[number]
    record = sole(encode_spans([span(start_time=time, end_time=9)]), "traces")
    assert (record.start_time_unix_nano, record.end_time_unix_nano) == (0, 9)
    record = sole(encode_spans([span(start_time=9, end_time=time)]), "traces")
    assert (record.start_time_unix_nano, record.end_time_unix_nano) == (9, 0)
    record = sole(
        encode_spans([span(events=[Event("e", {}, 0 if time is None else time)])]), "traces"
    )
    assert record.events[0].time_unix_nano == 0
    record = sole(encode_logs([log(timestamp=time, observed_timestamp=time)]), "logs")
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (0, 0)


@pytest.mark.parametrize(("count", "sent"), [(-1, 0), (2**40, 2**32 - 1), ("x", 0), (None, 0)])
def test_a_bad_count_is_left_out_and_a_large_one_the_largest(count, sent):
    given = BoundedAttributes(attributes={"a": 1})
    given.dropped = count
    record = sole(encode_spans([span(given)]), "traces")
    assert record.dropped_attributes_count == sent
    assert attributes(record) == {"a": 1}


def test_a_float_time_is_taken_as_whole_nanoseconds():
    assert (
        sole(encode_spans([span(start_time=1.5e18)]), "traces").start_time_unix_nano == 15 * 10**17
    )


class BrokenStatus(Status):
    @property
    def description(self):
        raise RuntimeError("no description")


def described(description):
    status = Status(StatusCode.ERROR)
    status._description = description
    return status


STATUSES = [
    (BrokenStatus(StatusCode.ERROR), ""),
    (described(7), "7"),
    (described(Hostile()), "[unreadable Hostile]"),
    (described("\ud800"), "�"),
]


@each(len(STATUSES))
def test_a_broken_description_leaves_the_failure(number):
    status, message = STATUSES[number]
    encoded = encode_spans([span(status=status)])
    assert encoded.chunks[0].errors
    record = sole(encoded, "traces")
    assert (record.status.code, record.status.message) == (2, message)


NAMES = [
    (None, ""),
    (7, "7"),
    ("\ud800", "�"),
    (["x"], "['x']"),
    (Hostile(), "[unreadable Hostile]"),
    ("x" * 1_000_000, "x" * 1_000_000),
]


@each(len(NAMES))
def test_any_name_is_sent(number):
    name, expected = NAMES[number]
    assert sole(encode_spans([span(name=name)]), "traces").name == expected


@pytest.mark.parametrize("kind", [None, 3, "SERVER"])
def test_a_bad_kind_is_unspecified(kind):
    assert sole(encode_spans([span(kind=kind)]), "traces").kind == 0


@pytest.mark.parametrize(
    ("context", "ids"),
    [
        (None, (b"", b"")),
        (SpanContext(2**128, 2, is_remote=False), (b"", b"\0\0\0\0\0\0\0\2")),
        (SpanContext(1, -1, is_remote=False), (b"\0" * 15 + b"\1", b"")),
    ],
)
def test_a_bad_id_is_left_out(context, ids):
    record = sole(encode_spans([span({"a": 1}, context=context)]), "traces")
    assert (record.trace_id, record.span_id) == ids
    assert attributes(record) == {"a": 1}


class Unreadable(ReadableSpan):
    @property
    def name(self):
        raise RuntimeError("no name")


class UnreadableRecord:
    @property
    def log_record(self):
        raise RuntimeError("no record")


BAD_SPANS = [Unreadable("x"), Hostile(), None, object(), 7]


@each(len(BAD_SPANS))
def test_a_record_that_cannot_be_read_is_left_out_and_counted(number):
    bad = BAD_SPANS[number]
    encoded = encode_spans([span({"n": 1}), bad, span({"n": 2}), bad])
    assert encoded.unencodable == 2
    assert encoded.chunks[0].count == 2
    found = [attributes(record) for _, record in records(requested(encoded.chunks, "traces"))]
    assert found == [{"n": 1}, {"n": 2}]


BAD_RECORDS = [UnreadableRecord(), Hostile(), None, object(), 7]


@each(len(BAD_RECORDS))
def test_a_log_record_that_cannot_be_read_is_left_out_and_counted(number):
    bad = BAD_RECORDS[number]
    encoded = encode_logs([log(1), bad, log(2), bad])
    assert encoded.unencodable == 2
    assert [r.body.int_value for _, r in records(requested(encoded.chunks, "logs"))] == [1, 2]


def test_an_event_or_a_link_that_cannot_be_read_is_counted_as_dropped():
    context = SpanContext(1, 2, is_remote=False)
    made = span(
        {"a": 1},
        events=[Event("good"), Hostile(), None],
        links=[Link(context), Link(None)],
    )
    record = sole(encode_spans([made]), "traces")
    assert attributes(record) == {"a": 1}
    assert [event.name for event in record.events] == ["good"]
    assert record.dropped_events_count == 2
    assert len(record.links) == record.dropped_links_count == 1


MAPPINGS = [HostileMapping(a=1), [1, 2], 7]


@each(len(MAPPINGS))
def test_attributes_that_cannot_be_read_leave_the_record(number):
    mapping = MAPPINGS[number]
    record = sole(encode_logs([log("x", attributes=mapping)]), "logs")
    assert record.body.string_value == "x"
    assert attributes(record) == {}


class Growing(dict):
    """Changes the first time that it is read, as another thread may do."""

    def items(self):
        if "late" not in self:
            yield from dict.items(self)
            self["late"] = 1
            raise RuntimeError("dictionary changed size during iteration")
        yield from dict.items(self)


def test_attributes_that_change_meanwhile_are_all_sent():
    record = sole(encode_logs([log(attributes=Growing(a=1))]), "logs")
    assert attributes(record) == {"a": 1, "late": 1}
