"""What is damaged is put aside, what is whole or in use is left alone, and no damage is a crash."""

import fcntl
import json
import os
import shutil
import urllib.request
from random import Random

import pytest
from support.far_side import CollectorProcess
from support.instrumented import run_python

from otel_distro import collector
from otel_distro.collector.queue_files import damage_of, put_aside_damaged

pytestmark = pytest.mark.collector
LOGS = "exporter_otlp_grpc_gateway_logs"


def send(one, size, records):
    log = {"body": {"stringValue": "x" * size}}
    document = {"resourceLogs": [{"scopeLogs": [{"logRecords": [log] * records}]}]}
    request = urllib.request.Request(
        f"{one.http}/v1/logs", json.dumps(document).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A real queue, as a killed agent leaves it: with small and large, and some hundred pages."""
    folder = tmp_path_factory.mktemp("agent")
    nowhere = {"BLIPEE_OTELCOL_GATEWAY": "127.0.0.1:1"}
    agent = CollectorProcess(folder, ("agent.yaml", "export-gateway.yaml"), **nowhere)
    sizes = Random(7)  # noqa: S311 - no secret
    with agent:
        for _ in range(500):
            send(agent, sizes.choice((1, 300, 5000)), sizes.randrange(1, 20))
        assert damage_of(agent.storage / LOGS) is None, "it is in use"
        agent.kill()
    return agent.storage


@pytest.fixture
def queue(written, tmp_path):
    return shutil.copytree(written, tmp_path / "queue") / LOGS


def test_whole_queues_are_left_alone(queue):
    names = {file.name for file in queue.parent.iterdir()}
    assert put_aside_damaged(queue.parent) == []
    assert {file.name for file in queue.parent.iterdir()} == names
    assert LOGS in names


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_file_or_folder_is_a_new_queue(queue, content):
    queue.unlink()
    if content is not None:
        queue.write_bytes(content)
    assert put_aside_damaged(queue.parent) == []
    assert put_aside_damaged(queue.parent / "nowhere") == []


def pages(queue, at, content):
    with queue.open("r+b") as opened:
        opened.seek(at)
        opened.write(content)


DAMAGE = {
    "text": (lambda queue: queue.write_text("hello\n"), "has no valid start"),
    "garbage": (lambda queue: pages(queue, 0, b"\xa5" * 100_000), "has no valid start"),
    "no start": (lambda queue: pages(queue, 0, bytes(8192)), "has no valid start"),
    "a bit of both starts": (
        lambda queue: [pages(queue, page + 40, b"\xff") for page in (0, 4096)],
        "has no valid start",
    ),
    "no pages": (lambda queue: pages(queue, 8192, bytes(500_000)), "is something else"),
    "cut off": (lambda queue: os.truncate(queue, 20_480), "is cut off: 20480 bytes"),
    "a folder": (lambda queue: (queue.unlink(), queue.mkdir()), "is not a file"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_damaged_queues_are_put_aside_once(queue, damage, said):
    damage(queue)
    (moved,) = put_aside_damaged(queue.parent)
    assert said in moved.damage
    assert moved.file == queue
    assert moved.now.exists()
    assert not queue.exists()
    assert put_aside_damaged(queue.parent) == []


def test_one_start_of_two_is_enough(queue):
    pages(queue, 0, bytes(4096))
    assert damage_of(queue) is None


def test_what_a_collector_has_open_is_left_alone(queue):
    queue.write_text("being written")
    with queue.open("rb") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        assert put_aside_damaged(queue.parent) == []
    assert len(put_aside_damaged(queue.parent)) == 1


def test_no_damage_ends_in_a_crash(queue):
    whole = queue.read_bytes()
    used = queue.stat().st_blocks * 512
    for seed in range(100):
        chance = Random(seed)  # noqa: S311 - no secret
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 10, 100))):
            # In the heads of pages, where it hurts, as often as anywhere.
            page = 4096 * chance.randrange(used // 4096)
            at = page + chance.randrange(chance.choice((64, 4096)))
            damaged[at] = chance.randrange(256)
        queue.write_bytes(damaged[: chance.choice((len(whole), chance.randrange(1, used)))])
        damage = damage_of(queue)
        assert damage is None or isinstance(damage, str)


def command(folder, *arguments):
    code = f"import sys; from otel_distro.cli.main import main; sys.exit(main({list(arguments)}))"
    return run_python(code, instrumented=False, BLIPEE_OTELCOL_STORAGE=str(folder))


def test_the_command_says_what_it_puts_aside(queue):
    assert command(queue.parent, "collector", "check-queue").stderr == ""
    queue.write_text("hello\n")
    done = command(queue.parent, "collector", "check-queue")
    (aside,) = queue.parent.glob("*.damaged-*")
    assert done.returncode == 0
    assert done.stderr == (
        f"blipee-otel: {queue} has no valid start; it is now {aside.name}, "
        "and what it held is not delivered\n"
    )


def test_a_folder_that_cannot_be_read_is_a_sentence(monkeypatch, tmp_path):
    def denied(_folder):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setitem(collector.check_queues.__globals__, "put_aside_damaged", denied)
    with pytest.raises(collector.CollectorError, match="BLIPEE_OTELCOL_STORAGE"):
        collector.check_queues()


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"BLIPEE_OTELCOL_STORAGE": "{tmp}/here"}, "here"),
        ({"XDG_STATE_HOME": "{tmp}/state"}, "state/blipee-otel/collector-queue"),
        ({"HOME": "{tmp}", "XDG_STATE_HOME": ""}, ".local/state/blipee-otel/collector-queue"),
    ],
)
def test_where_queues_are_kept(tmp_path, monkeypatch, variables, folder):
    monkeypatch.delenv("BLIPEE_OTELCOL_STORAGE", raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text.format(tmp=tmp_path))
    assert collector.storage_dir() == tmp_path / folder
