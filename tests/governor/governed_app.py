"""An application whose telemetry costs more than its budget, until its load falls.

Prints, as JSON: for each request its number, the level at which it ran, and whether it failed.
"""

import json
import logging
import sys
import time

import sqlalchemy as sa
from opentelemetry import trace

import otel_distro
from otel_distro.governor import state
from otel_distro.governor.regulator import Pace
from otel_distro.instrumentation.governing import govern
from otel_distro.providers.governed_sampling import sampling_of_levels

PACE = Pace(look_s=0.2, smooth_s=0.1, over_s=0.4, calm_s=0.6, longest_s=2)
BUDGET_PERCENT = 3
PATIENCE_S = 60
AT_THE_TOP_S = 1.5

telemetry = otel_distro.configure()
govern(
    telemetry._pipeline,
    BUDGET_PERCENT,
    sampling_of_levels(trace.get_tracer_provider()),
    pace=PACE,
)
tracer = trace.get_tracer("app")
log = logging.getLogger("app")
log.addHandler(logging.NullHandler())
database = sa.create_engine("sqlite://").connect()
requests = []


def level():
    # Not between the two changes of a step, which another thread makes.
    sampler = {3: "GovernedSampler", 4: "StaticSampler"}.get(state.level, "_ParentBasedAlwaysOn")
    return state.level if type(tracer.sampler).__name__ == sampler else None


def request():
    number, before = len(requests), level()
    has_failed = number % 10 == 3
    attributes = {"number": number}
    with tracer.start_as_current_span("GET /", kind=trace.SpanKind.SERVER, attributes=attributes):
        database.execute(sa.text("SELECT 1"))
        log.warning("request %d", number)
        if has_failed:
            trace.get_current_span().set_status(trace.StatusCode.ERROR)
    time.sleep(0.0003)  # no flood, that no queue would hold
    requests.append((number, before if before == level() else None, has_failed))


def wait_for(level, work):
    until = time.monotonic() + PATIENCE_S
    while state.level != level:
        work()
        if time.monotonic() > until:
            sys.exit(f"level {state.level} and not {level}")


request()
wait_for(state.METRICS_ONLY, request)
at_the_top = time.monotonic() + AT_THE_TOP_S
while time.monotonic() < at_the_top:
    request()
wait_for(state.EVERYTHING, lambda: time.sleep(0.05))
request()
telemetry.force_flush(20_000)
print(json.dumps(requests))
