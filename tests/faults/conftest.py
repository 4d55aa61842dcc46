"""What the tests of delivery under faults share."""

import os

import pytest
from support.emitting import Emitter
from support.scenarios import Happenings, service_of

from otel_distro.delivery import Endpoint, SpoolSettings


@pytest.fixture
def emitter_to(tmp_path, monkeypatch):
    """Opens pipelines with one spool, not through any proxy; at the end their ledgers add up."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    opened = []

    def emitter_to(url, protocol="http/protobuf", *, max_mib=16, settings=None, **endpoint):
        opened.append(
            Emitter(
                Endpoint(url=url, protocol=protocol, **{"timeout_s": 1.0, **endpoint}),
                **{
                    "spool": SpoolSettings(
                        root=tmp_path / "spool", service="emitting", max_bytes=max_mib * 2**20
                    ),
                    **(settings or {}),
                },
            )
        )
        return opened[-1]

    yield emitter_to
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def happenings(request, tmp_path_factory):
    """Starts what the tests of a module need, several at a time."""
    yield from Happenings(request, tmp_path_factory.mktemp("happenings"))


@pytest.fixture
def happened(request, happenings):
    """What the process of this test did."""
    return happenings.futures[request.node.name].result()


@pytest.fixture
def arrived(request, happenings):
    """What arrived of it at the far side."""
    return happenings.arrived(service_of(request.node.name))
