"""What emits records with unique ids: a program under our distribution, and a pipeline in here.

    program = start(Plan(records=600, per_second=100), endpoint, folder)
    ...  # do something to the endpoint
    report = program.finish()

The `id` of a record counts from 0 for each signal. Metrics are one cumulative counter, `emitted`,
whose last point says how many were.
"""

import json
import logging
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
PREFIX = "blipee-otel: "
SERVICE = "emitting"


@dataclass(frozen=True)
class Plan:
    """What a program emits.

    Attributes:
        records: Of each of spans and logs, and additions to the counter.
        first: The id of the first.
        per_second: How fast; 0 for as fast as it can.
        flush_s: How long it waits at its end for all of it to be delivered.
        clock: Seconds by which the wall clock is wrong, from the so-manieth record on.
    """

    records: int = 600
    first: int = 0
    per_second: float = 100.0
    flush_s: float = 20.0
    clock: Mapping[int, float] = field(default_factory=dict[int, float])


@dataclass(frozen=True)
class Report:
    """What a program says of itself, and how it ended.

    Attributes:
        delivered: Whether the flush at its end was in time.
        longest_s: Seconds of the longest call by which a record was emitted.
        grown_mib: MiB by which its memory has grown at most since its start.
        balance: The ledger before its exit, by signal.
        said: Lines of ours on stderr.
        stderr: All of them.
        code: With which it exited.
    """

    delivered: bool
    longest_s: float
    grown_mib: float
    balance: dict[str, dict[str, Any]]
    said: list[str]
    stderr: str
    code: int

    @property
    def resent(self) -> int:
        return sum(one["resent"] for one in self.balance.values())


@dataclass
class Program:
    """A program that runs."""

    process: "subprocess.Popen[str]"
    stderr: Path

    def wait_started(self) -> None:
        """Wait until the first record is about to be emitted."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "started\n", self.stderr.read_text()

    def finish(self, seconds: float = 60) -> Report:
        """Let it flush and exit once it has emitted everything, and wait for its end."""
        out, _ = self.process.communicate("\n", timeout=seconds)
        stderr = self.stderr.read_text()
        assert self.process.returncode == 0, stderr
        return Report(
            **json.loads(out.splitlines()[-1]),
            said=[
                line.removeprefix(PREFIX) for line in stderr.splitlines() if line.startswith(PREFIX)
            ],
            stderr=stderr,
            code=self.process.returncode,
        )


def start(
    plan: Plan, endpoint: str, folder: Path, *, instrumented: bool = False, **variables: str
) -> Program:
    """Start a program; its spool is in `folder`, and found again by the next one in there."""
    from support.instrumented import BIN, clean_environment

    stderr = folder / f"emitting-{time.monotonic_ns()}.err"
    command = [str(BIN / "opentelemetry-instrument")] if instrumented else []
    environment = {
        "PYTHONPATH": str(TESTS),
        "OTEL_SERVICE_NAME": SERVICE,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_BLRP_SCHEDULE_DELAY": "200",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        # Importing every library takes longer than all the rest.
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*",
        "BLIPEE_OTEL_SPOOL_DIR": str(folder / "spool"),
        **variables,
    }
    with stderr.open("wb") as errors:
        process = subprocess.Popen(
            [*command, sys.executable, "-m", "support.emitting", json.dumps(vars(plan))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=clean_environment(**environment),
        )
    return Program(process, stderr)


def run(plan: Plan) -> None:
    """Be that program."""
    clock = Clock(plan.clock.get(0, 0.0))
    if plan.clock:
        clock.install()

    import otel_distro

    telemetry = otel_distro.configure(instrument=False)

    from opentelemetry import metrics, trace

    tracer = trace.get_tracer("emitting")
    log = logging.getLogger("emitting")
    log.setLevel(logging.INFO)
    counter = metrics.get_meter("emitting").create_counter("emitted")
    print("started", flush=True)
    before_mib = resident_mib()
    longest, began = 0.0, time.monotonic()
    for number in range(plan.records):
        if plan.per_second:
            time.sleep(max(0.0, began + number / plan.per_second - time.monotonic()))
        clock.ahead = plan.clock.get(number, clock.ahead)
        now = time.monotonic()
        tracer.start_span("work", attributes={"id": plan.first + number}).end()
        log.info("worked", extra={"id": plan.first + number})
        counter.add(1)
        longest = max(longest, time.monotonic() - now)
    sys.stdin.readline()  # until the endpoint is as it is to be at the end
    delivered = telemetry.force_flush(int(plan.flush_s * 1000))
    pipeline = telemetry._pipeline
    balance = (pipeline and pipeline.balance()) or {}
    said = {
        "delivered": delivered,
        "longest_s": longest,
        "grown_mib": most_resident_mib() - before_mib,
        "balance": {
            signal: one._asdict() | {"difference": one.difference}
            for signal, one in balance.items()
        },
    }
    print(json.dumps(said), flush=True)


@dataclass
class Clock:
    """The wall clock, wrong by `ahead` seconds once it is installed."""

    ahead: float

    def install(self) -> None:
        seconds, nanoseconds = time.time, time.time_ns
        time.time = lambda: seconds() + self.ahead
        time.time_ns = lambda: nanoseconds() + int(self.ahead * 1e9)


def most_resident_mib() -> float:
    """The most it ever was. Not by `getrusage`, which begins with what the parent has."""
    (most,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(most) / 1024


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024 / 1024


class Emitter:
    """A pipeline in this process, and what feeds it.

    Attributes:
        said: The notices, each key once.
        emitted: How many spans were.
    """

    def __init__(self, endpoint: Any, **settings: Any) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        from otel_distro.delivery import SIGNALS, Batching, DeliverySettings
        from otel_distro.delivery.pipeline import Pipeline
        from otel_distro.delivery.sdk import PipelineSpanProcessor

        self._keys: dict[str, str] = {}
        self.emitted = 0
        batching = settings.pop("batching", None) or Batching(schedule_delay_ms=50)
        self.pipeline = Pipeline(
            DeliverySettings(
                endpoints={"traces": endpoint},
                batching=dict.fromkeys(SIGNALS, batching),
                **{"window_s": 0.02, **settings},
            ),
            lambda key, text: self._keys.setdefault(key, text) and None,
        )
        provider = TracerProvider(
            resource=Resource({"service.name": SERVICE}), shutdown_on_exit=False
        )
        provider.add_span_processor(PipelineSpanProcessor(self.pipeline))
        self._tracer = provider.get_tracer("emitting")

    @property
    def said(self) -> list[str]:
        return list(self._keys.values())

    @property
    def balance(self) -> Any:
        """The ledger of the spans, once it was seen to add up for all signals."""
        balances = self.pipeline.balance()
        assert balances is not None
        assert not any(one.difference for one in balances.values()), balances
        return balances["traces"]

    def emit(self, count: int, *, failed: bool = False, **attributes: Any) -> list[int]:
        """End so many spans; return their ids."""
        from opentelemetry.trace import StatusCode

        ids = list(range(self.emitted, self.emitted + count))
        for number in ids:
            span = self._tracer.start_span("work", attributes={"id": number, **attributes})
            if failed:
                span.set_status(StatusCode.ERROR)
            span.end()
        self.emitted += count
        return ids

    def close(self) -> None:
        """Stop the pipeline, unless it is, and without waiting for the endpoint."""
        if not self.pipeline._stopped:
            assert self.balance
            self.pipeline.stop(0.1)

    def wait_for(self, what: Callable[[], Any], seconds: float = 10) -> Any:
        """Poll until `what` returns something true, and return it."""
        until = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < until, self.balance
            time.sleep(0.01)
        return found


def records_in(bodies: Iterable[bytes], signal: str = "traces") -> list[Any]:
    """The spans, or log records, in requests, in order."""
    from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    # The requests have the same form.
    if signal == "logs":
        return [
            record
            for body in bodies
            for of_resource in LogsData.FromString(body).resource_logs
            for of_scope in of_resource.scope_logs
            for record in of_scope.log_records
        ]
    return [
        span
        for body in bodies
        for of_resource in TracesData.FromString(body).resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def ids_in(bodies: Iterable[bytes], signal: str = "traces") -> list[int]:
    """The ids of the spans, or log records, in requests, in order."""
    return [
        attribute.value.int_value
        for record in records_in(bodies, signal)
        for attribute in record.attributes
        if attribute.key == "id"
    ]


if __name__ == "__main__":
    plan = json.loads(sys.argv[1])
    run(Plan(**{**plan, "clock": {int(at): by for at, by in plan["clock"].items()}}))
