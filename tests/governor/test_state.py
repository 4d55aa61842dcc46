"""What hot paths tell the governor: cheap, and right on average."""

import pytest

from otel_distro.governor.state import Point

EVERY = 127


def passed(point, occurrences, cost):
    """Let a point pass so often; `cost` is that of each, by its number."""
    for number in range(occurrences):
        if point.due():
            point.took(cost(number))
    return point


def test_one_of_127_is_timed():
    point = Point()
    assert sum(point.due() for _ in range(EVERY * 10)) == 10


def test_the_timed_ones_stand_for_all():
    point = passed(Point(), EVERY * 100, lambda _: 0.001)
    assert point.seconds() == pytest.approx(0.001 * EVERY * 100)
    assert point.seconds() == pytest.approx(0.001 * EVERY * 100)


def test_what_comes_later_may_cost_less():
    point = passed(Point(), EVERY * 100, lambda _: 0.001)
    before = point.seconds()
    passed(point, EVERY * 100, lambda _: 0.0001)
    assert point.seconds() - before == pytest.approx(0.0001 * EVERY * 100)


def test_a_rhythm_of_the_application_does_not_meet_the_same_one_each_time():
    point = passed(Point(), EVERY * 160, lambda number: 0.001 if number % 2 else 0.003)
    assert point.seconds() == pytest.approx(0.002 * EVERY * 160)


def test_a_pause_that_fell_into_a_timed_one_is_not_taken_for_127_pauses():
    point = passed(Point(), EVERY * 16, lambda number: 1.0 if number == EVERY * 8 - 1 else 0.001)
    assert point.seconds() < 0.002 * EVERY * 16


def test_what_was_never_timed_costs_nothing_yet():
    assert passed(Point(), EVERY - 1, lambda _: 1.0).seconds() == 0
