"""What the demo reads from the far side, and how it judges."""

import json

import pytest

from examples.demo.arrivals import MAX_TRACES, Arrivals
from examples.demo.ports import SERVICES, Ports


def resource(service):
    return {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}


def spans(service, trace="t", parent=""):
    span = {
        "traceId": trace,
        "spanId": service,
        "parentSpanId": parent,
        "name": "work",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
    }
    return {"resourceSpans": [{"resource": resource(service), "scopeSpans": [{"spans": [span]}]}]}


def metrics(service):
    metric = {"name": "things", "sum": {"dataPoints": [{"asInt": "1"}, {"asInt": "2"}]}}
    return {
        "resourceMetrics": [
            {"resource": resource(service), "scopeMetrics": [{"metrics": [metric]}]}
        ]
    }


def logs(service, trace="t"):
    record = {"body": {"stringValue": "x"}, "traceId": trace}
    return {
        "resourceLogs": [{"resource": resource(service), "scopeLogs": [{"logRecords": [record]}]}]
    }


def write(folder, name, *documents):
    with (folder / name).open("a") as file:
        file.writelines(json.dumps(document) + "\n" for document in documents)


def everything(folder, without=None):
    """Write what a complete run leaves, but for (signal, service)."""
    for signal, make in (("traces", spans), ("metrics", metrics), ("logs", logs)):
        for service in SERVICES:
            if (signal, service) != without:
                write(folder, f"{signal}.jsonl", make(service))


def test_nothing_is_missing_when_all_arrived(tmp_path):
    everything(tmp_path)
    arrivals = Arrivals(tmp_path)
    arrivals.read()
    assert arrivals.missing(SERVICES) == []
    assert arrivals.counts["ml"].points == 2
    assert arrivals.logs_of_trace["t"] == 4


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("signal", "word"), [("traces", "spans"), ("metrics", "metrics"), ("logs", "logs")]
)
def test_what_is_missing_is_named(tmp_path, signal, word, service):
    everything(tmp_path, without=(signal, service))
    arrivals = Arrivals(tmp_path)
    arrivals.read()
    assert f"no {word} of {service}" in arrivals.missing(SERVICES)


def test_four_services_in_two_traces_are_not_one_trace_through_all(tmp_path):
    everything(tmp_path, without=("traces", "ml"))
    write(tmp_path, "traces.jsonl", spans("ml", trace="another"))
    arrivals = Arrivals(tmp_path)
    arrivals.read()
    assert arrivals.missing(SERVICES) == ["no trace through all of api, agents, ml, database"]


def test_a_line_still_being_written_is_read_when_it_is_complete(tmp_path):
    line = json.dumps(spans("api")) + "\n"
    arrivals = Arrivals(tmp_path)
    (tmp_path / "traces.jsonl").write_text(line[:40])
    arrivals.read()
    assert "api" not in arrivals.counts
    (tmp_path / "traces.jsonl").write_text(line)
    arrivals.read()
    arrivals.read()
    assert arrivals.counts["api"].spans == 1


def test_traces_are_kept_within_a_bound(tmp_path):
    write(tmp_path, "traces.jsonl", *(spans("api", trace=f"{n}") for n in range(MAX_TRACES + 50)))
    arrivals = Arrivals(tmp_path)
    arrivals.read()
    assert len(arrivals.traces) == MAX_TRACES
    assert arrivals.counts["api"].spans == MAX_TRACES + 50


def test_the_ports_of_the_demo_are_all_different():
    for ports in (Ports.standard(), Ports.above(9000)):
        numbers = [port for _, port in ports]
        assert len(numbers) == len(set(numbers)) == 8
