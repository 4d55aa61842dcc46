"""Which Collector is used."""

import pytest

from otel_distro import collector
from otel_distro.collector import locate


@pytest.fixture(autouse=True)
def an_empty_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("OTELCOL_BIN", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def a_program(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_nothing_is_found_where_nothing_is():
    assert collector.find() is None
    with pytest.raises(collector.CollectorError, match="blipee-otel collector build"):
        collector.require()


def test_the_cached_build_is_found():
    built = a_program(locate.cached_binary())
    assert collector.find() == built


def test_the_variable_wins_over_the_cache(monkeypatch, tmp_path):
    a_program(locate.cached_binary())
    chosen = a_program(tmp_path / "otelcol")
    monkeypatch.setenv("OTELCOL_BIN", str(chosen))
    assert collector.find() == chosen


def test_a_variable_that_names_no_program_is_an_error_that_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("OTELCOL_BIN", str(tmp_path / "nothing"))
    with pytest.raises(collector.CollectorError, match=r"OTELCOL_BIN=.*nothing is not a program"):
        collector.find()


def test_another_manifest_is_another_build(monkeypatch, tmp_path):
    before = locate.cache_dir()
    changed = tmp_path / "builder.yaml"
    changed.write_text(locate.manifest().read_text() + "# one more component\n")
    monkeypatch.setattr(locate, "manifest", lambda: changed)
    assert locate.cache_dir() != before


def test_the_cache_says_the_version_that_is_built():
    assert f"otelcol-{locate.version()}-" in locate.cache_dir().name
