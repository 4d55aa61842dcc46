"""One line when an endpoint goes away, one when it is back, and none for what nobody would mind."""

import time

import pytest
from core_parts import AWAY, items

from otel_distro.delivery.faults import Faults
from otel_distro.delivery.signal import SIGNALS

URL = "http://collector:4318/v1/"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.fixture
def said():
    return []


@pytest.fixture
def faults(clock, said):
    return Faults(lambda key, text: said.append((key, text)), "in memory")


def lines(said):
    return [text for _, text in said]


def fail(faults, attempts=1, first=1, signals=SIGNALS, url=URL):
    for attempt in range(first, first + attempts):
        for signal in signals:
            faults.failed(url + signal, signal, "connection refused", attempt)


def deliver(faults, spooled=0, signals=SIGNALS, url=URL):
    for signal in signals:
        faults.delivered(url + signal, signal, spooled)


def test_an_outage_of_all_signals_is_two_lines(faults, clock, said):
    fail(faults, attempts=50)
    assert lines(said) == [
        "http://collector:4318 takes no telemetry: connection refused; it is kept in memory."
    ]
    clock.now += 75
    deliver(faults, 12_345)
    assert len(said) == 2
    assert lines(said)[1] == (
        "http://collector:4318 takes telemetry again after 75 s; 12,345 records that were kept "
        "are being sent."
    )


def test_a_single_failed_attempt_says_nothing(faults, said):
    fail(faults)
    deliver(faults)
    assert said == []


def test_the_second_failed_attempt_in_a_row_says_so(faults, said):
    fail(faults, signals=("logs",))
    assert said == []
    fail(faults, first=2, signals=("logs",))
    assert len(said) == 1


def test_it_is_over_when_every_signal_that_failed_is_delivered(faults, said):
    fail(faults, attempts=2, signals=("logs", "traces"))
    deliver(faults, signals=("metrics", "logs", "logs"))
    assert len(said) == 1
    deliver(faults, signals=("traces",))
    assert len(said) == 2


def test_flapping_says_nothing_more(faults, clock, said):
    fail(faults, attempts=2)
    deliver(faults)
    assert len(said) == 2
    for _ in range(20):
        clock.now += 50
        fail(faults, attempts=5)
        clock.now += 5
        deliver(faults)
    assert len(said) == 2


def test_an_outage_some_time_after_another_is_said(faults, clock, said):
    for times in range(1, 4):
        fail(faults, attempts=2)
        deliver(faults)
        assert len(said) == 2 * times
        clock.now += 61


def test_an_outage_soon_after_another_is_said_if_it_lasts(faults, clock, said):
    fail(faults)
    deliver(faults)
    clock.now += 30
    for attempt in range(1, 60):
        fail(faults, first=attempt)
        clock.now += 5
    assert len(said) == 1
    deliver(faults, 7)
    assert "takes telemetry again after 295 s; 7 records" in lines(said)[1]


def test_each_line_may_be_said(faults, clock, said):
    """What says them says each key once in a process."""
    for _ in range(3):
        fail(faults, attempts=2)
        deliver(faults)
        clock.now += 61
    assert len({key for key, _ in said}) == 6


def test_endpoints_have_lines_of_their_own(faults, said):
    fail(faults, attempts=2)
    fail(faults, attempts=2, url="https://other:4318/v1/")
    deliver(faults)
    assert len(said) == 3
    assert "https://other:4318 " in lines(said)[1]
    assert "http://collector:4318 " in lines(said)[2]


def test_nothing_is_said_after_hush(faults, said):
    fail(faults, attempts=2)
    faults.hush()
    deliver(faults)
    fail(faults, attempts=2)
    deliver(faults)
    assert len(said) == 1


def test_a_refusal_is_said_once_for_each_reason(faults, said):
    faults.refused(URL + "logs", "logs", "bad", "400", 1234)
    faults.refused(URL + "logs", "logs", "worse", "400", 1)
    faults.refused(URL + "logs", "logs", "large", "413", 1)
    assert lines(said)[0] == (
        "http://collector:4318/v1/logs refused 1,234 records of logs: bad; they are lost. "
        "Further ones are counted, not said."
    )
    assert len({key for key, _ in said}) == 2


def test_the_sender_tells_of_an_outage_and_its_end(parts):
    process = parts()
    for signal in ("traces", "logs"):
        process.write(items(5), signal)
        process.sent[signal].script.extend([AWAY] * 7)
    process.send(most=100)
    for _ in range(10):
        process.time_passes()
        process.sender.send_due()
    assert len(process.said) == 2
    assert f"it is kept in the spool {process.engine.settings.spool.root}" in process.said[0]
    assert "again after 0 s; " in process.said[1]


def test_the_sender_hushes_at_the_end(parts):
    process = parts()
    process.write(items(5))
    process.sent["logs"].otherwise = AWAY
    process.sender.stop(time.monotonic() + 1)
    for _ in range(5):
        process.time_passes()
        process.sender.send_due()
    assert process.said == []
