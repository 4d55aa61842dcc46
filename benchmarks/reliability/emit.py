"""A process that emits numbered spans and log records, and says what that was like for it.

python -m benchmarks.reliability.emit ours steady --seconds 60 --rate 200 --result result.json
"""

import argparse
import json
import logging
import os
import time
from pathlib import Path

from opentelemetry import trace

from benchmarks.reliability.sides import SIDES, set_up

_PAGE = os.sysconf("SC_PAGE_SIZE")
_ATTRIBUTES = {
    "http.request.method": "GET",
    "http.route": "/organizations/{slug}/readings",
    "http.response.status_code": 200,
    "server.port": 8000,
    "url.scheme": "http",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("how", choices=("steady", "flood"))
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=float, default=200, help="spans and logs a second, each")
    parser.add_argument("--first", type=int, default=0, help="number of the first record")
    parser.add_argument("--result", type=Path, required=True)
    arguments = parser.parse_args()
    set_up(arguments.side, f"bench-{arguments.side}")
    emit = _Emitter(arguments.first)
    before = _resident_mb()
    began = time.monotonic()
    if arguments.how == "flood":
        most = emit.flood(arguments.seconds)
    else:
        most = emit.steadily(arguments.seconds, arguments.rate, arguments.result)
    spent = time.monotonic() - began
    if arguments.how == "flood":
        trace.get_tracer_provider().force_flush(60_000)
    result = {
        "emitted": emit.number - arguments.first,
        "seconds": spent,
        "seconds_with_flush": time.monotonic() - began,
        "worst_ms": emit.worst_s * 1000,
        "rss_growth_mb": most - before,
    }
    arguments.result.write_text(json.dumps(result))


class _Emitter:
    def __init__(self, first: int) -> None:
        self.first = self.number = first
        self.worst_s = 0.0
        self._tracer = trace.get_tracer("bench")
        self._logger = logging.getLogger("bench")

    def flood(self, seconds: float) -> float:
        """Spans only, as fast as one thread can. Return the most memory, in MB."""
        until = time.monotonic() + seconds
        tracer = self._tracer
        most = 0.0
        while time.monotonic() < until:
            for _ in range(100):
                tracer.start_span(str(self.number), attributes=_ATTRIBUTES).end()
                self.number += 1
            if self.number % 10_000 == 0:
                most = max(most, _resident_mb())
        return most

    def steadily(self, seconds: float, rate: float, result: Path) -> float:
        """Spans and log records at a rate. Return the most memory, in MB."""
        began = time.monotonic()
        most = 0.0
        # What was certainly emitted, and when, for whoever kills this process.
        with result.with_suffix(".progress").open("w") as progress:
            while (now := time.monotonic()) < began + seconds:
                due = self.first + int((now - began) * rate)
                while self.number < due:
                    at = time.monotonic()
                    self._tracer.start_span(str(self.number), attributes=_ATTRIBUTES).end()
                    self._logger.info("%d", self.number)
                    self.worst_s = max(self.worst_s, time.monotonic() - at)
                    self.number += 1
                    progress.write(f"{self.number - 1} {time.monotonic()}\n")
                progress.flush()
                most = max(most, _resident_mb())
                time.sleep(0.002)
        return most


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 1e6


if __name__ == "__main__":
    main()
