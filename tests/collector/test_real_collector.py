"""The real binary: it takes our files, and refuses broken ones in its own words."""

import json
import subprocess

import pytest
from support.instrumented import BIN, clean_environment

from otel_distro import collector

pytestmark = pytest.mark.collector
OVERLAYS = sorted(file.name for file in collector.config_dir().glob("export-*.yaml"))


def blipee_otel(*arguments, **variables):
    return subprocess.run(
        [str(BIN / "blipee-otel"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(**variables),
    )


@pytest.mark.parametrize("role", [["agent.yaml"], ["agent.yaml", "gateway.yaml"]])
@pytest.mark.parametrize("overlay", [None, *OVERLAYS])
def test_every_shipped_configuration_is_valid_and_nothing_in_it_is_deprecated(
    role, overlay, tmp_path
):
    files = role + ([overlay] if overlay else [])
    options = [o for f in files for o in ("--config", collector.config_dir() / f)]
    done = blipee_otel("collector", "validate", *options, BLIPEE_OTELCOL_OUT=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("valid: ")
    assert "deprecat" not in done.stderr.lower()


def test_a_broken_configuration_is_the_collectors_own_message_and_its_exit_code(tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text((collector.config_dir() / "agent.yaml").read_text() + "bananas: 1\n")
    done = blipee_otel("collector", "validate", "--config", broken)
    assert done.returncode == 1
    assert "bananas" in done.stderr
    assert done.stdout == ""
    ran = blipee_otel("collector", "run", "--config", broken)
    assert ran.returncode == 1
    assert "bananas" in ran.stderr


def test_the_path_is_printed_for_people_and_for_machines():
    plain = blipee_otel("collector", "path")
    assert plain.stdout.strip() == str(collector.require())
    machine = blipee_otel("collector", "path", "--json")
    assert json.loads(machine.stdout) == {"path": str(collector.require())}
    assert blipee_otel("collector", "build").stdout == plain.stdout, "built already"


def test_without_a_collector_a_sentence_says_what_to_do(tmp_path):
    done = blipee_otel("collector", "path", XDG_CACHE_HOME=str(tmp_path), OTELCOL_BIN="")
    assert (done.returncode, done.stdout) == (1, "")
    assert "blipee-otel collector build" in done.stderr


def test_wrong_usage_is_exit_code_2():
    assert blipee_otel("collector").returncode == 2
    assert blipee_otel("bananas").returncode == 2


def test_the_binary_is_the_version_of_the_manifest():
    done = subprocess.run(
        [str(collector.require()), "--version"], capture_output=True, text=True, check=True
    )
    assert collector.locate.version() in done.stdout
