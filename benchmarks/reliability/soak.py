"""Services and their Collector are killed at random, for minutes; in the end all is counted.

PYTHONPATH=tests python -m benchmarks.reliability.soak [--minutes 10] [--seed 1]

Three services of one name emit numbered records to an agent, which sends them to a counter.
Every few seconds something is ended by SIGKILL or SIGTERM, a service or the agent, and started
again. The counter is only ever stopped by SIGTERM: killing it would lose what it has, and look like
a loss of ours. Exit 0 only if nothing is missing that was emitted more than the window before a
SIGKILL.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from support.far_side import CollectorProcess

from benchmarks.reliability.scenarios import body, emit

_SERVICES = 3
_RATE = 100
# The service's window of 200 ms, on a machine that does five other things.
_WINDOW_S = 0.5
_APART = 10_000_000


@dataclass
class _Service:
    """One of the services: every start of it has numbers of its own."""

    number: int
    starts: int = 0
    process: "subprocess.Popen[str] | None" = None
    # Of each start: the first number, its file of progress, and when it was killed.
    lives: list[tuple[int, Path, float | None]] = field(default_factory=list)

    def start(self, folder: Path, endpoint: str) -> None:
        first = (self.number * 1000 + self.starts) * _APART
        self.starts += 1
        options = ("--seconds", "100000", "--rate", str(_RATE), "--first", str(first))
        emitting = emit(folder, "ours", "steady", endpoint, *options)
        self.process = emitting.process
        self.lives.append((first, emitting.result.with_suffix(".progress"), None))

    def end(self, *, kill: bool) -> None:
        assert self.process is not None
        (self.process.kill if kill else self.process.terminate)()
        first, progress, _ = self.lives[-1]
        if kill:
            self.lives[-1] = first, progress, time.monotonic()
        self.process.communicate(timeout=30)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with CollectorProcess(folder / "counter") as counter:
            agent = CollectorProcess(
                folder / "agent",
                ("agent.yaml", "export-gateway.yaml"),
                BLIPEE_OTELCOL_GATEWAY=counter.grpc.removeprefix("http://"),
            ).start()
            services = [_Service(number) for number in range(1, _SERVICES + 1)]
            for service in services:
                service.start(folder, agent.http)
            ended = _disturb(services, agent, folder, chance, arguments.minutes * 60)
            for service in services:
                service.end(kill=False)
            # What was left by the last of them is delivered by one more.
            last = _Service(_SERVICES + 1)
            last.start(folder, agent.http)
            time.sleep(10)
            last.end(kill=False)
            time.sleep(5)
            agent.stop()
            counter.stop()
            return _judge([*services, last], counter, ended)


def _disturb(
    services: list[_Service],
    agent: CollectorProcess,
    folder: Path,
    chance: random.Random,
    seconds: float,
) -> int:
    ended = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(chance.uniform(1, 8))
        ended += 1
        if chance.random() < 0.4:
            (agent.kill if chance.random() < 0.7 else agent.stop)()
            time.sleep(chance.uniform(0, 12))
            agent.start()
        else:
            service = chance.choice(services)
            service.end(kill=chance.random() < 0.7)
            time.sleep(chance.uniform(0, 3))
            service.start(folder, agent.http)
        if sys.stderr.isatty():
            left = max(0.0, until - time.monotonic())
            sys.stderr.write(f"\r{ended} ended, {left:.0f} s to go \x1b[K")
    return ended


def _judge(services: list[_Service], counter: CollectorProcess, ended: int) -> int:
    spans = [int(one.record["name"]) for one in counter.spans() if one.scope == "bench"]
    logs = [int(text) for one in counter.logs() if (text := body(one)).isdecimal()]
    emitted = missing = within = 0
    arrived = {"spans": set(spans), "log records": set(logs)}
    for service in services:
        for _, progress, killed in service.lives:
            # One that was killed right after its start has emitted nothing.
            lines = progress.read_text().splitlines() if progress.exists() else ()
            for line in lines:
                number, _, at = line.partition(" ")
                if not at:  # torn by a kill
                    continue
                emitted += 1
                for numbers in arrived.values():
                    if int(number) in numbers:
                        continue
                    if killed is not None and killed - float(at) < _WINDOW_S:
                        within += 1
                    else:
                        missing += 1
    doubled = len(spans) + len(logs) - sum(map(len, arrived.values()))
    print(
        f"{ended} times something was ended; {emitted:,} spans and as many log records emitted; "
        f"{missing} lost, {within} within {_WINDOW_S * 1000:.0f} ms of a SIGKILL, {doubled} doubled"
    )
    return 1 if missing or not emitted else 0


if __name__ == "__main__":
    raise SystemExit(main())
