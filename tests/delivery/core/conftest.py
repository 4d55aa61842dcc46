"""Engines without threads, and disks that refuse."""

import pytest
from core_parts import Disk, Parts


@pytest.fixture
def parts(tmp_path):
    """Makes engines on one folder; whatever they opened is closed at the end."""
    made = []

    def make(root=tmp_path / "spool", **more):
        made.append(Parts(root, **more))
        return made[-1]

    yield make
    for one in made:
        one.engine.abandon()


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)
