"""Telemetry of a test's own, values by attributes, and what was said on stderr."""

import pytest

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
