"""A whole application over its budget: what it leaves out, what it keeps, and what it says."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from support.emitting import records_in
from support.instrumented import clean_environment
from support.misbehaving import HttpServer

APP = Path(__file__).with_name("governed_app.py")


class Ran:
    """What the application did, said, and sent."""

    def __init__(self, folder):
        with HttpServer() as server:
            done = subprocess.run(
                [sys.executable, str(APP)],
                capture_output=True,
                text=True,
                timeout=180,
                check=False,
                env=clean_environment(
                    OTEL_SERVICE_NAME="governed",
                    OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{server.host}",
                    OTEL_METRIC_EXPORT_INTERVAL="1000",
                    BLIPEE_OTEL_CPU_BUDGET="off",  # the application sets its own, with its pace
                    BLIPEE_OTEL_SPOOL_DIR=str(folder),
                    BLIPEE_OTEL_LOG_FORMAT="off",
                ),
            )
        assert done.returncode == 0, done.stderr
        self.requests = json.loads(done.stdout)
        self.said = done.stderr.splitlines()
        self.server = server
        self.spans = records_in(server.accepted["traces"])
        self.logs = records_in(server.accepted["logs"], "logs")

    def numbers(self, *levels, has_failed=(True, False)):
        return {
            number for number, level, failed in self.requests
            if level in levels and failed in has_failed
        }  # fmt: skip

    @property
    def roots(self):
        """Numbers of requests whose span was delivered."""
        found = [number_of(span) for span in self.spans if span.name == "GET /"]
        assert len(found) == len(set(found))
        return set(found)

    @property
    def with_statement(self):
        """Numbers of requests whose statement has a span."""
        of = {span.span_id: number_of(span) for span in self.spans if span.name == "GET /"}
        return {of[span.parent_span_id] for span in self.spans if span.name == "SELECT"}

    def points(self, name):
        return [
            point
            for body in self.server.accepted["metrics"]
            for of_resource in MetricsData.FromString(body).resource_metrics
            for of_scope in of_resource.scope_metrics
            for metric in of_scope.metrics
            if metric.name == name
            for point in getattr(metric, metric.WhichOneof("data")).data_points
        ]


def number_of(span):
    return next(each.value.int_value for each in span.attributes if each.key == "number")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return Ran(tmp_path_factory.mktemp("spool"))


def test_each_step_is_said_with_what_it_costs_and_what_to_do(ran):
    assert [re.search(r"\(level (\d) of 4\)", line)[1] for line in ran.said] == list("12343210")
    for line in ran.said:
        assert re.search(r"takes [\d.]+ % of a processor, .* its budget of 3 %", line)
    assert all("BLIPEE_OTEL_CPU_BUDGET" in line for line in ran.said[:4])
    assert "spans of database statements are left out from now on" in ran.said[1]
    assert "spans of database statements are back" in ran.said[6]


def test_below_level_2_every_statement_has_its_span(ran):
    assert ran.numbers(0, 1) <= ran.with_statement


def test_from_level_2_on_no_statement_has_a_span_and_all_are_measured(ran):
    assert ran.numbers(2)
    assert not ran.numbers(2, 3, 4) & ran.with_statement
    assert max(point.count for point in ran.points("db.client.operation.duration")) == len(
        ran.requests
    )


def test_below_level_3_every_request_has_its_span(ran):
    assert ran.numbers(0, 1, 2) <= ran.roots


def test_at_level_3_all_that_failed_is_kept_and_a_tenth_of_the_rest(ran):
    assert ran.numbers(3, has_failed=[True])
    assert ran.numbers(3, has_failed=[True]) <= ran.roots
    others = ran.numbers(3, has_failed=[False])
    assert 0.02 < len(others & ran.roots) / len(others) < 0.25


def test_at_level_4_there_are_no_spans(ran):
    assert ran.numbers(4)
    assert not ran.numbers(4) & ran.roots


def test_log_records_go_on_at_every_level(ran):
    said = Counter(record.body.string_value for record in ran.logs)
    assert [
        f"request {number}" for number, *_ in ran.requests if said[f"request {number}"] != 1
    ] == []


def test_level_share_and_budget_are_metrics(ran):
    levels = [point.as_int for point in ran.points("blipee.governor.level")]
    assert (max(levels), levels[-1]) == (4, 0)
    assert max(point.as_double for point in ran.points("blipee.governor.cpu.share")) > 0.03
    assert {point.as_double for point in ran.points("blipee.governor.cpu.budget")} == {0.03}
