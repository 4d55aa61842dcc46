"""The governor on the threads that it looks on: delivery's and the reader's, after forks too."""

import json
import time

import pytest
from opentelemetry.sdk.trace import TracerProvider
from support.instrumented import run_python
from support.misbehaving import HttpServer

from otel_distro.delivery import Batching, DeliverySettings, Endpoint
from otel_distro.delivery.pipeline import Pipeline
from otel_distro.governor import state
from otel_distro.governor.governor import Governor
from otel_distro.governor.regulator import Pace

QUICK = Pace(look_s=0.01, smooth_s=0.01, over_s=0.02, calm_s=0.02, longest_s=0.02)


@pytest.fixture(autouse=True)
def _everything():
    yield
    state.level = state.EVERYTHING


@pytest.fixture
def pipeline():
    with HttpServer() as server:
        endpoint = Endpoint(url=server.url("traces"), protocol="http/protobuf")
        made = Pipeline(
            DeliverySettings(
                endpoints={"traces": endpoint},
                batching={signal: Batching() for signal in ("traces", "metrics", "logs")},
                window_s=0.01,
            ),
            lambda *_: None,
        )
        yield made
        made.stop(5)


def add_spans(pipeline, count):
    tracer = TracerProvider().get_tracer("t")
    for _ in range(count):
        span = tracer.start_span("s")
        span.end()
        pipeline.add_span(span)


def until(condition):
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_what_delivery_costs_is_counted(pipeline):
    assert pipeline.cpu_seconds == 0
    add_spans(pipeline, 2000)
    pipeline.flush(20)
    until(lambda: pipeline.cpu_seconds > 0)
    before = pipeline.cpu_seconds
    add_spans(pipeline, 2000)
    pipeline.flush(20)
    until(lambda: pipeline.cpu_seconds > before)


def test_it_looks_after_rounds_of_delivery_and_else_only_if_asked_to(pipeline):
    looks = []
    wish = None
    pipeline.look_after_rounds(lambda: looks.append(1) or wish)
    add_spans(pipeline, 1)
    until(lambda: looks)
    time.sleep(0.2)
    idle = len(looks)
    time.sleep(0.3)
    assert len(looks) == idle
    wish = 0.02
    add_spans(pipeline, 1)
    until(lambda: len(looks) > idle + 5)


def spending(per_look):
    spent = 0.0
    while True:
        spent += per_look()
        yield spent


def governor_of(spent, **more):
    return Governor(0.05, spent, pace=QUICK, **more)


def look(governor, until_level):
    limit = time.monotonic() + 20
    while state.level != until_level and time.monotonic() < limit:
        time.sleep(0.012)
        governor.look()


def test_it_goes_up_step_by_step_and_comes_back(capsys):
    seen, is_loaded = [], True
    spent = spending(lambda: 0.01 if is_loaded else 0.0)
    governor = governor_of(lambda: next(spent), changed=seen.append)
    look(governor, state.METRICS_ONLY)
    is_loaded = False
    look(governor, state.EVERYTHING)
    assert seen == [1, 2, 3, 4, 3, 2, 1, 0]


def test_it_wants_to_look_again_only_while_something_is_left_out():
    governor = governor_of(time.monotonic)
    assert governor.look() is None
    look(governor, 1)
    assert governor.look() == QUICK.look_s


def test_a_process_that_may_use_less_than_a_processor_has_less_to_spend():
    spent = spending(lambda: 0.0001)
    half = Governor(0.05, lambda: next(spent), processors=0.001, pace=QUICK)
    look(half, 1)
    assert state.level == 1


def test_a_fault_of_its_own_ends_it_with_everything_recorded(capsys):
    def spent():
        raise ValueError("broken")

    state.level = 2
    governor = governor_of(spent)
    governor.look()
    governor.look()
    assert state.level == state.EVERYTHING
    assert capsys.readouterr().err.count("ValueError: broken") <= 1


FORK = """
import json, os, sys, time
import otel_distro
from opentelemetry import trace
from otel_distro.governor import state
from otel_distro.governor.regulator import Pace
from otel_distro.instrumentation.governing import govern
from otel_distro.providers.governed_sampling import sampling_of_levels

def look_of():
    return [state.level, type(trace.get_tracer_provider().sampler).__name__]

telemetry = otel_distro.configure(instrument=False)
quick = Pace(look_s=0.05, smooth_s=0.05, over_s=0.1, calm_s=3600, longest_s=3600)
govern(telemetry._pipeline, 0.001, sampling_of_levels(trace.get_tracer_provider()), pace=quick)
tracer = trace.get_tracer("t")
def work_until(level):
    until = time.monotonic() + 30
    while state.level != level and time.monotonic() < until:
        tracer.start_span("s").end()
        time.sleep(0.0005)
work_until(4)
parent = look_of()
read, write = os.pipe()
if not os.fork():
    child = [look_of()]
    work_until(4)
    child.append(look_of())
    os.write(write, json.dumps(child).encode())
    os._exit(0)
os.wait()
print(json.dumps([parent, *json.loads(os.read(read, 1000)), look_of()]))
"""


def test_a_forked_child_begins_with_everything_and_is_governed_by_itself(tmp_path):
    with HttpServer() as server:
        done = run_python(
            FORK,
            instrumented=False,
            OTEL_SERVICE_NAME="app",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{server.host}",
            OTEL_METRICS_EXPORTER="none",
            BLIPEE_OTEL_CPU_BUDGET="off",
            BLIPEE_OTEL_SPOOL_DIR=str(tmp_path),
            PYTHONWARNINGS="ignore::DeprecationWarning",  # from 3.12 on: threads and a fork
        )
    assert done.returncode == 0, done.stderr
    at_the_top, at_the_bottom = [4, "StaticSampler"], [0, "_ParentBasedAlwaysOn"]
    assert json.loads(done.stdout) == [at_the_top, at_the_bottom, at_the_top, at_the_top]


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import time
from otel_distro.delivery.patching import own_cpu_seconds
import threading
found = []
thread = threading.Thread(target=lambda: found.append(own_cpu_seconds()))
thread.start(); thread.join()
print(found == [0.0])
"""


def test_the_time_of_the_thread_that_greenlets_share_is_not_taken_for_their_own():
    done = run_python(GREENLETS, instrumented=False)
    assert done.stdout == "True\n", done.stderr


@pytest.mark.parametrize(("budget", "names"), [("off", 0), ("5", 3)])
def test_the_setting_decides_whether_it_is_there(budget, names):
    code = """
import otel_distro
from opentelemetry import metrics
otel_distro.configure(instrument=False)
from otel_distro.instruments import recorder
print(sum(name.startswith("blipee.governor") for name, _ in recorder._callbacks))
"""
    done = run_python(
        code,
        instrumented=False,
        OTEL_SERVICE_NAME="app",
        BLIPEE_OTEL_CPU_BUDGET=budget,
        BLIPEE_OTEL_SPOOL="off",
        OTEL_METRICS_EXPORTER="none",
    )
    assert done.stdout == f"{names}\n", done.stderr
