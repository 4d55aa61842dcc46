"""The whole harness, once and short: whom it compares, it has seen export. No figure is judged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.overhead.contestants import read_contestants

_ROOT = Path(__file__).parents[2]
_NAMES = [one.name for one in read_contestants()]
_OURS_TO_KEEP = ("bare", "ours", "upstream")  # the others are measured where they can be installed

pytestmark = pytest.mark.collector


def _run(folder, *words):
    file = folder / "figures.json"
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.overhead", "--json", file, *words],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(file.read_text()), ran


@pytest.fixture(scope="module")
def requests_in_process(tmp_path_factory):
    words = "--rows", "all,busy,off", "--rounds", "1", "--requests", "200"
    return _run(tmp_path_factory.mktemp("requests"), *words)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    words = "--quick", "--only", "bare,ours,upstream", "--rounds", "1", "--requests", "100"
    return _run(tmp_path_factory.mktemp("everything"), *words)


def _lines(figures, contestant, measure="In process"):
    lines = [
        line
        for line in figures["lines"]
        if (line["contestant"], line["measure"]) == (contestant, measure)
    ]
    problem = next((line["problem"] for line in lines if line["problem"]), None)
    if problem and contestant not in _OURS_TO_KEEP:
        pytest.skip(problem)
    assert not problem, problem
    return {line["row"]: line for line in lines}


@pytest.mark.parametrize("contestant", [name for name in _NAMES if name != "bare"])
def test_each_contestant_has_exported_the_spans_of_its_requests(requests_in_process, contestant):
    lines = _lines(requests_in_process[0], contestant)
    assert set(lines) >= {"everything on, all sampled", "… with a child span and 3 log lines"}
    for row, line in lines.items():
        assert "missing" not in line["arrived"], row


@pytest.mark.parametrize(
    ("contestant", "arrived"),
    [
        ("ours", "2 spans, 3 log records, metrics"),
        ("upstream", "4 spans, 3 log records, metrics"),  # two of them are `http send`
        ("bare", ""),
    ],
)
def test_a_child_span_and_the_log_lines_arrive_too(requests_in_process, contestant, arrived):
    line = _lines(requests_in_process[0], contestant)["… with a child span and 3 log lines"]
    assert line["arrived"] == arrived


@pytest.mark.parametrize("contestant", ["ours", "upstream"])
def test_what_is_off_does_not_arrive(requests_in_process, contestant):
    line = _lines(requests_in_process[0], contestant)["sampler always_off, metrics off"]
    assert line["arrived"] == "0 spans"


def test_every_contestant_is_in_the_table(requests_in_process):
    figures, ran = requests_in_process
    assert {line["contestant"] for line in figures["lines"]} == set(_NAMES)
    first = ran.stdout.split("\n\n")[1]
    assert [row.split("|")[1].strip() for row in first.splitlines()[2:]] == _NAMES


def test_progress_is_told_while_it_runs(requests_in_process):
    assert "everything on, all sampled: 1 of 1" in requests_in_process[1].stderr


@pytest.mark.parametrize(
    "measure",
    [
        "Over uvicorn, closed loop",
        "Over uvicorn, open loop",
        "Memory",
        "Start and exit",
        "Encoder",
        "Calls",
    ],
)
@pytest.mark.parametrize("contestant", ["ours", "upstream"])
def test_each_measure_has_figures(everything, measure, contestant):
    lines = _lines(everything[0], contestant, measure)
    assert lines
    for row, line in lines.items():
        assert line["figures"], row
        assert "missing" not in line["arrived"], row


def test_the_machine_the_versions_and_the_command_are_said(everything):
    figures, _ = everything
    assert {"cores", "CPU", "Python", "kernel"} <= set(figures["machine"])
    assert any(pin.startswith("opentelemetry-sdk==") for pin in figures["versions"]["upstream"])
    assert figures["command"].endswith(
        "benchmarks.overhead --quick --only bare,ours,upstream --rounds 1 --requests 100"
    )
    assert figures["date"]


def test_a_profile_names_our_functions():
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.overhead", "--profile", "ours"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "otel_distro.instrumentation" in ran.stdout
    assert "otel_distro/" in ran.stdout


def test_a_contestant_that_does_not_exist_is_refused_by_name():
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.overhead", "--only", "nobody"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0
    assert "There is no nobody; there are bare, ours" in ran.stderr
