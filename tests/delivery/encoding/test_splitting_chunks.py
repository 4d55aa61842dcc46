"""A chunk that is too large is halved, and a record that is too large cut, so that it arrives."""

import pytest
from decoded import attributes, plain, records, requested, scopes, span
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Status, StatusCode

from otel_distro.delivery.encoding import (
    encode_logs,
    encode_metrics,
    encode_spans,
    halve,
    join,
    truncate,
)

RESOURCE = Resource({"service.name": "shop"}, "https://resource")
SCOPES = [InstrumentationScope(f"scope {n}", "1", "https://scope", {"n": n}) for n in range(3)]


def log(value, attributes=None, severity=9, scope=SCOPES[0]):
    record = LogRecord(
        body=value,
        observed_timestamp=1,
        attributes=attributes,
        severity_number=SeverityNumber(severity),
    )
    return ReadableLogRecord(record, RESOURCE, scope)


def of_traces(count):
    failed = Status(StatusCode.ERROR)
    return encode_spans(
        [
            span(
                {"n": n},
                status=failed,
                resource=RESOURCE,
                instrumentation_scope=SCOPES[n * 3 // count],
            )
            for n in range(count)
        ]
    ).chunks


def of_logs(count):
    return encode_logs(
        [log(n, severity=17, scope=SCOPES[n * 3 // count]) for n in range(count)]
    ).chunks


def of_metrics(count):
    def metric(name, numbers):
        points = [NumberDataPoint({"n": n}, 1, 2, n) for n in numbers]
        return Metric(name, "d", "1", Sum(points, AggregationTemporality.CUMULATIVE, True))

    halves = [metric("a", range(count // 2)), metric("b", range(count // 2, count))]
    of_scopes = [
        ScopeMetrics(scope, [made], "") for scope, made in zip(SCOPES, halves, strict=False)
    ]
    return encode_metrics(MetricsData([ResourceMetrics(RESOURCE, of_scopes, "")])).chunks


def numbers(request, signal):
    for _, record in records(request):
        match signal:
            case "traces":
                yield record.attributes[0].value.int_value
            case "logs":
                yield record.body.int_value
            case "metrics":
                for point in record.sum.data_points:
                    yield point.as_int


MADE = {"traces": of_traces, "logs": of_logs, "metrics": of_metrics}


@pytest.mark.parametrize("signal", MADE)
@pytest.mark.parametrize("count", [2, 3, 7, 10, 101])
def test_halves_have_all_records_in_order(signal, count):
    (chunk,) = MADE[signal](count)
    halves = halve(chunk, signal)
    assert [half.count for half in halves] == [count // 2, count - count // 2]
    assert [half.errors for half in halves] == [chunk.errors] * 2
    assert [half.resource for half in halves] == [chunk.resource] * 2
    found = [list(numbers(requested([half], signal), signal)) for half in halves]
    assert [len(some) for some in found] == [half.count for half in halves]
    assert found[0] + found[1] == list(range(count))
    whole = {around[2].name: around for around, _ in scopes(requested([chunk], signal))}
    for half in halves:
        for around, some in scopes(requested([half], signal)):
            assert around == whole[around[2].name]
            assert some, "a scope without records"


@pytest.mark.parametrize("signal", MADE)
def test_halved_down_to_single_records_they_are_the_same_records(signal):
    (chunk,) = MADE[signal](9)
    todo, single = [chunk], []
    while todo:
        next_one = todo.pop(0)
        if next_one.count == 1:
            single.append(next_one)
        else:
            todo = [*halve(next_one, signal), *todo]
    assert len(single) == 9
    assert list(numbers(requested(single, signal), signal)) == list(range(9))
    if signal != "metrics":  # of which one metric is now several
        whole = [record for _, record in records(requested([chunk], signal))]
        assert [record for _, record in records(requested(single, signal))] == whole


MARK = "…[truncated]"


def test_the_longest_texts_of_a_span_are_cut_until_it_fits():
    (chunk,) = encode_spans(
        [
            span(
                {"path": "/" * 5_000, "huge": "é" * 500_000, "list": ["x" * 90_000, "y"], "n": 1},
                events=[Event("failed", {"stack": "s" * 300_000, "bytes": b"\xff" * 200_000})],
                status=Status(StatusCode.ERROR, "m" * 100_000),
            )
        ]
    ).chunks
    small = truncate(chunk, "traces", 50_000)
    assert 45_000 < small.size <= 50_000
    assert (small.count, small.errors, small.resource) == (1, True, chunk.resource)
    ((around, before),) = records(requested([chunk], "traces"))
    ((still_around, after),) = records(requested([small], "traces"))
    assert around == still_around
    found = attributes(after)
    assert found["path"] == "/" * 5_000
    assert found["n"] == 1
    assert found["list"][1] == "y"
    event = attributes(after.events[0])
    cut = [found["huge"], found["list"][0], event["stack"], after.status.message]
    for text in cut:
        assert text.endswith(MARK)
        assert len(set(text.removesuffix(MARK))) == 1
    assert event["bytes"].endswith(MARK.encode())
    assert event["bytes"].startswith(b"\xff" * 1_000)
    assert (after.trace_id, after.span_id) == (before.trace_id, before.span_id)
    assert after.name == before.name


def test_the_body_and_the_attributes_of_a_log_record_are_cut():
    (chunk,) = encode_logs([log({"text": "b" * 100_000}, {"a": "a" * 100_000, "n": 1})]).chunks
    small = truncate(chunk, "logs", 10_000)
    assert 9_000 < small.size <= 10_000
    ((_, record),) = records(requested([small], "logs"))
    assert plain(record.body)["text"].startswith("b" * 4_000)
    assert plain(record.body)["text"].endswith(MARK)
    assert attributes(record)["a"].endswith(MARK)
    assert attributes(record)["n"] == 1


def test_the_attributes_of_a_data_point_are_cut():
    point = NumberDataPoint({"a": "x" * 100_000}, 1, 2, 7)
    of_scope = ScopeMetrics(SCOPES[0], [Metric("m", "", "", Gauge([point]))], "")
    (chunk,) = encode_metrics(MetricsData([ResourceMetrics(RESOURCE, [of_scope], "")])).chunks
    small = truncate(chunk, "metrics", 1_000)
    assert 900 < small.size <= 1_000
    ((_, metric),) = records(requested([small], "metrics"))
    (found,) = metric.gauge.data_points
    assert attributes(found)["a"].endswith(MARK)
    assert found.as_int == 7


def test_a_giant_resource_is_cut_as_well():
    (chunk,) = encode_logs([log("x")]).chunks
    record = log("x").log_record
    giant = ReadableLogRecord(record, Resource({"argv": "x" * 100_000}), SCOPES[0])
    (chunk,) = encode_logs([giant]).chunks
    small = truncate(chunk, "logs", 1_000)
    assert small.size <= 1_000
    ((around, _),) = records(requested([small], "logs"))
    assert attributes(around[0])["argv"].endswith(MARK)


@pytest.mark.parametrize("before", ["", "a"])
def test_no_character_is_cut_in_two(before):
    (chunk,) = encode_logs([log(before + "é" * 1_000)]).chunks
    ((_, record),) = records(requested([truncate(chunk, "logs", 1_000)], "logs"))
    kept = record.body.string_value.removesuffix(MARK)
    assert len(kept) > 400
    assert kept == before + "é" * (len(kept) - len(before))


def test_nothing_is_cut_to_less_than_64_bytes():
    (chunk,) = encode_spans([span({f"k{n}": "x" * 100 for n in range(50)})]).chunks
    small = truncate(chunk, "traces", chunk.size - 50 * 60)
    ((_, record),) = records(requested([small], "traces"))
    for text in attributes(record).values():
        assert len(text.encode()) == 64
        assert text.endswith(MARK)


def test_what_fits_is_left_as_it_is():
    (chunk,) = encode_logs([log("x" * 1_000)]).chunks
    assert truncate(chunk, "logs", chunk.size) == chunk


def test_where_short_texts_are_too_many_the_best_is_returned():
    (chunk,) = encode_logs([log("x" * 1_000, {f"k{n}": "short" for n in range(1_000)})]).chunks
    small = truncate(chunk, "logs", 100)
    assert 100 < small.size < chunk.size
    ((_, record),) = records(requested([small], "logs"))
    assert len(record.attributes) == 1_000
    assert record.body.string_value.endswith(MARK)
    assert len(record.body.string_value.encode()) == 64


def test_chunks_of_several_calls_are_joined_in_order():
    chunks = [*of_logs(3), *of_logs(2), *of_logs(4)]
    request = requested(chunks, "logs")
    assert len(request.resource_logs) == 1
    assert list(numbers(request, "logs")) == [0, 1, 2, 0, 1, 0, 1, 2, 3]
    assert join([]) == b""
