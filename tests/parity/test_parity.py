"""Our instrumentation says what upstream's says, but for a list of differences with reasons.

Each row of the table (`cases/`) is asked of the bare application, of upstream's instrumentation
and of ours. The differences that are wanted are in `differences.py`.
"""

import pytest

from parity.cases import CASES
from parity.differences import DIFFERENCES
from parity.document import PATH, document
from parity.wanted import explained, found, matches, ran

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_difference = pytest.mark.parametrize("wanted", DIFFERENCES, ids=lambda one: one.title)


def test_each_row_has_a_name_of_its_own():
    assert len({case.name for case in CASES}) == len(CASES)


@each_case
def test_the_client_receives_what_the_bare_application_sends(case):
    if not case.changes_answer:
        assert ran(case.name, "ours").answers == ran(case.name, "bare").answers


@pytest.mark.parametrize("case", [case for case in CASES if case.changes_answer], ids=str)
def test_the_trace_is_in_the_answer_and_all_else_is_the_bare_applications(case):
    ours = ran(case.name, "ours")
    (answer,), (bare,) = ours.answers, ran(case.name, "bare").answers
    start, expected = answer.messages[0], bare.messages[0]
    added = [header for header in start["headers"] if header not in expected["headers"]]
    context = ours.telemetry.ended[0][0].get_span_context()
    said = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    assert dict(map(tuple, added))[b"traceresponse"] == said.encode()
    start["headers"] = [header for header in start["headers"] if header not in added]
    assert (answer.messages, answer.raised) == (bare.messages, bare.raised)


@each_case
def test_the_context_of_the_server_is_as_it_was(case):
    assert not ran(case.name, "ours").left_behind


@each_case
def test_only_what_is_listed_differs_from_upstream(case):
    differs = found(case)
    unlisted = {
        fact: differs[fact]
        for fact, wanted in explained(differs, case.name, DIFFERENCES)
        if wanted is None
    }
    assert unlisted == {}


@each_difference
def test_what_is_listed_differs_in_each_of_its_cases(wanted):
    cases = [case for case in CASES if matches(case.name, wanted.cases)]
    of_this = {
        case.name: [
            fact
            for fact, explanation in explained(found(case), case.name, DIFFERENCES)
            if explanation is wanted
        ]
        for case in cases
    }
    assert [name for name, facts in of_this.items() if not facts] == []
    assert [one for one in wanted.cases if not any(matches(name, [one]) for name in of_this)] == []
    facts = {fact for facts in of_this.values() for fact in facts}
    assert [one for one in wanted.facts if not any(matches(fact, [one]) for fact in facts)] == []


@each_difference
def test_ours_has_the_values_that_the_specification_demands(wanted):
    for case, demanded in wanted.ours.items():
        facts = ran(case, "ours").facts
        assert {fact: facts.get(fact) for fact in demanded} == demanded


def test_the_document_is_what_the_list_and_the_runs_say():
    assert PATH.read_text() == document(), (
        "write it anew: PYTHONPATH=tests python -m parity.document"
    )
