"""Values that no protocol has a place for, among good records: only the bad value is altered.

A program under our distribution sends each bad value between two good records; what it sent is
read in the files of a real Collector. `tests/delivery/encoding` has many more such values.
"""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from support.emitting import PREFIX
from support.far_side import TO_FILES, Arrived, CollectorProcess, attributes
from support.instrumented import run_python

pytestmark = pytest.mark.collector

MIB = 2**20
# A Collector that takes far smaller requests than ours does.
NARROW = f"""
receivers:
  otlp:
    protocols:
      grpc: {{max_recv_msg_size_mib: 1}}
      http: {{max_request_body_size: {MIB}}}
"""


@dataclass(frozen=True)
class Bad:
    """A bad value.

    Attributes:
        code: The expression that makes it.
        becomes: What is found of it in a span, in OTLP's JSON.
        of_sdk: Whether the SDK lets an application set it. Else it is in a span made by hand.
    """

    code: str
    becomes: Any
    of_sdk: bool = True


BAD = {
    "10 MB": Bad("'x' * 10_000_000", {"stringValue": "x" * 10_000_000}),
    "bytes": Bad("b'\\xff\\x00'", {"bytesValue": base64.b64encode(b"\xff\x00").decode()}),
    "nested": Bad(
        "{'a': [1, {'b': None}]}",
        {
            "kvlistValue": {
                "values": [
                    {
                        "key": "a",
                        "value": {
                            "arrayValue": {
                                "values": [
                                    {"intValue": "1"},
                                    {"kvlistValue": {"values": [{"key": "b", "value": {}}]}},
                                ]
                            }
                        },
                    }
                ]
            }
        },
    ),
    "10,000 keys": Bad(
        "{f'k{n}': n for n in range(10_000)}",
        {
            "kvlistValue": {
                "values": [{"key": f"k{n}", "value": {"intValue": str(n)}} for n in range(10_000)]
            }
        },
    ),
    "NaN": Bad("float('nan')", {"doubleValue": "NaN"}),
    "infinity": Bad("float('inf')", {"doubleValue": "Infinity"}),
    "70 bits": Bad("2**70", {"stringValue": str(2**70)}),
    "17,000 bits": Bad("10**5_000", {"stringValue": hex(10**5_000)}),
    "lone surrogate": Bad("'a\\ud800b'", {"stringValue": "a\ufffdb"}),
    "key that is no text": Bad(
        "{1: 2}", {"kvlistValue": {"values": [{"key": "1", "value": {"intValue": "2"}}]}}
    ),
    "set": Bad("{7}", {"arrayValue": {"values": [{"intValue": "7"}]}}, of_sdk=False),
    "nothing": Bad("None", {}),
    "cyclic list": Bad("cyclic([])", None, of_sdk=False),
    "cyclic mapping": Bad("cyclic({})", None, of_sdk=False),
    "no text": Bad("Textless()", {"stringValue": "[unreadable Textless]"}, of_sdk=False),
    "nothing works": Bad("Hostile()", {"stringValue": "[unreadable Hostile]"}, of_sdk=False),
}
NUMBERS = {name: 3 * number + 1 for number, name in enumerate(BAD)}
# Ids of spans by hand, and of the span with 10,000 attributes of its own.
BY_HAND, MANY = 1000, 9999

PROGRAM = """
import logging
import otel_distro
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import ReadableSpan

class Textless:
    def __str__(self):
        raise RuntimeError("no text")
    __repr__ = __str__

class Hostile(Textless):
    __len__ = __iter__ = __bool__ = __hash__ = __eq__ = Textless.__str__
    def __getattr__(self, name):
        raise RuntimeError("nothing")

def cyclic(value):
    value.append(value) if isinstance(value, list) else value.update(self=value)
    return value

telemetry = otel_distro.configure()
tracer = trace.get_tracer("bad")
counter = metrics.get_meter("bad").create_counter("bad")
log = logging.getLogger("bad")
log.setLevel(logging.INFO)

def emit(number, of_sdk=True, **bad):
    given = {"id": number, "before": 1, **bad, "after": 2}
    if of_sdk:
        tracer.start_span("work", attributes=given).end()
        if number != 1:
            counter.add(1, given)
    by_hand = given | {"id": BY_HAND + number}
    span = tracer.start_span("by hand")
    telemetry._pipeline.add_span(ReadableSpan("by hand", span.context, attributes=by_hand))
    log.info("worked", extra=given)

for number, code, of_sdk in CASES:
    emit(number - 1)
    emit(number, of_sdk, bad=eval(code))
    emit(number + 1)
many = {f"k{n}": n for n in range(10_000)} | {"id": MANY}
tracer.start_span("work", attributes=many).end()
print(telemetry.force_flush(30_000))
balance = telemetry._pipeline.balance()
print([(one.lost, one.difference) for one in balance.values()])
"""


@dataclass(frozen=True)
class Sent:
    """What the program said, which bad values it sent, and what arrived."""

    names: list[str]
    out: str
    stderr: str
    spans: list[Arrived]
    logs: list[Arrived]
    points: list[dict[str, Any]]

    @property
    def numbers(self) -> set[int]:
        """The ids of the records, bad and good."""
        return {n for name in self.names for at in [NUMBERS[name]] for n in range(at - 1, at + 2)}

    @property
    def by_id(self) -> dict[int, Arrived]:
        return {int(span.attributes["id"]): span for span in self.spans}


def send(folder, protocol: str, *, narrow: bool) -> Sent:
    configs, names = [*TO_FILES], [*BAD]
    if narrow:
        names = ["10 MB", "NaN"]
        configs.append(folder / "narrow.yaml")
        configs[-1].write_text(NARROW)
    cases = [[NUMBERS[name], BAD[name].code, BAD[name].of_sdk] for name in names]
    code = PROGRAM.replace("CASES", repr(cases))
    code = code.replace("BY_HAND", str(BY_HAND)).replace("MANY", str(MANY))
    with CollectorProcess(folder, configs) as collector:
        done = run_python(
            code,
            OTEL_SERVICE_NAME="bad",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.grpc if protocol == "grpc" else collector.http,
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
            BLIPEE_OTEL_SPOOL_DIR=str(folder / "spool"),
        )
        collector.stop()
    assert done.returncode == 0, done.stderr
    return Sent(
        names,
        done.stdout,
        done.stderr,
        [span for span in collector.spans() if span.scope in {"bad", ""}],
        [one for one in collector.logs() if one.scope == "bad"],
        [
            point
            for metric in collector.metrics()
            if metric.record["name"] == "bad"
            for point in metric.record["sum"]["dataPoints"]
        ],
    )


COLLECTORS = {
    "HTTP": ("http/protobuf", False),
    "gRPC": ("grpc", False),
    "HTTP, narrow": ("http/protobuf", True),
    "gRPC, narrow": ("grpc", True),
}
each_collector = pytest.mark.parametrize("to", COLLECTORS)
each_wide_one = pytest.mark.parametrize("to", ["HTTP", "gRPC"])


@pytest.fixture(scope="module")
def sending(tmp_path_factory):
    with ThreadPoolExecutor(len(COLLECTORS)) as pool:
        yield {
            name: pool.submit(send, tmp_path_factory.mktemp("to"), protocol, narrow=narrow)
            for name, (protocol, narrow) in COLLECTORS.items()
        }


@pytest.fixture
def sent(sending, to) -> Sent:
    return sending[to].result()


@each_collector
def test_every_record_arrives_once_and_the_ledger_adds_up(sent):
    assert sent.out == f"True\n{[(0, 0)] * 3}\n", sent.stderr
    spans = sorted(int(span.attributes["id"]) for span in sent.spans)
    of_sdk = sent.numbers - {NUMBERS[name] for name, bad in BAD.items() if not bad.of_sdk}
    assert spans == sorted([*of_sdk, *(BY_HAND + number for number in sent.numbers), MANY])
    assert sorted(int(one.attributes["id"]) for one in sent.logs) == sorted(sent.numbers)
    points = {int(attributes(point)["id"]): int(point["asInt"]) for point in sent.points}
    assert points == dict.fromkeys(of_sdk - {NUMBERS["10 MB"]}, 1)


@each_collector
def test_the_application_hears_once_of_each_kind_of_badness(sent):
    assert "Traceback" not in sent.stderr
    lines = sent.stderr.splitlines()
    assert len(lines) <= 3
    assert all(line.startswith(PREFIX) and line.endswith("Said once.") for line in lines)


@each_collector
def test_beside_a_bad_value_nothing_is_altered(sent):
    for number, span in sent.by_id.items():
        if number == MANY:
            continue
        assert (span.attributes["before"], span.attributes["after"]) == ("1", "2")
        of_bad = number % BY_HAND in NUMBERS.values()
        assert len(span.attributes) == 3 + of_bad
    for log in sent.logs:
        assert log.attributes["before"] == "1"
        # Of a log record a mapping becomes many attributes, and there is a bound of these.
        if int(log.attributes["id"]) != NUMBERS["10,000 keys"]:
            assert log.attributes["after"] == "2"
        assert log.record["body"] == {"stringValue": "worked"}


@pytest.mark.parametrize("name", [name for name, bad in BAD.items() if bad.becomes is not None])
@each_wide_one
def test_what_becomes_of_a_bad_value(sent, name):
    numbers = [BY_HAND + NUMBERS[name], *([NUMBERS[name]] if BAD[name].of_sdk else [])]
    for number in numbers:
        record = sent.by_id[number].record
        (found,) = [one["value"] for one in record["attributes"] if one["key"] == "bad"]
        # Not `==` in the assertion: of 10 MB the difference takes minutes to print.
        same = found == BAD[name].becomes
        assert same, json.dumps(found)[:500]


@each_wide_one
def test_what_holds_itself_is_cut_off(sent):
    for name in ("cyclic list", "cyclic mapping"):
        record = sent.by_id[BY_HAND + NUMBERS[name]].record
        (found,) = [one["value"] for one in record["attributes"] if one["key"] == "bad"]
        assert "[unreadable " in json.dumps(found)


@pytest.mark.parametrize("to", ["HTTP, narrow", "gRPC, narrow"])
def test_a_text_that_a_collector_finds_too_large_is_cut_and_marked(sent):
    for number in (NUMBERS["10 MB"], BY_HAND + NUMBERS["10 MB"]):
        found = sent.by_id[number].attributes["bad"]
        assert found.startswith("xxx")
        assert found.endswith("…[truncated]")
        assert len(found) < MIB


@each_wide_one
def test_of_too_many_attributes_the_rest_is_counted(sent):
    many = sent.by_id[MANY].record
    assert len(many["attributes"]) == 128
    assert many["droppedAttributesCount"] == 10_001 - 128
