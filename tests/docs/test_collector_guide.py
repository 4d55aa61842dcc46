"""The guide to the Collector: its commands run as they stand, but for ports that may be taken."""

import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from support.far_side import wait_until_serving
from support.instrumented import clean_environment
from support.ports import free_ports

from otel_distro import collector

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "collector.md").read_text()
BLOCKS = re.findall(r"<!-- executed by tests/docs -->\n```sh\n(.*?)```", GUIDE, re.DOTALL)
PORTS = {"GRPC": "4317", "HTTP": "4318", "HEALTH": "13133", "METRICS": "8888"}
OF_THE_GATEWAY = ("14317", "14318", "23133", "18888")


@pytest.fixture
def shell(tmp_path):
    """Returns what runs a block of the guide, where there is nothing but the configuration."""
    (tmp_path / "collector-config").symlink_to(ROOT / "collector-config")
    written = [*PORTS.values(), *OF_THE_GATEWAY]
    ports = dict(zip(written, map(str, free_ports(len(written))), strict=True))
    variables = {f"BLIPEE_OTELCOL_{name}_PORT": ports[port] for name, port in PORTS.items()}

    def run(block):
        return subprocess.Popen(
            ["bash", "-e", "-c", re.sub(r"\b\d+\b", lambda n: ports.get(n[0], n[0]), block)],
            cwd=tmp_path,
            env=clean_environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @contextmanager
    def running(block, health):
        with (process := run(block)):
            try:
                wait_until_serving(f"http://127.0.0.1:{ports[health]}/", process)
                yield
            finally:
                os.killpg(process.pid, signal.SIGKILL)

    return run, running


@pytest.mark.collector
def test_its_commands_do_what_it_says(shell, tmp_path):
    run, running = shell
    assert len(BLOCKS) == GUIDE.count("```sh"), "each block is executed"
    gateway, agent, ask, check = BLOCKS
    with running(gateway, "23133"):
        with running(agent, "13133"):
            output, _ = (asked := run(ask)).communicate(timeout=20)
            assert asked.returncode == 0, output
            assert 'otelcol_exporter_queue_capacity{data_type="logs"' in output
        # Killed with -9 as it says, perhaps before it had sent the record.
        checked = run(f"export BLIPEE_OTELCOL_STORAGE=agent-queue\n{check}")
        assert checked.communicate(timeout=20) == ("", None)
        assert checked.returncode == 0
        with running(agent, "13133"):
            arrived = tmp_path / "far-side" / "logs.jsonl"
            deadline = time.monotonic() + 20
            while not (arrived.exists() and "hello" in arrived.read_text()):
                assert time.monotonic() < deadline
                time.sleep(0.1)


def test_its_tables_name_what_there_is():
    config = collector.config_dir()
    named = set(re.findall(r"^\| `([\w-]+\.yaml)` \|", GUIDE, re.MULTILINE))
    assert named == {file.name for file in config.glob("*.yaml")} - {"builder.yaml"}
    rules = yaml.safe_load((config / "alerts-collector.yaml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert set(re.findall(r"^\| `(Collector\w+)`", GUIDE, re.MULTILINE)) == alerts


def test_its_variables_and_defaults_are_those_of_the_files():
    text = "".join(file.read_text() for file in collector.config_dir().glob("*.yaml"))
    rows = re.findall(r"^\| `(BLIPEE_OTELCOL_\w+)` \| `?([\w/]+)", GUIDE, re.MULTILINE)
    assert len(rows) == 4
    for variable, default in rows:
        assert f"${{env:{variable}:-{default}}}" in text
    for variable in re.findall(r"BLIPEE_OTELCOL_\w+", GUIDE):
        assert f"${{env:{variable}" in text
