"""Programs under our distribution while the Collector is away, slow or killed: nothing is lost."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
from support.emitting import Plan, Report, ids_in, start
from support.far_side import CollectorProcess
from support.misbehaving import (
    GrpcServer,
    HttpServer,
    Slow,
)

HTTP, GRPC = "http/protobuf", "grpc"
SERVERS = {HTTP: HttpServer, GRPC: GrpcServer}
Code = grpc.StatusCode

over_both = pytest.mark.parametrize("protocol", SERVERS)


@dataclass
class Ran:
    """What programs said, and what arrived: ids in the order in which they did."""

    reports: list[Report]
    spans: list[int]
    logs: list[int]
    emitted: int
    counted: int | None = None

    @property
    def said(self) -> list[str]:
        return [line for report in self.reports for line in report.said]


def ran(collector: CollectorProcess, *reports: Report, emitted: int) -> Ran:
    collector.stop()
    counts: dict[str, int] = {}
    for one in collector.metrics():
        if one.record["name"] == "emitted":
            process = one.resource["service.instance.id"]
            points = one.record["sum"]["dataPoints"]
            counts[process] = max(counts.get(process, 0), int(points[0]["asInt"]))
    return Ran(
        list(reports),
        [int(one.attributes["id"]) for one in collector.spans()],
        [int(one.attributes["id"]) for one in collector.logs() if one.scope == "emitting"],
        emitted,
        sum(counts.values()),
    )


def down_at_start(folder: Path) -> Ran:
    collector = CollectorProcess(folder / "collector")
    program = start(Plan(records=600), collector.http, folder, instrumented=True)
    program.wait_started()
    time.sleep(3.5)
    collector.start()
    return ran(collector, program.finish(), emitted=600)


def away_in_the_middle(folder: Path) -> Ran:
    with CollectorProcess(folder / "collector") as collector:
        plan = Plan(records=1800, per_second=200)
        program = start(plan, collector.http, folder)
        program.wait_started()
        time.sleep(1.5)
        collector.stop()
        time.sleep(6.5)
        collector.start()
        return ran(collector, program.finish(), emitted=1800)


def away_in_the_middle_over_grpc(folder: Path) -> Ran:
    with CollectorProcess(folder / "collector") as collector:
        program = start(
            Plan(records=1600, per_second=200),
            collector.grpc,
            folder,
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        )
        program.wait_started()
        time.sleep(1.5)
        collector.stop()
        time.sleep(6)
        collector.start()
        return ran(collector, program.finish(), emitted=1600)


def agent_killed_in_the_middle(folder: Path) -> Ran:
    """The agent keeps what it has accepted; the counter behind it is not harmed."""
    with CollectorProcess(folder / "counter") as counter:
        agent = CollectorProcess(
            folder / "agent",
            ("agent.yaml", "export-gateway.yaml"),
            BLIPEE_OTELCOL_GATEWAY=urlsplit(counter.grpc).netloc,
            BLIPEE_OTELCOL_FSYNC="false",
        )
        with agent:
            program = start(Plan(records=1600, per_second=200), agent.http, folder)
            program.wait_started()
            time.sleep(1.5)
            agent.kill()
            time.sleep(6)
            agent.start()
            report = program.finish()
            # It batches for a second.
            counter.wait_for(lambda: len({one.attributes["id"] for one in counter.spans()}) >= 1600)
            counter.wait_for(lambda: len(counter.logs()) >= 1600)
        return ran(counter, report, emitted=1600)


def clock_that_jumps(folder: Path) -> Ran:
    """Back an hour and forward a day, while everything waits, and is to expire after an hour."""
    collector = CollectorProcess(folder / "collector")
    program = start(
        Plan(records=600, clock={150: -3600.0, 300: 86_400.0}),
        collector.http,
        folder,
        BLIPEE_OTEL_SPOOL_RETENTION="1",
    )
    program.wait_started()
    time.sleep(4.5)
    collector.start()
    return ran(collector, program.finish(), emitted=600)


def left_to_a_process_a_day_later(folder: Path) -> Ran:
    """By the wall clock: on the machine's own, no hour has passed."""
    collector = CollectorProcess(folder / "collector")
    before = start(Plan(records=300, per_second=200, flush_s=0.5), collector.http, folder)
    reports = [before.finish()]
    collector.start()
    after = start(
        Plan(records=300, per_second=200, first=300, clock={0: 86_400.0}),
        collector.http,
        folder,
        BLIPEE_OTEL_SPOOL_RETENTION="1",
    )
    return ran(collector, *reports, after.finish(), emitted=600)


def slow_endpoint(folder: Path) -> Ran:
    with HttpServer() as server:
        server.otherwise = Slow(1.0)
        plan = Plan(records=8000, per_second=2000, flush_s=30)
        program = start(plan, f"http://{server.host}", folder, OTEL_METRIC_EXPORT_INTERVAL="60000")
        report = program.finish()
        spans, logs = ids_in(server.accepted["traces"]), ids_in(server.accepted["logs"], "logs")
        return Ran([report], spans, logs, emitted=8000)


SCENARIOS: dict[str, Callable[[Path], Ran]] = {
    "down at start": down_at_start,
    "away in the middle": away_in_the_middle,
    "away in the middle, over gRPC": away_in_the_middle_over_grpc,
    "agent killed in the middle": agent_killed_in_the_middle,
    "clock that jumps": clock_that_jumps,
    "left to a process a day later": left_to_a_process_a_day_later,
    "slow endpoint": slow_endpoint,
}


def of(*names: str) -> pytest.MarkDecorator:
    here = {"slow endpoint"}
    return pytest.mark.parametrize(
        "scenario",
        [pytest.param(n, marks=[] if n in here else [pytest.mark.collector]) for n in names],
    )


@pytest.fixture(scope="module")
def scenarios(request, tmp_path_factory):
    """Starts all scenarios of the selected tests."""
    wanted = {
        item.callspec.params["scenario"]
        for item in request.session.items
        if item.path == request.path and "scenario" in getattr(item, "fixturenames", ())
    }
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {
            name: pool.submit(SCENARIOS[name], tmp_path_factory.mktemp("scenario"))
            for name in SCENARIOS
            if name in wanted
        }


@pytest.fixture
def outcome(scenarios, scenario) -> Ran:
    return scenarios[scenario].result()


@of(*SCENARIOS)
def test_nothing_is_lost_and_the_ledger_adds_up(outcome):
    everything = set(range(outcome.emitted))
    assert set(outcome.spans) == everything
    assert set(outcome.logs) == everything
    assert outcome.counted in {outcome.emitted, None}
    for report in outcome.reports:
        assert not any(one["dropped"] for one in report.balance.values())
        assert not any(one["difference"] for one in report.balance.values())


@of(*SCENARIOS)
def test_the_application_is_not_kept_waiting_and_hears_of_it_in_a_few_lines(outcome):
    assert len(outcome.said) <= 3
    for report in outcome.reports:
        assert report.code == 0
        assert "Traceback" not in report.stderr
        assert report.longest_s < 5
        assert report.grown_mib < 100


@of(*(name for name in SCENARIOS if "killed" not in name))
def test_only_what_was_not_acknowledged_arrives_twice(outcome):
    again = sum(len(ids) - len(set(ids)) for ids in (outcome.spans, outcome.logs))
    assert again <= sum(report.resent for report in outcome.reports)


@of("down at start", "clock that jumps")
def test_what_waited_arrives_in_order(outcome):
    """What was emitted long before there was a Collector, with nothing else in between."""
    for ids in (outcome.spans, outcome.logs):
        waited = [one for one in ids if one < 250]
        assert waited == list(range(250))


@of("down at start", "away in the middle", "away in the middle, over gRPC")
def test_an_outage_has_a_line_for_its_beginning_and_one_for_its_end(outcome):
    begin, end = outcome.said
    assert "takes no telemetry: nothing listens on 127.0.0.1:" in begin
    assert "it is kept in the spool" in begin
    assert "takes telemetry again after " in end


@of("left to a process a day later")
def test_what_a_process_left_is_said_and_sent_by_the_next(outcome):
    before, after = outcome.reports
    assert "300 spans, " in before.said[-1]
    assert "the next process of " in before.said[-1]
    assert before.balance["traces"]["spooled"] == after.balance["traces"]["adopted"] == 300


@of("slow endpoint")
def test_a_slow_endpoint_gets_larger_requests(outcome):
    (report,) = outcome.reports
    assert report.delivered
