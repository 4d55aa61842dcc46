"""The table over sockets: a real server has contexts, buffers and endings of its own."""

from functools import cache

import pytest

from parity.cases import CASES
from parity.comparison import differences
from parity.differences import DIFFERENCES
from parity.sides import Run, run
from parity.wanted import explained, matches
from parity.wire import over_uvicorn, without_ports

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

_CASES = {case.name: case for case in CASES if case.on_the_wire}
# The server's own address is no host that a client asks for, and so it differs in every request.
_ALWAYS = ("server* server.address", "server* server.port")

each_case = pytest.mark.parametrize("name", _CASES)


@cache
def served(name: str, side: str) -> Run:
    return run(_CASES[name], side, answering=over_uvicorn)


@each_case
def test_the_client_receives_what_the_bare_application_sends(name):
    assert served(name, "ours").answers == served(name, "bare").answers


@each_case
def test_only_what_is_listed_differs_from_upstream(name):
    upstream, ours = (without_ports(served(name, side).facts) for side in ("upstream", "ours"))
    differs = differences(upstream, ours)
    unlisted = {
        fact: differs[fact]
        for fact, wanted in explained(differs, name, DIFFERENCES)
        if wanted is None and not matches(fact, _ALWAYS)
    }
    assert unlisted == {}


def test_a_good_part_of_the_table_is_asked_over_sockets():
    assert len(_CASES) >= 80
