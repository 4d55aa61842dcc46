"""Under the distribution's own providers each request is reported as under the SDK's.

With upstream's instrumentation too, which stands for everything that uses the standard API.
"""

import pytest

from otel_distro.providers import sdk
from parity.cases import CASES
from parity.comparison import differences
from parity.sides import run
from parity.wanted import ran

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

# The SDK's span raises where the text of an exception does, and has no event then.
_BETTER = {"raises what cannot be printed": {"server events"}}

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each_case
def test_ours_reports_the_same_under_both(case):
    done = run(case, "ours", providers=sdk)
    differs = differences(ran(case.name, "ours").facts, done.facts)
    assert differs.keys() == _BETTER.get(case.name, set()), differs
    assert not done.left_behind
    if not case.changes_answer:
        assert done.answers == ran(case.name, "bare").answers


@each_case
def test_upstreams_reports_the_same_under_both(case):
    done = run(case, "upstream", providers=sdk)
    differs = differences(ran(case.name, "upstream").facts, done.facts)
    assert differs.keys() == _BETTER.get(case.name, set()), differs
