"""What the process may use, as the files of a control group say it."""

import os

import psutil
import pytest

from otel_distro.instrumentation import limits

MB = 1_000_000


def lay(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def version_1(usage, limit, inactive=0):
    return {
        "memory/memory.limit_in_bytes": f"{limit}\n",
        "memory/memory.usage_in_bytes": f"{usage}\n",
        "memory/memory.stat": f"cache 1\ninactive_file 7\ntotal_inactive_file {inactive}\n",
    }


def version_2(usage, limit, inactive=0):
    return {
        "memory.max": f"{limit}\n",
        "memory.current": f"{usage}\n",
        "memory.stat": f"anon 5\ninactive_file {inactive}\nactive_file 3\n",
    }


VERSIONS = pytest.mark.parametrize("version", [version_1, version_2])


@VERSIONS
@pytest.mark.parametrize(
    ("usage", "inactive", "share"),
    [
        (50 * MB, 0, 0.25),
        (50 * MB, 10 * MB, 0.2),  # what the kernel gives back by itself is not in use
        (200 * MB, 0, 1),
        (210 * MB, 0, 1),  # the kernel lets it pass for a moment
        (50 * MB, 60 * MB, 0),
    ],
)
def test_memory_in_use_is_of_the_limit(version, usage, inactive, share, tmp_path):
    root = lay(tmp_path, version(usage, 200 * MB, inactive))
    assert limits.memory_utilization(root) == pytest.approx(share)


HOST = 0.625
WITHOUT_LIMIT = {
    "no control group": {},
    "version 2": version_2(50 * MB, "max"),
    "version 1": version_1(50 * MB, 2**63 - 4096),
    "version 1, as 32-bit counters had it": version_1(50 * MB, 2**60),
    "unreadable": version_2(50 * MB, "lots"),
    "empty": {"memory.max": "", "memory.current": ""},
    "no usage": {"memory.max": "1000"},
    "negative": version_1(50 * MB, -1),
}


@pytest.mark.parametrize("files", WITHOUT_LIMIT.values(), ids=WITHOUT_LIMIT)
def test_without_a_limit_memory_in_use_is_of_the_host(files, tmp_path, monkeypatch):
    class Host:
        percent = HOST * 100

    monkeypatch.setattr(psutil, "virtual_memory", Host)
    assert limits.memory_utilization(lay(tmp_path, files)) == HOST


@pytest.mark.parametrize(
    ("files", "processors"),
    [
        ({}, 4),
        ({"cpu.max": "max 100000\n"}, 4),
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "250000 100000\n"}, 2.5),
        ({"cpu.max": "900000 100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "150000\n"}, 4),
    ],
)
def test_processors_are_those_of_the_quota_and_of_the_machine(
    files, processors, tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 5, 7})
    assert limits.processors(lay(tmp_path, files)) == processors


def test_where_no_process_is_bound_processors_are_all(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert limits.processors(tmp_path) == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert limits.processors(tmp_path) == 1


def test_the_real_control_group_gives_sensible_numbers():
    assert 0 < limits.memory_utilization() <= 1
    assert 0 < limits.processors() <= len(os.sched_getaffinity(0))
