"""Collectors that are killed, cut off, or left without a disk: what they accepted arrives.

Ids are unique; a record counts as accepted when the agent answered 200, and as arrived when it is
in the files of the counter: a Collector that is only ever ended by SIGTERM, since killing it would
lose what it took and look like a loss of the sender.
"""

import json
import os
import re
import resource
import subprocess
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.far_side import CollectorProcess, attributes
from support.instrumented import BIN

pytestmark = pytest.mark.collector

AGENT = ("agent.yaml", "export-gateway.yaml")
GATEWAY = ("agent.yaml", "gateway.yaml", "export-gateway.yaml")
SIGNALS = ("traces", "metrics", "logs")
RECORDS = 20
# Ten minutes and their pauses in some seconds, hundreds of megabytes in some.
SOON = """
extensions:
  file_storage:
    compaction:
      rebound_needed_threshold_mib: 2
      rebound_trigger_threshold_mib: 1
      check_interval: 500ms
exporters:
  otlp_grpc/gateway:
    sending_queue: {batch: {flush_timeout: 100ms}}
    retry_on_failure: {initial_interval: 100ms, max_interval: 300ms}
"""
numbers = count()


@dataclass
class Sender:
    """Sends records of all three signals, and remembers which of them were accepted."""

    to: str
    accepted: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)

    def send(self, signal: str, padding: int = 200, records: int = RECORDS) -> bool:
        ids = [f"{signal}-{next(numbers)}" for _ in range(records)]
        request = urllib.request.Request(
            f"{self.to}/v1/{signal}",
            json.dumps(document(signal, ids, "x" * padding)).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                code, text = answer.status, ""
        except urllib.error.HTTPError as error:
            code, text = error.code, f" {json.load(error)['message'].split(': ')[-1]}"
        except (OSError, HTTPException):
            code, text = 0, " no answer"
        self.answers[f"{code}{text}"] += 1
        if code == 200:
            self.accepted.update(ids)
        return code == 200

    def fill(self) -> None:
        """Send until all signals are refused."""
        for _ in range(3000):
            if not self.send_each(padding=500):
                return
            assert "0 no answer" not in self.answers, "it refuses at once"
        raise AssertionError("it never refused")

    def send_each(self, padding: int = 200) -> int:
        """Send a request of each signal, and return how many were accepted."""
        return sum([self.send(signal, padding) for signal in SIGNALS])

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send all the time, from two threads."""
        done = threading.Event()

        def send() -> None:
            while not done.wait(0.005):
                self.send_each()

        threads = [threading.Thread(target=send) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            done.set()
            for thread in threads:
                thread.join()


def document(signal: str, ids: list[str], padding: str) -> dict[str, object]:
    marks = [[{"key": "id", "value": {"stringValue": one}}] for one in ids]
    if signal == "logs":
        logs = [{"attributes": mark, "body": {"stringValue": padding}} for mark in marks]
        return {"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]}
    if signal == "metrics":
        metrics = [
            {
                "name": "m",
                "description": padding,
                "gauge": {"dataPoints": [{"attributes": mark, "asInt": "1"}]},
            }
            for mark in marks
        ]
        return {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    spans = [
        {
            "traceId": os.urandom(16).hex(),
            "spanId": os.urandom(8).hex(),
            "name": padding,
            "attributes": mark,
        }
        for mark in marks
    ]
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


def arrived(counter: CollectorProcess) -> Counter[str]:
    points = [p for m in counter.metrics() for p in m.record["gauge"]["dataPoints"]]
    return Counter(
        [one.attributes["id"] for one in [*counter.spans(), *counter.logs()]]
        + [attributes(point)["id"] for point in points]
    )


def judge(sender: Sender, counter: CollectorProcess, seconds: float = 30) -> Counter[str]:
    """Wait for all that was accepted, stop the counter, and return what arrived more than once."""
    counter.wait_for(lambda: sender.accepted <= arrived(counter).keys(), seconds)
    counter.stop()
    there = arrived(counter)
    again = there - Counter(there.keys())
    print(
        f"accepted {len(sender.accepted)}, arrived {len(there)}, lost "
        f"{len(sender.accepted - there.keys())}, doubled {again.total()}; {dict(sender.answers)}"
    )
    assert sender.accepted <= there.keys()
    assert sender.accepted
    return again


@pytest.fixture
def chain(tmp_path):
    """Start nothing yet: functions that make Collectors, each sending to the one given."""
    soon = tmp_path / "soon.yaml"
    soon.write_text(SOON)
    made = []

    def make(name, to=None, configs=AGENT, queue=50_000_000, **options):
        if to is None:
            one = CollectorProcess(tmp_path / name, **options)
        else:
            one = CollectorProcess(
                tmp_path / name,
                (*configs, soon),
                **{
                    "BLIPEE_OTELCOL_GATEWAY": urlsplit(to.grpc).netloc,
                    "BLIPEE_OTELCOL_QUEUE_BYTES": str(queue),
                    # No power fails here; a shared disk's fsync would be what is measured.
                    "BLIPEE_OTELCOL_FSYNC": "false",
                    **options,
                },
            )
        made.append(one)
        return one

    yield make
    for one in made:
        one.kill()


def seconds_pass(seconds: float) -> None:
    threading.Event().wait(seconds)


def test_a_gateway_killed_under_load_loses_nothing(chain):
    counter = chain("counter").start()
    gateway = chain("gateway", to=counter, configs=GATEWAY).start()
    agent = chain("agent", to=gateway).start()
    sender = Sender(agent.http)
    with sender.sending():
        seconds_pass(1.5)
        gateway.kill()
        seconds_pass(2.5)
        gateway.start()
        seconds_pass(1)
    assert set(sender.answers) == {"200"}, "the agent takes all the while"
    judge(sender, counter)


@pytest.mark.parametrize("who", ["agent", "gateway"])
def test_killed_again_and_again_under_load_it_loses_nothing(chain, who):
    counter = chain("counter").start()
    gateway = chain("gateway", to=counter, configs=GATEWAY).start()
    agent = chain("agent", to=gateway).start()
    killed = {"agent": agent, "gateway": gateway}[who]
    sender = Sender(agent.http)
    with sender.sending():
        for _ in range(3):
            seconds_pass(0.7)
            killed.kill()
            killed.start()
    assert ("0 no answer" in sender.answers) == (killed is agent)
    judge(sender, counter)


def test_a_backend_that_is_away_longer_than_the_gateway_lives_loses_nothing(chain):
    counter = chain("counter")
    gateway = chain("gateway", to=counter, configs=GATEWAY).start()
    agent = chain("agent", to=gateway).start()
    sender = Sender(agent.http)
    with sender.sending():
        seconds_pass(1.5)
        gateway.stop()
        seconds_pass(0.5)
        gateway.start()
        seconds_pass(1.5)
        counter.start()
        seconds_pass(0.5)
    judge(sender, counter)


def test_a_full_queue_refuses_and_outlives_the_death_of_the_agent(chain):
    counter = chain("counter")
    agent = chain("agent", to=counter, queue=3_000_000).start()
    sender = Sender(agent.http)
    sender.fill()
    assert set(sender.answers) == {"200", "503 sending queue is full"}
    agent.kill()
    counter.start()
    agent.start()
    # Once more, in the middle of what it delivers now.
    agent.wait_for(lambda: arrived(counter))
    agent.kill()
    agent.start()
    judge(sender, counter)


def test_a_full_queue_outlives_an_orderly_stop(chain):
    counter = chain("counter")
    agent = chain("agent", to=counter, queue=3_000_000).start()
    sender = Sender(agent.http)
    sender.fill()
    agent.stop()
    counter.start()
    agent.start()
    assert judge(sender, counter) == Counter()


@contextmanager
def a_disk(kind: str, agent: CollectorProcess, mebibytes: int) -> Iterator[None]:
    """Start an agent whose storage is small: a file system of its own, or a bound for each file."""
    agent.storage.mkdir(parents=True)
    if kind == "bound of files":
        agent.start()
        bound = mebibytes * 2**20
        resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (bound, bound))
        yield
        return
    where = [f"size={mebibytes}m", "tmpfs", str(agent.storage)]
    if subprocess.run(["mount", "-t", "tmpfs", "-o", *where], check=False).returncode:
        pytest.skip("nothing may be mounted here; the bound of files stands for it")
    try:
        agent.start()
        yield
        agent.stop()
    finally:
        subprocess.run(["umount", "-l", str(agent.storage)], check=True)


def own(collector: CollectorProcess) -> str:
    with urllib.request.urlopen(collector.own_metrics, timeout=5) as answer:
        return answer.read().decode()


every_disk = pytest.mark.parametrize("kind", ["file system", "bound of files"])


@every_disk
def test_a_disk_that_holds_what_the_queues_may_hold_is_never_full(chain, kind):
    counter = chain("counter")
    agent = chain("agent", to=counter, queue=3_000_000)
    sender = Sender(agent.http)
    with a_disk(kind, agent, 16):  # three queues, half as much again
        sender.fill()
        assert set(sender.answers) == {"200", "503 sending queue is full"}
        counter.start()
        judge(sender, counter)


@every_disk
def test_a_full_disk_refuses_and_what_it_loses_is_in_the_log(chain, kind):
    """What the Collector (0.159) can't mark as being sent, for want of room, it drops.

    That is its own, and no setting prevents it but a disk that holds the queues, as above.
    """
    counter = chain("counter")
    agent = chain("agent", to=counter)
    sender = Sender(agent.http)
    with a_disk(kind, agent, 8 if kind == "file system" else 1):
        sender.fill()
        words = {"200", "503 no space left on device", "503 file too large"}
        assert {"200"} < set(sender.answers) < words
        counter.start()
        agent.wait_for(lambda: sender.send_each() == len(SIGNALS))
        agent.wait_for(lambda: len(re.findall(r"in_flight_requests\{.*\} 0\n", own(agent))) == 3)
    agent.stop()
    counter.stop()
    lost = sender.accepted - arrived(counter).keys()
    print(f"accepted {len(sender.accepted)}, lost {len(lost)}; {dict(sender.answers)}")
    assert len(lost) < len(sender.accepted) / 2
    assert not lost or "Error deleting item from queue" in agent.log.read_text()


def through_the_command(configs):
    options = [word for config in configs for word in ("--config", str(config))]
    return [str(BIN / "blipee-otel"), "collector", "run", *options]


def overwrite(file: Path, at: int, size: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(b"\xa5" * size)


DAMAGE = {
    "all of it": lambda file: overwrite(file, 0, file.stat().st_size),
    "its pages": lambda file: overwrite(file, 8192, file.stat().st_size - 8192),
    "its end": lambda file: os.truncate(file, 5 * 4096),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_queue_is_put_aside_and_the_rest_goes_on(chain, damage):
    counter = chain("counter")
    agent = chain("agent", to=counter, command=through_the_command).start()
    before, lost, after = Sender(agent.http), Sender(agent.http), Sender(agent.http)
    for _ in range(20):
        lost.send("logs")
        before.send("traces")
    agent.kill()
    damage(agent.storage / "exporter_otlp_grpc_gateway_logs")
    counter.start()
    agent.start()
    said = [line for line in agent.log.read_text().splitlines() if line.startswith("blipee-otel")]
    assert len(said) == 1
    assert "exporter_otlp_grpc_gateway_logs" in said[0]
    aside = list(agent.storage.glob("exporter_otlp_grpc_gateway_logs.damaged-*"))
    assert len(aside) == 1
    assert aside[0].name in said[0]
    assert after.send_each() == len(SIGNALS)
    after.accepted |= before.accepted
    judge(after, counter)
    assert not lost.accepted & arrived(counter).keys(), "else nothing was damaged"


def test_short_of_memory_it_refuses_and_lives(chain):
    counter = chain("counter").start()
    agent = chain("agent", to=counter, BLIPEE_OTELCOL_MEMORY_MIB="10").start()
    sender = Sender(agent.http)
    agent.wait_for(lambda: sender.send_each() == 0)
    assert "503 data refused due to high memory usage" in sender.answers
    assert agent.process.poll() is None


def test_one_giant_record_passes_whole(chain):
    counter = chain("counter", BLIPEE_OTELCOL_MEMORY_MIB="1024").start()
    gateway = chain("gateway", to=counter, configs=GATEWAY).start()
    agent = chain("agent", to=gateway).start()
    sender = Sender(agent.http)
    for size in (5_000_000, 20_900_000):
        assert sender.send("logs", padding=size, records=1)
        sender.send("logs")
    judge(sender, counter)
