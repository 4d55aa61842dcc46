"""Of a measurement with two names, which are exported; and the buckets of others' instruments."""

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from support.instrumented import NO_EXPORT, run_python

from otel_distro.catalogue import CATALOGUE, Kind
from otel_distro.providers.views import views

TWINS = {entry.name: entry.twin for entry in CATALOGUE if entry.twin is not None}
OURS, THEIRS = set(TWINS), set(TWINS.values())
ALL = {entry.name for entry in CATALOGUE}


def exported(names):
    """Emit each instrument of the catalogue once; return the metrics that come out."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], views=views(names))
    meter = provider.get_meter("test")

    def one(_options: CallbackOptions):
        yield Observation(1)

    for entry in CATALOGUE:
        match entry.kind:
            case Kind.COUNTER:
                meter.create_counter(entry.name).add(1)
            case Kind.UP_DOWN_COUNTER:
                meter.create_up_down_counter(entry.name).add(1)
            case Kind.GAUGE:
                meter.create_gauge(entry.name).set(1)
            case Kind.HISTOGRAM:
                meter.create_histogram(entry.name).record(1)
            case Kind.OBSERVABLE_COUNTER:
                meter.create_observable_counter(entry.name, [one])
            case Kind.OBSERVABLE_UP_DOWN_COUNTER:
                meter.create_observable_up_down_counter(entry.name, [one])
            case Kind.OBSERVABLE_GAUGE:
                meter.create_observable_gauge(entry.name, [one])
    meter.create_counter("app.own").add(1)
    (resource,) = reader.get_metrics_data().resource_metrics
    provider.shutdown()
    return {metric.name: metric for scope in resource.scope_metrics for metric in scope.metrics}


@pytest.mark.parametrize(
    ("names", "missing"), [("both", set()), ("seed", THEIRS), ("semconv", OURS)]
)
def test_the_choice_drops_the_other_names_and_nothing_else(names, missing):
    assert set(exported(names)) == (ALL | {"app.own"}) - missing


def test_what_has_one_name_only_is_in_every_choice():
    single = ALL - OURS - THEIRS
    assert {"agents.queue.size", "conversations.active", "ml.prediction_confidence"} <= single
    assert {"http.server.request.duration", "db.client.operation.duration"} <= THEIRS
    for names in ("both", "seed", "semconv"):
        assert single <= set(exported(names))


@pytest.mark.parametrize("names", ["both", "seed", "semconv"])
@pytest.mark.parametrize(
    "name", ["http.server.request.body.size", "http.server.response.body.size"]
)
def test_bodies_have_the_buckets_of_the_catalogue_and_are_there_once(names, name):
    metric = exported(names)[name]
    (point,) = metric.data.data_points
    assert tuple(point.explicit_bounds) == CATALOGUE[name].buckets
    assert point.explicit_bounds[-1] > 10_000_000


MEASURE = """
import json
from opentelemetry import metrics
from otel_distro.instruments import database
with database.query(table="readings"):
    pass
metrics.get_meter_provider().force_flush()
"""


@pytest.mark.parametrize(
    ("chosen", "ours", "theirs"),
    [
        ("", True, True),
        ("both", True, True),
        ("seed", True, False),
        ("semconv", False, True),
        ("SEMCONV", False, True),
    ],
)
def test_the_variable_decides_what_leaves_the_process(chosen, ours, theirs):
    done = run_python(
        MEASURE,
        OTEL_SERVICE_NAME="app",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
        **{**NO_EXPORT, "OTEL_METRICS_EXPORTER": "console", "BLIPEE_OTEL_METRICS": chosen},
    )
    assert done.returncode == 0, done.stderr
    assert ('"database.query_duration"' in done.stdout) is ours
    assert ('"database.queries"' in done.stdout) is ours
    assert ('"system.cpu_usage_percent"' in done.stdout) is ours
    assert ('"db.client.operation.duration"' in done.stdout) is theirs
    assert ('"process.cpu.utilization"' in done.stdout) is theirs
    assert '"system.memory.utilization"' in done.stdout
