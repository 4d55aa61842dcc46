"""The process as its operating system sees it, also after a fork, and the event loop."""

import asyncio
import gc
import json
import os
import textwrap
import threading
import time
import warnings
from contextlib import nullcontext
from types import SimpleNamespace

import psutil
import pytest
from support.instrumented import run_python

from otel_distro.catalogue import CATALOGUE
from otel_distro.instrumentation import limits, system


@pytest.fixture
def reported(telemetry):
    """Returns all points of one export, by name and the values of the attributes."""
    system.report(telemetry.meter_provider)

    def reported():
        (resource,) = telemetry._metrics.get_metrics_data().resource_metrics
        return {
            (metric.name, *point.attributes.values()): point.value
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }

    return reported


def test_every_instrument_of_the_process_is_there_with_its_declared_attributes(reported, telemetry):
    reported()
    names = {
        entry.name
        for entry in CATALOGUE
        if entry.component == "system" and entry.kind.value.startswith("observable")
    }
    assert {name for name, *_ in reported()} == names
    for name in names:
        for point in telemetry.points(name):
            assert set(point.attributes) == CATALOGUE[name].attribute_names


def test_both_names_come_from_one_reading(reported):
    values = reported()
    assert values["system.memory_usage_mb",] == values["process.memory.usage",] / 1_000_000
    assert values["system.cpu_usage_percent",] == values["process.cpu.utilization",] * 100


def test_values_are_those_of_this_process(reported):
    values = reported()
    process = psutil.Process()
    assert values["process.memory.usage",] == pytest.approx(process.memory_info().rss, rel=0.2)
    assert 0 < values["system.memory.utilization", "used"] <= 1
    times = process.cpu_times()
    assert 0 < values["process.cpu.time", "user"] <= times.user
    assert 0 <= values["process.cpu.time", "system"] <= times.system


def test_threads_and_file_descriptors_are_counted(reported):
    before = reported()
    release = threading.Event()
    threads = [threading.Thread(target=release.wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    pipes = [os.pipe() for _ in range(5)]
    during = reported()
    release.set()
    for thread in threads:
        thread.join()
    for end in sum(pipes, ()):
        os.close(end)
    threads_more = during["process.thread.count",] - before["process.thread.count",]
    descriptors = "process.unix.file_descriptor.count"
    # Threads and files of others may come and go meanwhile.
    assert threads_more == pytest.approx(5, abs=1)
    assert during[descriptors,] - before[descriptors,] == pytest.approx(10, abs=2)


def test_runs_of_the_garbage_collector_are_counted_by_generation(reported):
    before = reported()
    for _ in range(3):
        gc.collect()
    after = reported()
    for generation in range(3):
        key = ("cpython.gc.collections", str(generation))
        assert after[key] >= before[key]
    assert after["cpython.gc.collections", "2"] - before["cpython.gc.collections", "2"] >= 3


class Machine:
    """Stands for psutil: a process whose clock and processor time the test sets."""

    def __init__(self, monkeypatch):
        self.now, self.busy, self.readings = 1000.0, 10.0, 0
        monkeypatch.setattr(psutil, "Process", lambda: self)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "time", lambda: self.now)
        monkeypatch.setattr(limits, "processors", lambda: 2.0)

    def oneshot(self):
        self.readings += 1
        return nullcontext()

    def cpu_times(self):
        return SimpleNamespace(user=self.busy * 0.75, system=self.busy * 0.25)

    def memory_info(self):
        return SimpleNamespace(rss=123)

    def create_time(self):
        return self.now - 100


@pytest.mark.parametrize(
    ("seconds", "busy", "share"),
    [
        (10, 5, 0.25),
        (10, 20, 1),
        (10, 0, 0),
        (10, 25, 1),  # clocks do not agree to the last millisecond
        (10, -1, 0),
        (0.5, 0.1, 0.1),
    ],
)
def test_utilization_is_the_share_of_all_processors_since_the_last_reading(
    seconds, busy, share, monkeypatch
):
    machine, process = Machine(monkeypatch), system.Process()
    # At first, since the process began: 10 s busy of 100 s on 2 processors.
    assert process.read().utilization == pytest.approx(0.05)
    machine.now += seconds
    machine.busy += busy
    assert process.read().utilization == pytest.approx(share)


def test_instruments_of_one_export_share_a_reading(monkeypatch):
    machine, process = Machine(monkeypatch), system.Process()
    first = process.read()
    machine.now += 0.1
    assert process.read() is first
    machine.now += 0.2
    assert process.read() is not first
    assert machine.readings == 2


def test_a_busy_process_is_seen_to_be_busy(monkeypatch):
    monkeypatch.setattr(limits, "processors", lambda: 1.0)
    process = system.Process()
    process.read()
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    reading = process.read()
    assert 0 < reading.utilization <= 1


FORK = textwrap.dedent("""
    import json, os, sys
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from otel_distro.instrumentation import system
    reader = InMemoryMetricReader()
    system.report(MeterProvider([reader]))
    def values():
        (resource,) = reader.get_metrics_data().resource_metrics
        return {
            metric.name: sum(point.value for point in metric.data.data_points)
            for scope in resource.scope_metrics for metric in scope.metrics
        }
    until = os.times().user + 0.5
    while os.times().user < until:
        pass
    much = b"x" * 80_000_000
    parent = values()
    # As if a thread were reading at this moment.
    observed = system.Process()
    observed._lock.acquire()
    read, write = os.pipe()
    if not os.fork():
        del much
        child = values()
        child["rss"] = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        child["readable"] = observed.read().memory > 0
        os.write(write, json.dumps(child).encode())
        os._exit(0)
    os.wait()
    print(json.dumps([parent, json.loads(os.read(read, 65536))]))
""")


def test_after_a_fork_the_values_are_the_childs_own():
    done = run_python(FORK, instrumented=False)
    assert done.stderr == ""
    parent, child = json.loads(done.stdout)
    assert parent["process.cpu.time"] >= 0.5
    # Its processor time begins anew, although the parent was read a moment before.
    assert child["process.cpu.time"] < 0.4
    assert child["process.memory.usage"] == pytest.approx(child["rss"], rel=0.2)
    assert parent["process.memory.usage"] - child["process.memory.usage"] > 40_000_000
    assert 0 <= child["process.cpu.utilization"] <= 1
    assert child["readable"]


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(system, "_LOOP_INTERVAL_S", 0.01)


def delays(telemetry):
    points = telemetry.points("cpython.eventloop.delay")
    return (points[0].count, points[0].sum) if points else (0, 0)


async def until(what):
    async with asyncio.timeout(20):
        while not what():  # noqa: ASYNC110 - what is waited for knows nothing of us
            await asyncio.sleep(0.01)


def test_a_running_loop_tells_how_late_it_is(soon, telemetry):
    async def main():
        system.watch_event_loop(telemetry.meter_provider)
        await until(lambda: delays(telemetry)[0] >= 3)
        before = delays(telemetry)[1]
        time.sleep(0.2)  # noqa: ASYNC251 - the loop is to be late
        await until(lambda: delays(telemetry)[1] > before + 0.1)

    asyncio.run(main(), debug=False)
    (point,) = telemetry.points("cpython.eventloop.delay")
    assert tuple(point.explicit_bounds) == CATALOGUE["cpython.eventloop.delay"].buckets


def test_a_loop_is_watched_once_however_often_it_is_asked_for(soon, telemetry):
    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(50):
            system.watch_event_loop(telemetry.meter_provider)
        assert len(loop._scheduled) == 1
        await until(lambda: delays(telemetry)[0] >= 1)

    asyncio.run(main())


def test_many_loops_close_without_a_word_and_are_forgotten(soon, telemetry, caplog):
    async def main():
        system.watch_event_loop(telemetry.meter_provider)
        await asyncio.sleep(0.02)

    before = len(system._watched)
    for _ in range(20):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            asyncio.run(main(), debug=True)
    threads = [threading.Thread(target=asyncio.run, args=[main()]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert len(system._watched) <= before
    assert delays(telemetry)[0] >= 25
    # That a step took long is said of a slow machine too.
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if not line.startswith("Executing")] == []


def test_outside_of_asyncio_nothing_is_watched_and_nothing_raised(telemetry):
    system.watch_event_loop(telemetry.meter_provider)
    assert delays(telemetry) == (0, 0)
