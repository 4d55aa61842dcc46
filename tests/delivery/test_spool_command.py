"""`blipee-otel spool`: what is left is shown, delivered or deleted; what lives is left alone."""

import json
import subprocess
import sys

import pytest
from support.instrumented import BIN, clean_environment, run_python
from support.misbehaving import HttpServer
from support.ports import free_ports

EMIT = """
import os
from otel_distro import configure
telemetry = configure(instrument=False)
from opentelemetry import trace
for number in range(7):
    trace.get_tracer("t").start_span(f"span {number}").end()
"""


@pytest.fixture
def left(tmp_path):
    """A spool in which a process has left seven spans, and how to run commands on it."""
    (port,) = free_ports(1)
    variables = {
        "BLIPEE_OTEL_SPOOL_DIR": str(tmp_path / "spool"),
        "OTEL_SERVICE_NAME": "left",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
    }
    done = run_python(EMIT, instrumented=False, **variables)
    assert "7 spans could not be delivered" in done.stderr

    def command(*arguments, **more):
        return subprocess.run(
            [str(BIN / "blipee-otel"), "spool", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
            env=clean_environment(**variables | more),
        )

    return command


def records(command):
    document = json.loads(command("status", "--json").stdout)
    return sum(sum(one["records"].values()) for one in document["processes"])


def test_status_shows_services_processes_and_the_bound(left):
    shown = left("status")
    assert shown.returncode == 0
    process, total = shown.stdout.splitlines()
    assert process.startswith("blipee.left.development  ")
    assert "  ended  7 spans  " in process
    assert total.endswith("of 256 MiB, 7 records")
    document = json.loads(left("status", "--json").stdout)
    assert document["max_bytes"] == 256 * 1024 * 1024
    (one,) = document["processes"]
    assert one["records"] == {"traces": 7, "metrics": 0, "logs": 0}
    assert one["is_running"] is False


def test_drain_delivers_what_is_left_and_then_nothing_is(left):
    with HttpServer() as server:
        done = left("drain", OTEL_EXPORTER_OTLP_ENDPOINT=server.url())
    assert (done.returncode, done.stderr) == (0, "")
    to, *rest = done.stdout.splitlines()
    assert to.startswith(f"delivering to {server.url()}/v1/logs, ")
    assert rest == [
        "blipee.left.development: 7 delivered",
        "nothing remains that a process has left",
    ]
    assert sum(body.count(b"span ") for body in server.accepted["traces"]) == 7
    assert records(left) == 0


def test_drain_fails_with_the_cause_and_keeps_what_is_not_taken(left):
    done = left("drain")
    assert done.returncode == 1
    assert "7 records remain" in done.stdout
    assert "is the Collector running?" in done.stdout
    assert done.stderr == ""
    assert records(left) == 7


def test_only_the_service_that_is_named(left):
    with HttpServer() as server:
        for command in (["drain", "--endpoint", server.url()], ["purge", "--yes"]):
            done = left(*command, "--service", "another")
            assert (done.returncode, done.stdout) == (2, "")
            assert "Use one of blipee.left.development." in done.stderr
        assert records(left) == 7
        done = left("drain", "--endpoint", server.url(), "--service", "blipee.left.development")
        assert done.returncode == 0
    assert records(left) == 0


def test_what_is_nobodys_spool_is_not_touched(left, tmp_path):
    spool = tmp_path / "spool"
    elsewhere = tmp_path / "elsewhere" / "12-abcdef01"
    for folder in (spool / "photos" / "2024", elsewhere):
        folder.mkdir(parents=True)
        (folder / "a.jpg").write_text("mine")
        (folder / "traces-00000001.otlp").write_text("mine")
    (spool / "link").symlink_to(elsewhere.parent)
    assert "photos" not in left("status").stdout
    left("purge", "--yes")
    left("drain")
    for folder in (spool / "photos" / "2024", elsewhere):
        assert sorted(file.name for file in folder.iterdir()) == ["a.jpg", "traces-00000001.otlp"]


def test_a_disabled_sdk_or_spool_hides_nothing(left):
    for variable in ({"OTEL_SDK_DISABLED": "true"}, {"BLIPEE_OTEL_SPOOL": "off"}):
        assert "7 spans" in left("status", **variable).stdout
    with HttpServer() as server:
        assert left("drain", "--endpoint", server.url(), OTEL_SDK_DISABLED="true").returncode == 0
    assert records(left) == 0


def test_purge_deletes_only_when_told_so(left):
    asked = left("purge")
    assert (asked.returncode, records(left)) == (2, 7)
    assert "--yes" in asked.stderr
    assert left("purge", "--yes").stdout == "7 records deleted\n"
    assert records(left) == 0


def test_what_a_living_process_has_is_neither_drained_nor_deleted(left, tmp_path):
    living = subprocess.Popen(
        [sys.executable, "-c", EMIT + "telemetry.force_flush(500)\nprint(flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(
            BLIPEE_OTEL_SPOOL_DIR=str(tmp_path / "spool"),
            OTEL_SERVICE_NAME="living",
            OTEL_METRICS_EXPORTER="none",
            OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        ),
    )
    try:
        living.stdout.readline()
        assert "running  7 spans" in left("status").stdout
        left("purge", "--yes")
        with HttpServer() as server:
            left("drain", OTEL_EXPORTER_OTLP_ENDPOINT=server.url())
        assert server.accepted.get("traces", []) == []
        assert records(left) == 7
    finally:
        living.communicate(b"\n", 20)


def test_without_a_folder_the_fix_is_said(left):
    done = left("status", BLIPEE_OTEL_SPOOL_DIR="", HOME="", XDG_STATE_HOME="")
    assert done.returncode == 1
    assert "set BLIPEE_OTEL_SPOOL_DIR" in done.stderr
