"""A meter of ours."""

import pytest
from metered import metered


@pytest.fixture
def ours():
    """A meter of ours with one cumulative reader."""
    made = metered()
    assert made.provider._metering is not None
    yield made
    made.provider.shutdown()
