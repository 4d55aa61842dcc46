"""Every entry of the catalogue: valid, bounded, without a clash, and as it was specified."""

import re

import pytest
from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.metrics import MeterProvider, NoOpMeter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util.genai.handler import TelemetryHandler

from otel_distro.catalogue import CATALOGUE, Kind, prom_label, prom_name, series
from otel_distro.catalogue.seed import SEED

ENTRIES = sorted(CATALOGUE, key=lambda entry: entry.name)


def each(entries):
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


@each(ENTRIES)
def test_an_entry_is_valid_and_described_in_a_sentence(entry):
    assert entry.problem() is None
    assert re.fullmatch(r"\S.*\.", entry.description)
    assert entry.component != ""


@each([entry for entry in ENTRIES if entry.capacity])
def test_a_capacity_can_be_divided_by(entry):
    capacity = CATALOGUE[entry.capacity]
    assert capacity.unit == entry.unit
    assert capacity.component == entry.component
    # Each series finds its capacity by the labels of the capacity.
    assert capacity.attribute_names <= entry.attribute_names


# What the attributes of the one name are called under the other.
COUNTERPARTS = {
    "endpoint": "http.route",
    "method": "http.request.method",
    "table": "db.collection.name",
    "operation": "db.operation.name",
    "pool": "db.client.connection.pool.name",
    "agent_type": "gen_ai.agent.name",
    "status": "error.type",
}
# The one counts WebSockets too, and calls them so.
WITHOUT_COUNTERPART = {("api.active_connections", "type")}


@each([entry for entry in ENTRIES if entry.twin])
def test_a_twin_tells_the_same_of_the_same(entry):
    twin = CATALOGUE[entry.twin]
    assert (entry.origin, twin.origin) == ("seed", "semconv")
    assert twin.component == entry.component
    assert twin.twin is None
    for attribute in entry.attribute_names:
        if (entry.name, attribute) not in WITHOUT_COUNTERPART:
            assert COUNTERPARTS[attribute] in twin.attribute_names


@pytest.mark.parametrize(
    ("name", "threshold"),
    [
        ("api.response_time", 500),
        ("http.server.request.duration", 0.5),
        ("database.query_duration", 100),
        ("db.client.operation.duration", 0.1),
        ("ml.prediction_confidence", 0.6),
    ],
)
def test_an_alert_threshold_is_a_bucket_bound(name, threshold):
    assert threshold in CATALOGUE[name].buckets
    # One in the last bucket would never be seen to be exceeded.
    assert threshold < CATALOGUE[name].buckets[-1]


UNBOUNDED = re.compile(
    r"(^|[._])(id|uuid|user|organization|request|session|ip|email|url|path|query|message|text)$"
)


@each(ENTRIES)
def test_no_attribute_identifies_one_of_many(entry):
    assert [name for name in entry.attribute_names if UNBOUNDED.search(name)] == []


def test_the_rule_about_attributes_finds_what_it_is_there_for():
    for name in ("user.id", "user_id", "gen_ai.conversation.id", "gen_ai.agent.id", "url.path"):
        assert UNBOUNDED.search(name)


@each(ENTRIES)
def test_attributes_stay_apart_as_labels(entry):
    labels = {prom_label(name) for name in entry.attribute_names}
    assert len(labels) == len(entry.attributes)
    assert labels.isdisjoint({"le", "job", "instance", "quantile"})


def _seen(kind):
    """The kind as backends see it: whether it is observed or told makes no difference there."""
    return Kind(kind.value.removeprefix("observable "))


class CreatedInstruments(MeterProvider):
    """Gives out meters that only remember what is created."""

    def __init__(self):
        self.created = set()

    def get_meter(self, name, version=None, schema_url=None, attributes=None):
        meter = NoOpMeter(name)
        for kind in Kind:
            method = "create_" + kind.value.replace("updowncounter", "up_down_counter").replace(
                " ", "_"
            )
            setattr(meter, method, self._remember(kind, getattr(meter, method)))
        return meter

    def _remember(self, kind, create):
        def created(name, *arguments, **named):
            instrument = create(name, *arguments, **named)
            position = 1 if kind.value.startswith("observable") else 0
            unit = named.get("unit", arguments[position] if len(arguments) > position else "")
            self.created.add((name, _seen(kind), unit))
            return instrument

        return created


@pytest.fixture
def created_upstream(monkeypatch):
    """What the instrumentations that we bring, and the SDK about itself, really create."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    monkeypatch.setattr(_OpenTelemetrySemanticConventionStability, "_initialized", False)
    provider = CreatedInstruments()
    OpenTelemetryMiddleware(None, meter_provider=provider)
    TelemetryHandler(meter_provider=provider)
    HTTPXClientInstrumentor().instrument(meter_provider=provider)
    HTTPXClientInstrumentor().uninstrument()
    tracers = TracerProvider(meter_provider=provider)
    tracers.add_span_processor(BatchSpanProcessor(InMemorySpanExporter(), meter_provider=provider))
    tracers.get_tracer("t").start_span("s").end()
    tracers.shutdown()
    _OpenTelemetrySemanticConventionStability._initialized = False
    return provider.created


def test_what_upstream_creates_is_as_the_catalogue_has_it_and_meets_nothing(created_upstream):
    names = {name for name, _, _ in created_upstream}
    assert {
        "http.server.request.duration",
        "http.server.active_requests",
        "http.client.request.duration",
        "gen_ai.invoke_agent.duration",
        "gen_ai.client.token.usage",
        "otel.sdk.span.live",
    } <= names
    entries = {(entry.name, _seen(entry.kind), entry.unit) for entry in CATALOGUE}
    assert {one for one in created_upstream if one[0] in CATALOGUE} <= entries
    by_translation = {}
    for name, kind, unit in created_upstream | entries:
        by_translation.setdefault(prom_name(name, kind, unit), set()).add((name, kind, unit))
    assert {name: made for name, made in by_translation.items() if len(made) > 1} == {}


def test_no_two_entries_make_the_same_series():
    made = [name for entry in CATALOGUE for name in series(entry)]
    assert len(made) == len(set(made))


B1 = "5 10 25 50 75 100 250 500 750 1000 2500 5000 7500 10000 30000 60000"
B2 = "1 5 10 25 50 100 250 500 1000 5000 10000"
B3 = ".05 .1 .15 .2 .25 .3 .35 .4 .45 .5 .55 .6 .65 .7 .75 .8 .85 .9 .95"
# name | kind | unit | attributes | in Prometheus | buckets
SPECIFIED = f"""
api.requests | counter | {{request}} | endpoint method status | api_requests_total |
api.response_time | histogram | ms | endpoint method status | api_response_time_milliseconds | {B1}
api.active_connections | updowncounter | {{connection}} | type | api_active_connections |
agents.executions | counter | {{execution}} | agent_type status | agents_executions_total |
agents.queue.size | observable gauge | {{task}} | queue | agents_queue_size |
conversations.active | gauge | {{conversation}} | type | conversations_active |
ml.prediction_confidence | histogram | 1 | model model_version | ml_prediction_confidence | {B3}
system.memory_usage_mb | observable gauge | {{MB}} | | system_memory_usage_mb |
system.cpu_usage_percent | observable gauge | % | | system_cpu_usage_percent |
database.queries | counter | {{query}} | operation status table | database_queries_total |
database.query_duration | histogram | ms | operation status table | \
database_query_duration_milliseconds | {B2}
database.connections.active | observable gauge | {{connection}} | pool | \
database_connections_active |
database.connections.max | observable gauge | {{connection}} | pool | database_connections_max |
cache.requests | counter | {{request}} | cache result | cache_requests_total |
errors.captured | counter | {{error}} | error.type handled | errors_captured_total |
health.check.status | gauge | | check | health_check_status |
health.check.latency | gauge | ms | check | health_check_latency_milliseconds |
"""


def test_the_product_instruments_are_as_specified():
    specified = [
        [cell.strip() for cell in line.split("|")] for line in SPECIFIED.strip().splitlines()
    ]
    ours = [
        [
            entry.name,
            entry.kind.value,
            entry.unit,
            " ".join(sorted(entry.attribute_names)),
            prom_name(entry.name, entry.kind, entry.unit),
            tuple(entry.buckets),
        ]
        for entry in sorted(SEED, key=lambda entry: entry.name)
    ]
    wanted = [[*row[:5], tuple(map(float, row[5].split()))] for row in sorted(specified)]
    assert ours == wanted


@pytest.mark.parametrize(
    ("name", "attribute", "values"),
    [
        ("api.requests", "status", ("success", "error")),
        ("api.active_connections", "type", ("http", "websocket")),
        ("cache.requests", "result", ("hit", "miss")),
        ("errors.captured", "handled", ("true", "false")),
    ],
)
def test_the_values_of_a_closed_set_are_listed(name, attribute, values):
    (found,) = [one for one in CATALOGUE[name].attributes if one.name == attribute]
    assert found.values == values
