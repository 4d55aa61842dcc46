"""Telemetry from where nobody expects code to run: signal handlers, `__del__`, an exporter.

Each comes between any two steps of what the thread does, or within what it waits for.
"""

import os
import textwrap
import time
from importlib import import_module
from threading import Lock

import pytest
from support.instrumented import NO_EXPORT, run_python

from otel_distro.providers import reentrancy

EMIT = textwrap.dedent("""
    import faulthandler, gc, logging, os, signal, sys, threading, time
    from opentelemetry import _logs, metrics, trace
    faulthandler.dump_traceback_later(30, exit=True)  # says where it waits for ever
    logging.getLogger().setLevel(logging.INFO)
    logger = logging.getLogger("app")
    meter = metrics.get_meter("app")
    counter, histogram = meter.create_counter("c"), meter.create_histogram("h")

    def span():
        with trace.get_tracer("app").start_as_current_span("s") as span:
            span.set_attribute("a", 1)
            span.add_event("e")
    def current():
        trace.get_current_span().set_attribute("a", 1)
        trace.get_current_span().add_event("e")
    def metric():
        counter.add(1, {"k": 1})
        counter.add(1, {"k": time.perf_counter_ns() % 1500})  # mostly a new one
        histogram.record(1, {"k": 1})
    def log():
        logger.info("%s", "text")
        _logs.get_logger("app").emit(body="text")
    def everything():
        span(); current(); metric(); log()

    emit = globals()[os.environ["EMIT"]]
""")

SIGNAL = EMIT + textwrap.dedent("""
    handled, busy = 0, False
    def handler(*_):
        global handled, busy
        if busy:
            return  # one that is faster than its handler would only show the recursion limit
        busy = True
        handled += 1
        emit()
        busy = False
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    end = time.monotonic() + 2
    with trace.get_tracer("app").start_as_current_span("outer"):
        while time.monotonic() < end:
            emit()
    signal.setitimer(signal.ITIMER_REAL, 0)
    print("handled", handled > 100)
""")

# Collects garbage between the steps, as Python does from 3.12 on: before, it also comes within
# the interpreter's own, where setting a context variable is not safe.
GARBAGE = EMIT + textwrap.dedent("""
    deleted, steps, busy = 0, 0, False
    class Cycle:
        def __init__(self):
            self.me = self
        def __del__(self):
            global deleted
            deleted += 1
            emit()
    def step(*_):
        global steps, busy
        steps += 1
        if not busy and steps % 13 == 0:
            busy = True
            Cycle()
            gc.collect(0)
            busy = False
    gc.disable()
    end = time.monotonic() + 2
    with trace.get_tracer("app").start_as_current_span("outer"):
        sys.setprofile(step)
        while time.monotonic() < end:
            emit()
        sys.setprofile(None)
    print("handled", deleted > 100)
""")

# As an exporter of the application's own would: what it emits goes where it emits from.
EXPORTER = EMIT + textwrap.dedent("""
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, InMemoryLogRecordExporter
    from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
    exported = []
    class Spans(SpanExporter):
        def export(self, spans):
            exported.append("spans")
            if len(exported) < 1000:
                emit()
    class Logs(InMemoryLogRecordExporter):
        def export(self, batch):
            exported.append("logs")
            if len(exported) < 1000:
                emit()
    class Metrics(MetricExporter):
        def export(self, data, timeout_millis=0, **more):
            exported.append("metrics")
            emit()
        def force_flush(self, timeout_millis=0):
            return True
        def shutdown(self, timeout_millis=0, **more):
            pass
    spans, logs = trace.get_tracer_provider(), _logs.get_logger_provider()
    provider = metrics.get_meter_provider()
    provider.add_metric_reader(PeriodicExportingMetricReader(Metrics(), 10))
    spans.add_span_processor(BatchSpanProcessor(Spans(), schedule_delay_millis=10))
    logs.add_log_record_processor(BatchLogRecordProcessor(Logs(), schedule_delay_millis=10))
    end = time.monotonic() + 1
    with trace.get_tracer("app").start_as_current_span("outer"):
        while time.monotonic() < end:
            emit()
            time.sleep(0.001)
    spans.force_flush()
    logs.force_flush()
    print("handled", len(exported) > 10)
""")

# Nobody listens there: what is delivered is another test's.
NOWHERE = {
    "OTEL_SERVICE_NAME": "app",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "OTEL_METRIC_EXPORT_INTERVAL": "100",
}


PLACES = {
    "signal": (SIGNAL, NOWHERE),
    "garbage": (GARBAGE, NOWHERE),
    "exporter": (EXPORTER, NOWHERE | NO_EXPORT),
}


@pytest.mark.parametrize("emit", ["span", "current", "metric", "log", "everything"])
@pytest.mark.parametrize("place", PLACES)
def test_telemetry_from_there_stops_nothing(place, emit):
    program, variables = PLACES[place]
    started = time.monotonic()
    done = run_python(program, EMIT=emit, PYTHONPATH=os.environ.get("PYTHONPATH", ""), **variables)
    assert done.stdout == "handled True\n", done.stderr[-5000:]
    assert done.returncode == 0
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("name", reentrancy.EMITTING + reentrancy.MEASURING)
def test_the_sdk_still_makes_its_locks_by_the_names_that_are_replaced(name):
    reentrancy.make_locks_reentrant()
    module = import_module(name)
    lock = reentrancy.measuring if name in reentrancy.MEASURING else reentrancy.REENTRANT
    assert getattr(module, "Lock", None) is lock or (
        getattr(module, "threading", None) is reentrancy._threading
    )
    assert getattr(module, "Lock", None) is not Lock


def test_a_module_that_has_another_lock_is_still_the_module():
    import threading

    lock = reentrancy._threading.Lock()
    with lock, lock:
        pass
    assert reentrancy._threading.Thread is threading.Thread
    assert threading.Lock is Lock


def test_a_child_may_measure_although_a_thread_of_its_parent_did_so_at_the_fork():
    done = run_python(
        HELD,
        PYTHONPATH=os.environ.get("PYTHONPATH", ""),
        PYTHONWARNINGS="ignore::DeprecationWarning",  # from 3.12 on: threads and a fork
        EMIT="metric",
        **NOWHERE,
    )
    assert done.stdout == "measured\n", done.stderr[-5000:]


HELD = EMIT + textwrap.dedent("""
    from otel_distro.providers.reentrancy import measuring
    def hold():
        with measuring():
            time.sleep(5)
    threading.Thread(target=hold, daemon=True).start()
    time.sleep(0.1)
    if not os.fork():
        signal.alarm(3)
        emit()
        print("measured", flush=True)
        os._exit(0)
    os.wait()
    os._exit(0)
""")
