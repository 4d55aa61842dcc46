"""The fixtures. Light to import: pytest does it at every start.

PYTEST_DONT_REWRITE: where this was imported before pytest starts, it warns otherwise, which stops
a suite that makes errors of warnings.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_distro.testing.capture import CapturedTelemetry


@pytest.fixture
def telemetry() -> "Iterator[CapturedTelemetry]":
    """Spans, metrics and logs of this test, from the global providers.

    What an earlier test emitted, or left behind, is not in it. Afterwards the providers from
    before are back.
    """
    from otel_distro.testing.capture import capturing

    with capturing() as captured:
        yield captured


@pytest.fixture
def deterministic_telemetry(telemetry: "CapturedTelemetry") -> "CapturedTelemetry":
    """As `telemetry`, with ids that count from 1 and times that step from 2026-01-01 by 1 ms.

    For all tests of a project: `usefixtures = ["deterministic_telemetry"]` in pytest's options.
    """
    telemetry.make_deterministic()
    return telemetry
