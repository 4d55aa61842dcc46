"""SIGTERM to the first process of a container, which it does not end."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.instrumented import clean_environment
from support.misbehaving import HttpServer

EMIT = """
import os, signal, time
from otel_distro import configure
configure(instrument=False)
from opentelemetry import trace
trace.get_tracer("t").start_span("before").end()
print(os.getpid(), flush=True)
time.sleep(1)
trace.get_tracer("t").start_span("after").end()
time.sleep(1)
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="makes a namespace of processes"
)
def test_telemetry_is_delivered_and_the_process_goes_on_as_without_us(tmp_path):
    with HttpServer() as server:
        process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", EMIT],
            stdout=subprocess.PIPE,
            env=clean_environment(
                OTEL_SERVICE_NAME="first",
                OTEL_METRICS_EXPORTER="none",
                OTEL_EXPORTER_OTLP_ENDPOINT=server.url(),
                BLIPEE_OTEL_SPOOL_DIR=str(tmp_path / "spool"),
            ),
        )
        assert process.stdout.readline() == b"1\n"
        (child,) = children_of(process.pid)
        os.kill(child, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while not server.accepted.get("traces") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert b"before" in b"".join(server.accepted["traces"])
        process.communicate(timeout=20)
        assert process.returncode == 0
    assert b"after" in b"".join(server.accepted["traces"])


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
