"""The documentation says what is so: its commands are run, its paths exist, its names are real."""

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from support.far_side import running_collector
from support.instrumented import BIN, serving
from support.ports import free_ports

from otel_distro.settings import names

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "docs" / "settings.md").read_text()


def block(language, after):
    """Return the first code block of a language after a phrase."""
    found = re.search(rf"{re.escape(after)}.*?```{language}\n(.*?)```", README, re.DOTALL)
    assert found, f"no {language} block after {after!r}"
    return found[1]


@pytest.fixture(scope="module")
def a_users_environment(tmp_path_factory):
    """A new environment with what the first of the three lines installs, from a built wheel."""
    folder = tmp_path_factory.mktemp("user")
    install = block("sh", "executed by tests/docs").strip().splitlines()[0]
    assert install.startswith("pip install path/to/this/checkout ")
    uv(["build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)])
    (wheel,) = folder.glob("*.whl")
    uv(["venv", "--quiet", "--python", sys.executable, str(folder / "venv")])
    others = install.split()[3:]
    python = str(folder / "venv" / "bin" / "python")
    constraints = ["-c", str(ROOT / "constraints.txt")]
    uv(["pip", "install", "--quiet", "--python", python, *constraints, str(wheel), *others])
    return folder / "venv" / "bin"


def uv(arguments):
    subprocess.run([str(BIN / "uv"), *arguments], check=True)


@pytest.mark.collector
def test_the_three_lines_instrument_the_application_of_the_readme(a_users_environment, tmp_path):
    (tmp_path / "app.py").write_text(block("python", "Instrument your own application"))
    _, export, run = block("sh", "executed by tests/docs").strip().splitlines()
    variables = dict(word.split("=", 1) for word in export.removeprefix("export ").split())
    program, *command = run.split()
    assert program == "opentelemetry-instrument"
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with running_collector(tmp_path) as collector:
        assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://localhost:4318"
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.http
        variables["PATH"] = f"{a_users_environment}{os.pathsep}{os.environ['PATH']}"
        command = [*command, "--port", str(port)]
        with serving(command, f"{url}/docs", tmp_path, variables, tools=a_users_environment):
            urllib.request.urlopen(f"{url}/hello/you", timeout=10).close()
        collector.wait_for(
            lambda: (
                collector.spans()
                and any("Finished server" in str(log.record["body"]) for log in collector.logs())
                and collector.metrics()
            )
        )
        spans = {span.record["name"]: span for span in collector.spans()}
        span = spans["GET /hello/{name}"]
        assert span.resource["service.name"] == "greeter-api"
        for scope in ("greeter", "uvicorn.access"):
            assert span.record["traceId"] in {
                log.record.get("traceId") for log in collector.logs() if log.scope == scope
            }
        measured = {metric.record["name"] for metric in collector.metrics()}
        assert "http.server.request.duration" in measured


SHOW_CONFIGURATION = """
from otel_distro.collector import config_dir
print(*sorted(path.name for path in config_dir().iterdir()))
"""


def test_the_wheel_brings_the_collectors_configuration(a_users_environment):
    done = subprocess.run(
        [str(a_users_environment / "python"), "-c", SHOW_CONFIGURATION],
        capture_output=True,
        text=True,
        check=True,
    )
    shipped = sorted(path.name for path in (ROOT / "collector-config").iterdir())
    assert done.stdout.split() == shipped


def test_the_transcript_is_of_the_demo_as_it_is():
    transcript = block("text", "<!-- transcript")
    rows = re.findall(r"^│ (\w+) +│" + 5 * r" +(\d+) │" + "$", transcript, re.MULTILINE)
    assert [row[0] for row in rows] == ["api", "agents", "ml", "database"]
    assert all(int(cell) > 0 for row in rows for cell in row[1:])
    source = (ROOT / "examples" / "demo" / "summary.py").read_text()
    headings = re.search(r"┃ service +┃(.*)┃", transcript)[1].split("┃")
    for heading in headings:
        assert f'"{heading.strip()}"' in source
    for words in (" spans, metrics and logs of all four services arrived", "look further: "):
        assert words in transcript
        assert words in (ROOT / "examples" / "demo" / "__main__.py").read_text()


PAGES = [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")]
OURS = r"`((?:otel_distro|examples|docs|tests|deploy|collector-config)/[^`* ]*)`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_exists(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    for link in links:
        assert (page.parent / link).exists(), f"{page.name} links to {link}"
    for path in re.findall(OURS, text):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


def test_make_says_what_the_readme_says():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    said = set(re.findall(r"\bmake ([a-z]+)\b", README))
    assert said <= targets
    assert (ROOT / ".ci" / "run").read_text().count("make test") == 1


def every_setting():
    for value in vars(names).values():
        if isinstance(value, str) and re.fullmatch(r"(OTEL|BLIPEE_OTEL|APP)_[A-Z_]*[A-Z]", value):
            yield value
    yield from names.LIMITS
    yield from names.EXPORTERS.values()
    for prefix in names.BATCHES.values():
        for setting in ("SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE"):
            yield f"{prefix}_{setting}"


@pytest.mark.parametrize("name", sorted(set(every_setting()) - {names.OTLP_PREFIX}))
def test_every_setting_is_documented(name):
    assert f"`{name}`" in SETTINGS


def test_every_documented_variable_is_one_that_we_read():
    known = set(every_setting())
    for name in re.findall(r"`((?:OTEL|BLIPEE_OTEL)_[A-Z_]*[A-Z])`", SETTINGS):
        assert name in known or name.startswith(names.OTLP_PREFIX) or name.endswith("BATCH_SIZE"), (
            name
        )
