"""From many threads, from a signal handler, in a forked child: nothing is lost, counted twice or
stuck."""

import json
import os
import signal
import sys
import textwrap
import threading

import pytest
from metered import metered, reader
from opentelemetry.sdk.metrics._internal._view_instrument_match import _ViewInstrumentMatch
from opentelemetry.sdk.metrics._internal.aggregation import _SumAggregation
from opentelemetry.sdk.metrics.export import AggregationTemporality
from support.instrumented import run_python

from otel_distro.instruments.bound import bind
from otel_distro.providers.metering import aggregating, consumer
from otel_distro.providers.metering.cells import taken

THREADS, EACH = 4, 20_000


@pytest.fixture
def _hasty():
    """Let threads come between each other as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Collecting(threading.Thread):
    """Adds up what a reader of deltas collects until it is stopped."""

    def __init__(self, made, which):
        super().__init__()
        self.total = {"c": 0, "h": 0}
        self._made, self._which = made, which
        self._over = threading.Event()

    def run(self):
        while not self._over.is_set():
            self._collect()

    def stop(self):
        self._over.set()
        self.join()
        self._collect()

    def _collect(self):
        for name, points in self._made.points(self._which).items():
            for point in points:
                self.total[name] += point.value if name == "c" else point.count


@pytest.mark.usefixtures("_hasty")
def test_threads_that_measure_while_others_collect_are_counted_to_the_last():
    made = metered(readers=[reader("cumulative"), reader("delta"), reader("delta")])
    counter = made.meter.create_counter("c")
    bound = bind(made.meter.create_histogram("h"), {"of": "all"})

    def measure(of):
        for _ in range(EACH):
            counter.add(1, {"of": of})
            bound.record(1)

    measuring = [threading.Thread(target=measure, args=(of,)) for of in range(THREADS)]
    collecting = [Collecting(made, 1), Collecting(made, 2)]
    for thread in (*collecting, *measuring):
        thread.start()
    for thread in measuring:
        thread.join()
    for one in collecting:
        one.stop()
        assert one.total == {"c": THREADS * EACH, "h": THREADS * EACH}
    assert made.values("c") == {(("of", of),): EACH for of in range(THREADS)}
    assert made.values("h") == {(("of", "all"),): (THREADS * EACH, THREADS * EACH)}


def test_a_signal_handler_may_measure_and_collect_in_the_middle_of_both():
    made = metered()
    counter = made.meter.create_counter("c")
    bound = bind(made.meter.create_gauge("g"), {"a": 1})
    handled = 0

    def handle(*_):
        nonlocal handled
        handled += 1
        counter.add(1)
        bound.set(handled)
        if handled % 10 == 0:
            made.points()
        signal.setitimer(signal.ITIMER_REAL, 1e-4)

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4)
        measured = 0
        while handled < 300:
            counter.add(1)
            bound.set(-1)
            measured += 1
            if measured % 100 == 0:
                made.points()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert made.values("c") == {(): measured + handled}


class Interrupted(list):
    """A list to which another thread appends right after it was copied."""

    def __getitem__(self, which):
        copied = super().__getitem__(which)
        self.append("late")
        return copied


def test_what_comes_while_pending_values_are_taken_is_kept():
    pending = Interrupted([1, 2])
    assert taken(pending) == [1, 2]
    assert list(pending) == ["late"]


def test_no_collection_comes_between_finding_an_aggregation_and_filling_it(monkeypatch):
    made = metered(readers=[reader("delta")])
    bound = bind(made.meter.create_counter("c"))
    bound.add(1)
    assert made.values("c") == {(): 1}
    find, collected, collecting = _ViewInstrumentMatch._get_or_create_aggregation, [], []

    def find_slowly(match, *arguments):
        aggregation = find(match, *arguments)

        def collect():
            collected.extend(match.collect(AggregationTemporality.DELTA, 1) or ())

        collecting.append(threading.Thread(target=collect))
        collecting[0].start()
        collecting[0].join(0.1)  # it has to wait
        return aggregation

    monkeypatch.setattr(_ViewInstrumentMatch, "_get_or_create_aggregation", find_slowly)
    bound.add(2)
    made.provider._measurement_consumer.put_all()
    collecting[0].join()
    assert [point.value for point in collected] == [2]


def test_a_collection_in_the_middle_of_another_of_the_same_thread_goes_on(ours, monkeypatch):
    monkeypatch.setattr(consumer, "_PATIENCE_S", 3600)
    counter = ours.meter.create_counter("c")
    counter.add(1)
    counter.add(1)
    interrupted = []

    def put(aggregation, values):
        interrupted.append(ours.points())
        aggregating._add_to_sum(aggregation, values)

    monkeypatch.setitem(aggregating._IN_BULK, _SumAggregation, put)
    collecting = threading.Thread(target=ours.points, daemon=True)
    collecting.start()
    collecting.join(20)
    assert not collecting.is_alive()
    assert len(interrupted) == 1
    assert ours.values("c") == {(): 2}


def test_a_collection_does_not_wait_for_ever_for_another_thread(ours, monkeypatch):
    monkeypatch.setattr(consumer, "_PATIENCE_S", 0.05)
    counter = ours.meter.create_counter("c")
    counter.add(1)
    counter.add(1)
    with ours.provider._measurement_consumer._putting:
        counter.add(1)
        assert ours.values("c") == {(): 1}  # the first goes at once
    assert ours.values("c") == {(): 3}


def test_what_waits_for_a_thread_that_is_stuck_is_bounded(ours, monkeypatch, said):
    monkeypatch.setattr(consumer, "_PATIENCE_S", 0.05)
    counter = ours.meter.create_counter("c")
    bound = counter.bind()
    with ours.provider._measurement_consumer._putting:
        for _ in range(200_000):
            bound.add(1)
    assert len(bound.pending) <= 51_200
    assert said() == ["measurements are lost: the SDK holds them up."]


FORK = textwrap.dedent("""
    import json, os
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from otel_distro.providers import sdk

    reader = InMemoryMetricReader()
    provider = sdk.MeterProvider([reader], shutdown_on_exit=False)
    meter = provider.get_meter("t")
    counter, gauge, histogram = (
        meter.create_counter("c"), meter.create_gauge("g"), meter.create_histogram("h")
    )
    def collected():
        (resource,) = reader.get_metrics_data().resource_metrics
        return {metric.name: point.value if hasattr(point, "value") else [point.count, point.sum]
                for metric in resource.scope_metrics[0].metrics
                for point in metric.data.data_points}
    for value in (1, 2, 3):  # the first goes to the SDK at once, the others wait
        counter.add(value)
        gauge.set(value)
        histogram.record(value)
    if not os.fork():
        inherited = collected()
        counter.add(10)
        histogram.record(10)
        print(json.dumps([inherited, collected()]), flush=True)
        os._exit(0)
    os.wait()
    print(json.dumps(collected()))
""")


def test_a_forked_child_leaves_what_waits_to_its_parent():
    done = run_python(FORK, instrumented=False, PYTHONPATH=os.environ.get("PYTHONPATH", ""))
    assert done.returncode == 0, done.stderr
    (inherited, child), parent = map(json.loads, done.stdout.splitlines())
    assert parent == {"c": 6, "g": 3, "h": [3, 6]}
    assert inherited == {"c": 1, "g": 3, "h": [1, 1]}
    assert child == {"c": 11, "g": 3, "h": [2, 11]}
