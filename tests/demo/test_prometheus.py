"""The demo through the Collector into a real Prometheus: every instrument is there, by its name."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.engines import running_prometheus
from support.instrumented import BIN, clean_environment

from otel_distro.catalogue import CATALOGUE, prom_label, series
from otel_distro.cli.prometheus_api import query

pytestmark = pytest.mark.collector
ROOT = Path(__file__).parents[2]

TO_PROMETHEUS = """
exporters:
  otlp_http/prometheus:
    endpoint: {url}/api/v1/otlp
    sending_queue: {{enabled: false}}
service:
  pipelines:
    metrics:
      exporters: [file/metrics, otlp_http/prometheus]
"""


@pytest.fixture(scope="module")
def fed(tmp_path_factory):
    """A Prometheus that the demo has fed."""
    folder = tmp_path_factory.mktemp("prometheus")
    with running_prometheus(folder) as url:
        overlay = folder / "to-prometheus.yaml"
        overlay.write_text(TO_PROMETHEUS.format(url=url))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "examples.demo", "--for", "12s", "--port-base", "18800"),
                *("--collector-config", str(overlay)),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=clean_environment(),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield url


def test_every_instrument_of_the_catalogue_is_there_under_its_name(fed):
    done = subprocess.run(
        [str(BIN / "blipee-otel"), "catalogue", "--found-in", fed],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(),
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CATALOGUE)} of {len(CATALOGUE)} found" in done.stdout


def test_nothing_is_there_that_the_catalogue_does_not_have(fed):
    declared = {name for entry in CATALOGUE for name in series(entry)}
    found = {sample.labels["__name__"] for sample in query(fed, '{job=~"blipee/.+"}')}
    measured = {name for name in found if name.startswith("agents_annual_report_")}
    assert len(measured) == 4, "what `metrics.measure` makes: .duration and .calls"
    assert found - declared - measured - {"target_info"} == set()


def test_series_have_the_declared_labels_only(fed):
    everywhere = {"__name__", "job", "instance", "le"}
    for entry in CATALOGUE:
        declared = everywhere | {prom_label(name) for name in entry.attribute_names}
        for name in series(entry):
            for sample in query(fed, f'{{__name__="{name}"}}'):
                assert set(sample.labels) <= declared, name


def test_closed_sets_of_values_hold(fed):
    for entry in CATALOGUE:
        for attribute in entry.attributes:
            if attribute.values:
                label = prom_label(attribute.name)
                for sample in query(fed, f'{{__name__="{series(entry)[-1]}"}}'):
                    assert sample.labels[label] in attribute.values, entry.name


def test_an_instrument_that_is_missing_is_said_with_exit_code_1(tmp_path):
    with running_prometheus(tmp_path) as empty:
        done = subprocess.run(
            [str(BIN / "blipee-otel"), "catalogue", "--found-in", empty, "--json"],
            capture_output=True,
            text=True,
            check=False,
            env=clean_environment(),
        )
    assert done.returncode == 1
    assert len(json.loads(done.stdout)["missing"]) == len(CATALOGUE)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nowhere"])
def test_a_prometheus_that_does_not_answer_is_a_sentence(url):
    done = subprocess.run(
        [str(BIN / "blipee-otel"), "catalogue", "--found-in", url],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"blipee-otel: {url}")
