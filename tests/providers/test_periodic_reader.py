"""The reader of metrics: with a thread when one can be had, and a last collection."""

from support.instrumented import run_python
from support.misbehaving import HttpServer

# The SDK itself takes a thread when it is imported, and raises where there is none.
NO_THREADS = """
import opentelemetry.sdk._logs, opentelemetry.sdk.metrics, opentelemetry.sdk.trace
import threading
start = threading.Thread.start
def none_to_be_had(thread): raise RuntimeError("can't start new thread")
threading.Thread.start = none_to_be_had
from otel_distro import configure
telemetry = configure(instrument=False)
from opentelemetry import metrics, trace
metrics.get_meter("t").create_counter("a_counter").add(1)
"""


def run(server, code):
    done = run_python(
        code,
        instrumented=False,
        OTEL_SERVICE_NAME="app",
        OTEL_EXPORTER_OTLP_ENDPOINT=server.url(),
        OTEL_METRIC_EXPORT_INTERVAL="300",
        BLIPEE_OTEL_SPOOL="off",
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [body for body in server.accepted.get("metrics", []) if b"a_counter" in body]


def test_metrics_are_collected_when_a_thread_can_be_had_again():
    with HttpServer() as server:
        later = NO_THREADS + (
            "threading.Thread.start = start\n"
            "import time; time.sleep(1.1)\n"
            "trace.get_tracer('t').start_span('s').end()\n"
            "time.sleep(2)\n"
        )
        assert len(run(server, later)) > 2


def test_without_any_thread_the_last_collection_is_delivered():
    with HttpServer() as server:
        assert len(run(server, NO_THREADS)) == 1


def test_what_was_counted_last_is_collected_at_the_end():
    with HttpServer() as server:
        code = NO_THREADS.replace("threading.Thread.start = none_to_be_had", "")
        assert run(server, code) != []


def test_a_forked_child_collects_its_own():
    with HttpServer() as server:
        code = NO_THREADS.replace("threading.Thread.start = none_to_be_had", "").replace(
            "a_counter", "parents"
        )
        code += (
            "import os, time\n"
            "child = os.fork()\n"
            "if not child:\n"
            "    metrics.get_meter('t').create_counter('a_counter').add(1)\n"
            "    time.sleep(1.5)\n"
            "    os._exit(0)\n"
            "os.waitpid(child, 0)\n"
        )
        assert run(server, code) != []
