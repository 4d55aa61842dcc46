"""The differences that every request has: the first entries of the list."""

import pytest

from parity.cases import CASES
from parity.facts import is_of_message
from parity.sides import run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

_CASE = next(case for case in CASES if case.name == "a body with its length")
_FAILS = next(case for case in CASES if case.name == "raises")


def metrics(case, side):
    """Return by name the first point of each metric."""
    return {metric.name: metric.data.data_points[0] for metric in run(case, side).metrics}


def spans(case, side):
    return [span for span, _ in run(case, side).telemetry.ended]


def test_upstream_has_a_span_for_each_message_and_ours_has_none():
    assert sum(map(is_of_message, spans(_CASE, "upstream"))) >= 3
    assert [span.kind.name for span in spans(_CASE, "ours")] == ["SERVER"]


def test_ours_measures_under_both_names():
    ours = metrics(_CASE, "ours")
    assert {"api.response_time", "api.requests", "api.active_connections"} <= ours.keys()
    seconds = ours["http.server.request.duration"].sum
    assert ours["api.response_time"].sum == pytest.approx(seconds * 1000)
    assert any(name.startswith("errors.") for name in metrics(_FAILS, "ours"))
    assert {name.split(".")[0] for name in metrics(_FAILS, "upstream")} == {"http"}


@pytest.mark.parametrize("name", ["background: take_long", "background: long after a 503"])
def test_the_span_and_its_histogram_end_with_the_answer_whatever_comes_after_it(name):
    later = next(case for case in CASES if case.name == name)
    done = run(later, "ours")
    span = next(one for one, _ in done.telemetry.ended if one.kind.name == "SERVER")
    assert span.end_time < done.probe.times["background task"]
    (ours,) = (one for one in done.metrics if one.name == "http.server.request.duration")
    seconds = (span.end_time - span.start_time) / 1e9
    assert ours.data.data_points[0].sum == pytest.approx(seconds, abs=1e-6)
    # The task sleeps for so long.
    assert metrics(later, "upstream")["http.server.request.duration"].sum >= 0.02


def test_a_span_begins_with_its_method_and_gets_its_route_when_it_is_known():
    assert run(_CASE, "upstream").telemetry.first_names[0] == "POST /items"
    assert run(_CASE, "ours").telemetry.first_names == ["POST"]
    assert [span.name for span in spans(_CASE, "ours")] == ["POST /items"]


@pytest.mark.parametrize(
    "name", ["http.server.request.body.size", "http.server.response.body.size"]
)
def test_sizes_have_buckets_of_bytes(name):
    bounds = metrics(_CASE, "ours")[name].explicit_bounds
    assert (bounds[0], bounds[-1]) == (256, 16 * 1024 * 1024)
    assert metrics(_CASE, "upstream")[name].explicit_bounds[-1] == 10_000


def test_the_scope_is_ours():
    assert {span.instrumentation_scope.name for span in spans(_CASE, "ours")} == {
        "otel_distro.instrumentation.asgi"
    }
