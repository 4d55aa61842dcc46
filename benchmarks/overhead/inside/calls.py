"""Single calls of the OpenTelemetry API: `N` answers with the CPU of each kind, N times called.

For each: of the calling thread, and of the whole process when what was made is delivered.
"""

import gc
import os
import time
from collections.abc import Callable
from contextlib import suppress

from bench_app import ATTRIBUTES
from control import answer, orders
from opentelemetry import metrics, trace
from vendors import VENDOR

_FIVE = dict(list(ATTRIBUTES.items())[:5])


def calls() -> dict[str, Callable[[], object]]:
    """Return what is measured, by its name in the table."""
    tracer = trace.get_tracer("bench")
    counter = metrics.get_meter("bench").create_counter("bench.orders")
    histogram = metrics.get_meter("bench").create_histogram("bench.total")

    def span() -> None:
        one = tracer.start_span("price order")
        for key, value in ATTRIBUTES.items():
            one.set_attribute(key, value)
        one.end()

    def span_at_once() -> None:
        tracer.start_span("price order", attributes=ATTRIBUTES).end()

    def current() -> None:
        with tracer.start_as_current_span("price order") as one:
            for key, value in ATTRIBUTES.items():
                one.set_attribute(key, value)

    measured: dict[str, Callable[[], object]] = {
        "span with 10 attributes, one by one": span,
        "span with 10 attributes, at once": span_at_once,
        "… as the current span, one by one": current,
        "counter.add, 5 attributes": lambda: counter.add(1, _FIVE),
        "histogram.record, 5 attributes": lambda: histogram.record(1.5, _FIVE),
    }
    if os.environ["BENCH_CONTESTANT"] in ("ours", "beside"):
        with suppress(ImportError):  # of a tree from before there was one
            from otel_distro.instruments.bound import bind

            bound_counter, bound_histogram = bind(counter, _FIVE), bind(histogram, _FIVE)
            measured["counter.add, bound"] = lambda: bound_counter.add(1)
            measured["histogram.record, bound"] = lambda: bound_histogram.record(1.5)
    return measured


def main() -> None:
    measured = calls()
    answer(ready=True)
    for (number,) in orders():
        answer(**{name: _cost(call, int(number)) for name, call in measured.items()})


def _cost(call: Callable[[], object], number: int) -> list[float]:
    VENDOR.flush()
    gc.collect()
    thread, process = time.thread_time(), time.process_time()
    for _ in range(number):
        call()
    thread = time.thread_time() - thread
    VENDOR.flush()
    return [thread / number * 1e6, (time.process_time() - process) / number * 1e6]


if __name__ == "__main__":
    main()
