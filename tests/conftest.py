"""What every group of tests may use."""

import itertools
import os
import tempfile

import pytest

from otel_distro import notices

# Where processes under test keep what they could not deliver: not where the developer's do.
_state = tempfile.TemporaryDirectory(
    prefix="blipee-otel-tests-",
    ignore_cleanup_errors=True,  # a process that outlived its test may still write
)
_numbers = itertools.count()
os.environ["XDG_STATE_HOME"] = _state.name


@pytest.fixture(autouse=True)
def _own_state():
    """What one test leaves in the spool is not for another one's processes to deliver."""
    # Not by the test's own `monkeypatch`, which would then be undone after all other fixtures.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", f"{_state.name}/{next(_numbers)}")
        yield


@pytest.fixture
def said(monkeypatch, capsys):
    """Returns the notices since the last call; each key may be said once more in this test."""
    monkeypatch.setattr(notices, "_said", set())
    return lambda: [
        line.removeprefix(notices.PREFIX)
        for line in capsys.readouterr().err.splitlines()
        if line.startswith(notices.PREFIX)
    ]
