"""The regulator against simulated applications."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plant import plant

from otel_distro.governor.regulator import Pace, Regulator

HOUR = 3600

shares = st.floats(0.0005, 0.9)
costs = st.lists(shares, min_size=5, max_size=5).map(lambda each: tuple(sorted(each, reverse=True)))
loads = st.floats(0, 3)
budgets = st.floats(0.01, 0.5)
unhurried = settings(deadline=None)  # on whatever machine


def test_what_fits_into_the_budget_is_left_alone():
    governed = plant()
    governed.run(HOUR, load=0.12)
    assert governed.changes == []


@pytest.mark.parametrize(("load", "level"), [(0.1, 0), (0.15, 1), (0.2, 2), (0.8, 3), (2, 4)])
def test_a_steady_load_ends_at_the_first_level_that_fits(load, level):
    governed = plant()
    assert governed.run(600, load=load) == level


def test_each_level_is_entered_in_turn_and_left_in_turn():
    governed = plant()
    governed.run(600, load=2)
    governed.run(HOUR, load=0)
    assert [level for _, level in governed.changes] == [1, 2, 3, 4, 3, 2, 1, 0]
    at = [when for when, _ in governed.changes]
    stays = [after - before for before, after in pairwise(at)]
    assert min(stays[:3]) > 15
    assert min(stays[4:]) > 60


def test_a_short_burst_changes_nothing():
    governed = plant()
    governed.run(600, load=0.05)
    governed.run(10, load=0.3)
    governed.run(600, load=0.05)
    assert governed.changes == []


def test_an_application_that_does_nothing_but_collect_metrics_is_left_alone():
    governed = plant(idle=0.01)
    governed.run(HOUR, load=0)
    assert governed.changes == []


def test_nothing_is_decided_at_the_first_look_whatever_was_spent_before():
    regulator = Regulator(0.05)
    assert regulator.look(100, spent_s=1000) == 0
    assert regulator.look(105, spent_s=1000) == 0
    assert regulator.share == 0


def test_a_count_that_begins_anew_is_no_negative_cost():
    regulator = Regulator(0.05)
    regulator.look(0, spent_s=10)
    regulator.look(5, spent_s=0)
    assert regulator.share == 0


def test_looks_that_come_too_soon_are_not_measured():
    regulator = Regulator(0.05)
    for tenth in range(49):
        regulator.look(tenth / 10, spent_s=tenth)
    assert regulator.share == 0


@unhurried
@given(costs, budgets, st.lists(loads, min_size=1, max_size=4))
def test_under_each_steady_load_the_budget_holds_or_nothing_is_left_to_leave_out(
    costs, budget, loads
):
    governed = plant(costs, budget)
    for load in loads:
        governed.run(HOUR, load)
        before = len(governed.changes)
        seconds_over = 0
        for _ in range(HOUR // 5):
            level = governed.run(5, load)
            seconds_over += 5 * (governed.share_at(level) > budget and level < 4)
        # Trying whether a level less would do costs up to 20 s each time.
        tries = len(governed.changes) - before
        assert seconds_over <= 20 * tries + 20


@unhurried
@given(costs, budgets, st.lists(loads, min_size=1, max_size=4), st.floats(0, 0.9))
def test_everything_is_back_after_the_load_has_gone_and_idling_fits(costs, budget, loads, idle):
    governed = plant(costs, budget, idle=idle * 0.6 * budget * 0.99)
    for load in loads:
        governed.run(600, load)
    # An hour at most for the first level, and then each after a minute, in doubt after ten.
    assert governed.run(HOUR + 3 * 600 + 120, load=0) == 0


@unhurried
@given(costs, budgets, st.lists(loads, min_size=1, max_size=4))
def test_under_a_steady_load_it_changes_less_and_less(costs, budget, loads):
    pace = Pace()
    governed = plant(costs, budget)
    for load in loads:
        governed.changes.clear()
        governed.run(12 * HOUR, load, step=7.0)
        # To its level and back to it, twice for each doubling, and then twice in an hour.
        doublings = math.log2(pace.longest_s / pace.calm_s)
        assert len(governed.changes) <= 4 + 2 * doublings + 2 * 12 + 4
