"""Sums that are added to without a call, and measurements that are kept back for a collection."""

import json
import os
import sys
import threading

import pytest
from metered import metered, reader, span_context
from opentelemetry.sdk import metrics as sdk_metrics
from support.instrumented import run_python

from otel_distro.instruments.bound import bind, settle_before_collections, tally
from otel_distro.providers import sdk

PROVIDERS = {"ours": sdk.MeterProvider, "the SDK's": sdk_metrics.MeterProvider}
KINDS = ("counter", "up_down_counter")
THREADS, EACH = 4, 20_000


@pytest.fixture
def _hasty():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_tally_is_what_was_added_to_it(provider, kind):
    made = metered(PROVIDERS[provider])
    instrument = getattr(made.meter, f"create_{kind}")("m")
    counted = tally(instrument, {"a": 1})
    counted.value += 1
    counted.value += 2
    instrument.add(4, {"a": 1})
    assert made.values("m") == {(("a", 1),): 7}
    counted.value += 1
    assert made.values("m") == {(("a", 1),): 8}


def test_a_tally_is_there_before_anything_is_added(ours):
    tally(ours.meter.create_up_down_counter("m"), {"a": 1})
    assert ours.values("m") == {(("a", 1),): 0}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_tally_goes_down_too(provider):
    made = metered(PROVIDERS[provider])
    counted = tally(made.meter.create_up_down_counter("m"))
    counted.value += 3
    made.values("m")
    counted.value -= 2
    assert made.values("m") == {(): 1}


def test_two_tallies_of_one_set_are_one_sum(ours):
    counter = ours.meter.create_counter("m")
    for _ in range(2):
        tally(counter, {"a": 1}).value += 1
    assert ours.values("m") == {(("a", 1),): 2}


def test_each_delta_has_what_was_added_since(ours):
    made = metered(readers=[reader("delta"), reader()])
    counted = tally(made.meter.create_counter("m"))
    counted.value += 2
    assert made.values("m") == {(): 2}
    counted.value += 3
    assert made.values("m") == {(): 3}
    assert made.values("m", 1) == {(): 5}


@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_tally_loses_nothing_between_threads(provider):
    made = metered(PROVIDERS[provider])
    counted = tally(made.meter.create_up_down_counter("m"))

    def add():
        for _ in range(EACH):
            counted.value += 1
            counted.value -= 1
            counted.value += 1

    threads = [threading.Thread(target=add) for _ in range(THREADS)]
    for one in threads:
        one.start()
    while any(one.is_alive() for one in threads):
        made.points()
    assert made.values("m") == {(): THREADS * EACH}


class Source:
    def __init__(self, settle):
        self.settle = settle
        self.forgotten = False

    def forget(self):
        self.forgotten = True


def test_a_source_settles_before_each_collection_whatever_the_reader(ours):
    made = metered(readers=[reader(), reader("delta")])
    histogram = made.meter.create_histogram("m")
    bound = bind(histogram)
    source = Source(lambda: bound.record_all([1.0, 2.0]))
    assert settle_before_collections(histogram, source)
    assert made.values("m") == {(): (2, 3.0)}
    assert made.values("m", 1) == {(): (4, 6.0)}


def test_a_source_that_raises_costs_itself_only(ours, capfd):
    counter = ours.meter.create_counter("m")
    source = Source(lambda: 1 / 0)
    settle_before_collections(counter, source)
    counter.add(1)
    assert ours.values("m") == {(): 1}
    assert "measurements were lost (ZeroDivisionError" in capfd.readouterr().err


def test_another_provider_does_not_ask_sources():
    made = metered(sdk_metrics.MeterProvider)
    assert not settle_before_collections(made.meter.create_counter("m"), Source(None))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_examples_of_several_become_exemplars_with_their_own_times(provider):
    made = metered(PROVIDERS[provider])
    bound = bind(made.meter.create_histogram("m"))
    bound.record_all([1.0, 20.0, 300.0], [(20.0, 1234, span_context(7))])
    (point,) = made.points()["m"]
    assert (point.count, point.sum) == (3, 321.0)
    (exemplar,) = point.exemplars
    assert (exemplar.value, exemplar.trace_id) == (20.0, 8)
    if provider == "ours":
        assert exemplar.time_unix_nano == 1234


FORK = """
import json, os
from metered import metered
from otel_distro.instruments.bound import settle_before_collections, tally
made = metered()
counter = made.meter.create_up_down_counter("m")
counted = tally(counter)

class Source:
    kept = 3
    def settle(self):
        counter.add(self.kept)
        self.kept = 0
    def forget(self):
        self.kept = 0

source = Source()
settle_before_collections(counter, source)
counted.value += 1
if not os.fork():
    inherited = made.values("m")[()]
    counted.value += 10
    print(json.dumps([inherited, made.values("m")[()]]), flush=True)
    os._exit(0)
os.wait()
print(json.dumps(made.values("m")[()]))
"""


def test_a_forked_child_leaves_all_that_to_its_parent():
    here = os.path.dirname(__file__)  # noqa: PTH120 - a search path
    done = run_python(FORK, instrumented=False, PYTHONPATH=here)
    assert done.returncode == 0, done.stderr
    (inherited, child), parent = map(json.loads, done.stdout.splitlines())
    assert (inherited, child, parent) == (0, 10, 4)
