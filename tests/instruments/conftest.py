"""Telemetry of a test's own, values by attributes, and what was said on stderr."""

import pytest

from otel_distro import notices
from otel_distro.testing.plugin import telemetry

__all__ = ["telemetry"]


@pytest.fixture
def values(telemetry):
    """Returns the values of a metric, by the values of its attributes in the order of their names.

    Of a histogram the value is its count.
    """

    def values(name):
        return {
            tuple(value for _, value in sorted(point.attributes.items())): getattr(
                point, "value", None
            )
            if hasattr(point, "value")
            else point.count
            for point in telemetry.metrics.get(name, ())
        }

    return values


@pytest.fixture
def said(monkeypatch, capsys):
    """Returns the notices since the last call; each key may be said once more in this test."""
    monkeypatch.setattr(notices, "_said", set())
    return lambda: [
        line.removeprefix(notices.PREFIX)
        for line in capsys.readouterr().err.splitlines()
        if line.startswith(notices.PREFIX)
    ]
