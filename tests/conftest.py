"""What every group of tests may use."""

import pytest

from otel_distro import notices


@pytest.fixture
def said(monkeypatch, capsys):
    """Returns the notices since the last call; each key may be said once more in this test."""
    monkeypatch.setattr(notices, "_said", set())
    return lambda: [
        line.removeprefix(notices.PREFIX)
        for line in capsys.readouterr().err.splitlines()
        if line.startswith(notices.PREFIX)
    ]
