"""A pipeline's promises to its caller: what `flush` returns, and when; what `stop` leaves."""

import threading
import time

import pytest
from core_parts import ACCEPTED, AWAY, ENCODE, HANGS, ScriptedTransport, items

from otel_distro.delivery import Batching, DeliverySettings, Endpoint, SpoolSettings
from otel_distro.delivery.pipeline import Pipeline
from otel_distro.delivery.signal import SIGNALS

LONG_S = 20.0


class Piped:
    """A pipeline with its threads, whose transports are scripted."""

    def __init__(self, root=None, **more):
        self.said = []
        self.pipeline = Pipeline(
            DeliverySettings(
                endpoints={
                    signal: Endpoint(url="http://127.0.0.1:4318", protocol="http/protobuf")
                    for signal in ("traces", "logs")
                },
                batching=dict.fromkeys(SIGNALS, Batching(**more)),
                spool=SpoolSettings(root=root, service="shop") if root else None,
                window_s=0.02,
            ),
            lambda _, text: self.said.append(text),
        )
        engine = self.pipeline._engine
        for source in engine.writer.sources:
            source.encode = ENCODE[source.lane.signal]
        self.sent = {}
        for route in engine.sender.routes:
            route.transport = self.sent[route.lane.signal] = ScriptedTransport(route.lane.signal)

    def put(self, count, add="log"):
        some = items(count)
        for item in some:
            getattr(self.pipeline, f"add_{add}")(item)
        return [item.number for item in some]

    def balance(self, signal="logs"):
        return self.pipeline.balance()[signal]


@pytest.fixture
def piped(tmp_path):
    made = []

    def make(*, spool=True, **more):
        made.append(Piped(tmp_path / "spool" if spool else None, **more))
        return made[-1]

    yield make
    for one in made:
        one.pipeline.stop(0.2)
        for thread in one.pipeline._threads.values():
            thread.join(LONG_S)
            assert not thread.is_alive()


def timed(call, *arguments):
    before = time.monotonic()
    returned = call(*arguments)
    return returned, time.monotonic() - before


@pytest.fixture(params=[True, False], ids=["spool", "memory"])
def either(piped, request):
    return lambda **more: piped(spool=request.param, **more)


def test_flush_is_true_when_all_went(either):
    one = either()
    logs, spans = one.put(1000), one.put(1000, "span")
    done, took = timed(one.pipeline.flush, LONG_S)
    assert done
    assert took < LONG_S / 2
    assert one.sent["logs"].arrived == logs
    assert one.sent["traces"].arrived == spans


def test_flush_is_true_at_once_where_there_is_nothing(either):
    assert timed(either().pipeline.flush, LONG_S) < (True, 1.0)
    one = either()
    one.put(1)
    assert one.pipeline.flush(LONG_S)
    done, took = timed(one.pipeline.flush, LONG_S)
    assert done
    assert took < LONG_S / 2


def test_flush_is_false_soon_where_the_endpoint_fails(either):
    one = either()
    one.sent["logs"].otherwise = AWAY
    one.put(10)
    done, took = timed(one.pipeline.flush, LONG_S)
    assert not done
    assert took < LONG_S / 2


def test_flush_delivers_what_others_take_where_one_endpoint_fails(either):
    one = either()
    one.sent["logs"].otherwise = AWAY
    one.put(10)
    one.put(10, "span")
    assert not one.pipeline.flush(LONG_S)
    assert one.balance("traces").exported == 10


def test_flush_is_bounded_where_the_endpoint_hangs(either):
    one = either()
    hang = threading.Event()
    one.sent["logs"].otherwise = lambda _: (hang.wait(LONG_S), HANGS)[1]
    one.put(10)
    done, took = timed(one.pipeline.flush, 0.3)
    hang.set()
    assert not done
    assert 0.25 < took < LONG_S / 2


def test_flush_tries_again_what_failed_before(either):
    one = either()
    one.sent["logs"].script.append(AWAY)
    one.put(10)
    assert not one.pipeline.flush(LONG_S)
    assert one.pipeline.flush(LONG_S)
    assert one.balance().exported == 10


def test_stop_delivers_what_is_queued(either):
    one = either(max_export_batch_size=100)
    numbers = one.put(2000)
    one.pipeline.stop(LONG_S)
    assert one.sent["logs"].arrived == numbers
    assert one.said == []


def test_stop_says_what_it_leaves_in_the_spool(piped):
    one = piped()
    one.sent["logs"].otherwise = AWAY
    one.put(10)
    _, took = timed(one.pipeline.stop, LONG_S)
    assert took < LONG_S / 2
    assert len(one.said) == 1
    assert "10 log records could not be delivered (connection refused) and wait" in one.said[0]


def test_stop_says_what_it_loses(piped):
    one = piped(spool=False)
    one.sent["logs"].otherwise = AWAY
    one.put(10)
    one.pipeline.stop(0.3)
    assert len(one.said) == 1
    assert "10 log records were lost (not_stored)" in one.said[0]


def test_stop_is_bounded_where_the_endpoint_hangs(piped):
    one = piped()
    hang = threading.Event()
    one.sent["logs"].otherwise = lambda _: (hang.wait(LONG_S), ACCEPTED)[1]
    one.put(10)
    _, took = timed(one.pipeline.stop, 0.3)
    assert took < LONG_S / 2
    hang.set()


def test_what_comes_after_stop_is_counted(either):
    one = either()
    one.put(10)
    one.pipeline.stop(LONG_S)
    one.put(5)
    assert one.balance().dropped == {"stopped": 5}
    assert one.balance().difference == 0


def test_persist_waits_for_no_endpoint(piped):
    one = piped(schedule_delay_ms=3_600_000)
    hang = threading.Event()
    one.sent["logs"].otherwise = lambda _: (hang.wait(LONG_S), AWAY)[1]
    one.put(600)
    one.put(20)
    _, took = timed(one.pipeline.persist, LONG_S)
    assert took < LONG_S / 2
    assert one.balance().queued == 0
    hang.set()
