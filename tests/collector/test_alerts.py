"""The alert rules fire when they should, and ask for names that a running Collector really has."""

import json
import re
import subprocess
import urllib.error
import urllib.request
from concurrent import futures
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
import yaml
from support.engines import promtool
from support.far_side import CollectorProcess

from otel_distro import collector

ROOT = Path(__file__).parents[2]
RULES = collector.config_dir() / "alerts-collector.yaml"
TESTS = Path(__file__).with_name("alerts-collector.test.yaml")
NAME = re.compile(r"otelcol_\w+")


def run_promtool(*arguments):
    return subprocess.run(
        [str(promtool()), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_every_rule_fires_when_it_should_and_not_else():
    done = run_promtool("test", "rules", TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_tested_both_ways():
    alerts = {rule["alert"] for group in loaded(RULES)["groups"] for rule in group["rules"]}
    cases = [case for test in loaded(TESTS)["tests"] for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == alerts
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == alerts


def loaded(file):
    return yaml.safe_load(file.read_text())


def exposed(one):
    with urllib.request.urlopen(one.own_metrics, timeout=5) as answer:
        return set(NAME.findall(answer.read().decode()))


def send_each(one, text="x"):
    """Send a record of each signal, and return the answers."""
    span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}
    point = {"asInt": "1"}
    return {
        post(
            one, "traces", {"resourceSpans": [{"scopeSpans": [{"spans": [span | {"name": text}]}]}]}
        ),
        post(
            one,
            "metrics",
            {
                "resourceMetrics": [
                    {
                        "scopeMetrics": [
                            {"metrics": [{"name": text, "gauge": {"dataPoints": [point]}}]}
                        ]
                    }
                ]
            },
        ),
        post(
            one,
            "logs",
            {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": text}}]}]}]},
        ),
    }


def post(one, signal, document):
    request = urllib.request.Request(
        f"{one.http}/v1/{signal}",
        json.dumps(document).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.collector
def test_every_name_in_the_rules_is_one_that_a_running_collector_has(tmp_path):
    gateway = CollectorProcess(tmp_path / "gateway")
    address = urlsplit(gateway.grpc).netloc
    queue = 1_000_000
    agent = CollectorProcess(
        tmp_path / "agent",
        ("agent.yaml", "export-gateway.yaml"),
        BLIPEE_OTELCOL_GATEWAY=address,
        BLIPEE_OTELCOL_QUEUE_BYTES=str(queue),
    )
    names = set(NAME.findall(RULES.read_text()))
    lost = {name for name in names if "send_failed" in name}
    with agent:
        assert send_each(agent, "x" * queue) == {503}, "no queue has room for that"
        assert lost.isdisjoint(exposed(agent)), "they appear with the first loss"
        stranger = grpc.server(futures.ThreadPoolExecutor())
        stranger.add_insecure_port(address)
        stranger.start()
        assert send_each(agent) == {200}
        agent.wait_for(lambda: lost <= exposed(agent))
        stranger.stop(0).wait()
        with gateway:
            assert send_each(agent) == {200}
            gateway.wait_for(lambda: gateway.spans() and gateway.metrics() and gateway.logs())
            assert names - exposed(agent) == set()


def test_what_compose_scrapes_is_where_a_collector_says_it(tmp_path):
    prometheus_yml = loaded(ROOT / "deploy" / "prometheus" / "prometheus.yml")
    assert "/etc/otelcol/alerts-*.yaml" in prometheus_yml["rule_files"]
    targets = {
        target
        for job in prometheus_yml["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    assert "otel-collector:8888" in targets
