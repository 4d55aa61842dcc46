"""The demo as a person runs it: real Collector, four services, traffic."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.instrumented import BIN, clean_environment

ROOT = Path(__file__).parents[2]
BASE = "18600"


def demo(*arguments, **variables):
    return [
        subprocess.Popen(
            [sys.executable, "-m", "examples.demo", "--port-base", BASE, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean_environment(COLUMNS="120", **variables),
        )
    ][0]


def processes_of_the_demo():
    """Return the command lines on this machine that belong to a demo on these ports."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (entry / "environ").read_bytes()
        except (OSError, ValueError):
            continue
        if f"BLIPEE_OTELCOL_HEALTH_PORT={int(BASE) + 6}".encode() in environment or (
            "--app-dir" in line and f"--port {BASE[:-1]}" in line
        ):
            found.append(line)
    return found


def read_until(process, text):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError("".join(lines))


@pytest.mark.collector
def test_a_bounded_run_ends_with_the_table_one_trace_through_all_and_exit_0():
    process = demo("--for", "12s", "--json")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert "✓ spans, metrics and logs of all four services arrived" in output
    result = json.loads(output[output.index("\n{") :])
    assert result["ok"] is True
    for service in ("api", "agents", "ml", "database"):
        assert result["services"][service]["spans"] > 0
        assert result["services"][service]["logs_in_traces"] > 0
        assert "http.server.request.duration" in result["services"][service]["metrics"]
    assert result["trace_through_all"] in output.split("\n{")[0], "the tree is that trace"
    for line in ("api POST /api/analyses", "agents POST /runs", "ml POST /predictions"):
        assert line in output
    assert processes_of_the_demo() == []


@pytest.mark.collector
def test_a_collector_killed_in_the_middle_is_said_plainly_and_fails_the_run():
    process = demo("--for", "60s")
    read_until(process, "database  http")
    time.sleep(2)
    killed = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit()
        and (entry / "cmdline").exists()
        and b"export-files.yaml" in (entry / "cmdline").read_bytes()
        and f"BLIPEE_OTELCOL_HEALTH_PORT={int(BASE) + 6}".encode()
        in (entry / "environ").read_bytes()
    ]
    assert len(killed) == 1
    os.kill(killed[0], signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the Collector was killed (SIGKILL)" in output
    assert processes_of_the_demo() == []


@pytest.mark.collector
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process_behind(how):
    process = demo()
    read_until(process, "database  http")
    time.sleep(3)
    process.send_signal(how)
    output, _ = process.communicate(timeout=60)
    assert "arrived after passing the Collector" in output
    assert processes_of_the_demo() == []


@pytest.mark.collector
def test_interrupted_while_starting_it_leaves_no_process_behind():
    process = demo()
    read_until(process, "the Collector  http")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert processes_of_the_demo() == []


def test_a_taken_port_is_a_sentence_that_says_what_to_do():
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(BASE)))
        taken.listen()
        output, _ = (process := demo("--for", "5s")).communicate(timeout=30)
    assert process.returncode == 1
    assert f"{BASE} (api)" in output
    assert "--port-base" in output


def test_no_collector_and_no_way_to_build_one_is_a_sentence(tmp_path):
    process = demo("--for", "5s", OTELCOL_BIN=str(tmp_path / "none"))
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "is not a program" in output.replace("\n", " ")


@pytest.mark.parametrize("arguments", [("--for", "soon"), ("--for", "0s"), ("--port-base", "80")])
def test_wrong_usage_is_exit_code_2(arguments):
    process = demo(*arguments)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "is not a" in output


@pytest.mark.collector
def test_a_service_that_does_not_start_is_said_with_its_last_lines(tmp_path):
    broken = tmp_path / "uvicorn"
    broken.write_text("#!/bin/sh\necho 'no such module: api' >&2\nexit 3\n")
    broken.chmod(0o755)
    for tool in ("opentelemetry-instrument", "python"):
        (tmp_path / tool).symlink_to(BIN / tool)
    code = (
        f"import sys; sys.executable = {str(tmp_path / 'python')!r}\n"
        "from examples.demo.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--for", "5s", "--port-base", BASE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean_environment(),
    )
    assert done.returncode == 1
    assert "api exited with 3" in done.stdout
    assert "no such module: api" in done.stdout
    assert processes_of_the_demo() == []
