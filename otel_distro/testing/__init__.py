"""A pytest plugin: what the code under test emits, in memory.

    def test_a_run_is_counted(telemetry):
        run_the_agent()
        assert telemetry.point("agents.executions", {"status": "success"}).value == 1
        assert_catalogue(telemetry)

Fixtures: `telemetry`, and `deterministic_telemetry` with ids and times that are the same in every
run. The SDK is imported when one of them is first used.
"""

from otel_distro.testing.declared import assert_catalogue
from otel_distro.testing.fresh import ChangedOpenTelemetryError, forget, reset_providers

__all__ = ["ChangedOpenTelemetryError", "assert_catalogue", "forget", "reset_providers"]
