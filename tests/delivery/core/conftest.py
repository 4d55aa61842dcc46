"""Engines without threads, and disks that refuse."""

import errno
import os

import pytest
from core_parts import Parts


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


class Disk:
    """A disk that may be full.

    Attributes:
        is_full: Whether new bytes are refused, the first half of them written.
        is_broken: Whether bytes that are there cannot be changed either.
    """

    def __init__(self, monkeypatch):
        self.is_full = False
        self.is_broken = False
        self._pwrite = os.pwrite
        monkeypatch.setattr(os, "pwrite", self._write)

    def _write(self, fd, data, offset):
        if len(data) > 1 and self.is_full:
            if len(data) > 2:
                self._pwrite(fd, data[: len(data) // 2], offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.is_broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self._pwrite(fd, data, offset)
