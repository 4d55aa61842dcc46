"""Lives of processes, many at the same time, and what arrived of each at the far side.

    def killed(ground):
        running = ground.start("prepare(); emit(*range(100)); say('ready'); time.sleep(60)")
        running.wait_for("ready")
        running.send(signal.SIGKILL)
        ended = running.end()
        ground.deliver()
        return ended

    @of(killed)
    def test_a_promise(happened, arrived):
        assert happened.code == -signal.SIGKILL
        assert arrived.spans == dict.fromkeys(..., 1)

All scenarios of a module run before its first test: then the Collector is stopped, which writes
what it has accepted, and its files are read once. A scenario's parameters are its test's.
"""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.far_side import CollectorProcess, attributes
from support.instrumented import BIN, clean_environment
from support.ports import free_ports

TESTS = Path(__file__).parents[1]
PREFIX = "blipee-otel: "
AT_ONCE = 4

# What programs begin with: `prepare` configures telemetry, `emit` records a span, a log record and
# an addition to a counter for each id.
PRELUDE = textwrap.dedent("""
    import atexit, gc, logging, os, signal, sys, threading, time

    def prepare():
        global telemetry, tracer, log, counter
        import otel_distro
        telemetry = otel_distro.configure(instrument=False)
        from opentelemetry import metrics, trace
        tracer = trace.get_tracer("app")
        log = logging.getLogger("app")
        log.setLevel(logging.INFO)
        counter = metrics.get_meter("app").create_counter("emitted")

    def emit(*ids):
        for one in ids:
            tracer.start_span("work", attributes={"id": str(one)}).end()
            log.info("worked", extra={"id": str(one)})
            counter.add(1)

    def say(*words):
        print(*words, flush=True)
""")


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: Its exit code, as `subprocess` has it.
        seconds: From the last signal that it was sent, or from what was last waited for.
        said: Lines of ours on stderr.
    """

    code: int
    out: str
    err: str
    seconds: float

    @property
    def said(self) -> list[str]:
        lines = self.err.splitlines()
        return [line.removeprefix(PREFIX) for line in lines if line.startswith(PREFIX)]


@dataclass
class Running:
    """A process that runs."""

    process: "subprocess.Popen[bytes]"
    out: Path
    err: Path
    since: float = field(default_factory=time.monotonic)

    def wait_for(self, word: str, seconds: float = 40) -> None:
        """Wait until it has said a word on stdout."""
        until = time.monotonic() + seconds
        while word not in self.out.read_text():
            assert self.process.poll() is None, self.err.read_text()[-3000:]
            assert time.monotonic() < until, f"not {word!r}: {self.err.read_text()[-3000:]}"
            time.sleep(0.02)
        self.since = time.monotonic()

    def send(self, number: int) -> None:
        """Send it a signal."""
        self.since = time.monotonic()
        self.process.send_signal(number)

    def end(self, seconds: float = 40) -> Ended:
        """Wait for its end."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            # Says where it is, if it was asked to.
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise AssertionError(self.err.read_text()[-6000:]) from None
        took = time.monotonic() - self.since
        return Ended(code, self.out.read_text(), self.err.read_text(), took)


@dataclass
class Ground:
    """Where one scenario takes place: a service of its own, and a folder."""

    collector: CollectorProcess
    service: str
    folder: Path
    running: list[Running] = field(default_factory=list[Running])

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def start(
        self,
        program: str | Sequence[str],
        *,
        instrumented: bool = False,
        prelude: str = PRELUDE,
        options: Sequence[str] = (),
        **variables: str,
    ) -> Running:
        """Start a program (its text, or a command); its telemetry goes to the Collector."""
        part = len(self.running) + 1
        if isinstance(program, str):
            file = self.folder / f"program_{part}.py"
            file.write_text(prelude + textwrap.dedent(program))
            program = [sys.executable, "-X", "faulthandler", *options, str(file)]
        command = [str(BIN / "opentelemetry-instrument")] if instrumented else []
        out, err = (self.folder / f"{part}.{kind}" for kind in ("out", "err"))
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = subprocess.Popen(
                [*command, *program],
                stdin=subprocess.DEVNULL,
                stdout=to_out,
                stderr=to_err,
                cwd=self.folder,
                env=clean_environment(**self.environment(**variables)),
                start_new_session=True,
            )
        self.running.append(Running(process, out, err))
        return self.running[-1]

    def run(self, program: str | Sequence[str], **options: Any) -> Ended:
        """Run a program to its end."""
        return self.start(program, **options).end()

    def deliver(self, **variables: str) -> Ended:
        """Run the next process of the service, which delivers what others have left."""
        ended = self.run("prepare(); say(telemetry.force_flush())", **variables)
        assert ended.out == "True\n", ended
        return ended

    def clear(self) -> None:
        """Kill what still runs, with what it has started."""
        for one in self.running:
            with suppress(ProcessLookupError):
                os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()

    def environment(self, **variables: str) -> dict[str, str]:
        return {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH")))),
            "OTEL_SERVICE_NAME": self.service,
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.http,
            # Importing every library takes longer than all the rest.
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*",
            "BLIPEE_OTEL_SPOOL_DIR": str(self.spool),
            **variables,
        }

    def nowhere(self) -> dict[str, str]:
        """Return settings that lead to a port where nobody listens."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_ports(1)[0]}"}


@dataclass
class Arrived:
    """What arrived of one service.

    Attributes:
        counted: The counters' last values, of all processes and instruments of each name.
        scopes: Log records by scope.
    """

    spans: Counter[str] = field(default_factory=Counter[str])
    logs: Counter[str] = field(default_factory=Counter[str])
    counted: Counter[str] = field(default_factory=Counter[str])
    scopes: Counter[str] = field(default_factory=Counter[str])
    reported: dict[str, int] = field(default_factory=dict[str, int])

    def exactly_once(self, ids: "Iterator[Any] | Sequence[Any] | range") -> None:
        """Assert that a span and a log record of each id are there once, and none else."""
        expected = Counter(str(one) for one in ids)
        assert self.spans == expected, difference(self.spans, expected)
        assert self.logs == expected, difference(self.logs, expected)


def difference(there: Counter[str], expected: Counter[str]) -> str:
    missing, more = sorted((expected - there).elements()), sorted((there - expected).elements())
    return f"missing {len(missing)} {missing[:9]}, too many {len(more)} {more[:9]}"


def of(scenario: Callable[..., Any]) -> Callable[[Any], Any]:
    """Say which scenario a test is about."""

    def say(test: Any) -> Any:
        test.scenario = scenario
        return test

    return say


class Happenings:
    """Runs the scenarios of the selected tests of a module."""

    def __init__(self, request: Any, folder: Path) -> None:
        self.folder = folder
        self.collector = CollectorProcess(folder / "collector")
        self.futures: dict[str, Future[Any]] = {}
        self._arrived: dict[str, Arrived] | None = None
        self._items = [item for item in request.session.items if item.fspath == request.fspath]

    def __iter__(self) -> "Iterator[Happenings]":
        with self.collector, ThreadPoolExecutor(AT_ONCE) as pool:
            for item in self._items:
                self.futures[item.name] = pool.submit(self._run, item)
            yield self
            for future in self.futures.values():
                future.cancel()

    def _run(self, item: Any) -> Any:
        service = service_of(item.name)
        folder = self.folder / service
        folder.mkdir()
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        ground = Ground(self.collector, service, folder)
        try:
            return item.function.scenario(ground, **parameters)
        finally:
            ground.clear()

    def arrived(self, service: str) -> Arrived:
        """Wait for all scenarios, and return what arrived of a service."""
        if self._arrived is None:
            for future in self.futures.values():
                with suppress(Exception):  # its own test says so
                    future.result()
            self.collector.stop()
            self._arrived = read(self.collector)
        return self._arrived.get(service, Arrived())


def service_of(name: str) -> str:
    return re.sub(r"\W+", "-", name.removeprefix("test_")).strip("-")[-100:]


def read(collector: CollectorProcess) -> dict[str, Arrived]:
    found: dict[str, Arrived] = {}

    def of_service(one: Any) -> Arrived:
        return found.setdefault(one.resource.get("service.name"), Arrived())

    for one in collector.spans():
        if "id" in one.attributes:
            of_service(one).spans[one.attributes["id"]] += 1
    for one in collector.logs():
        of_service(one).scopes[one.scope] += 1
        if "id" in one.attributes:
            of_service(one).logs[one.attributes["id"]] += 1
    last: dict[tuple[str, str, str], tuple[int, int]] = {}
    for one in collector.metrics():
        for point in one.record.get("sum", {}).get("dataPoints", ()):
            key = (
                one.resource.get("service.name"),
                one.record["name"],
                str((one.resource.get("service.instance.id"), sorted(attributes(point).items()))),
            )
            value = int(point.get("asInt", 0)), int(point["timeUnixNano"])
            last[key] = max(last.get(key, value), value, key=lambda one: one[1])
    for (service, name, _), (value, _) in last.items():
        found.setdefault(service, Arrived()).counted[name] += value
    return found
