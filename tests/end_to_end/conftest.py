import pytest
from support.far_side import running_collector


@pytest.fixture
def collector(tmp_path):
    """A real Collector with an empty far side."""
    folder = tmp_path / "far_side"
    folder.mkdir()
    with running_collector(folder) as running:
        yield running
