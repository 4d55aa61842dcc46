"""Blipee's own instruments: the names that alert rules, dashboards and reports are written in.

To add one: an entry here, with a measurement in `otel_distro/instruments/`. Attributes are bounded
sets; ids of users, requests or conversations belong to spans and logs.
"""

from typing import Final

from otel_distro.catalogue import buckets
from otel_distro.catalogue.instrument import Attribute, Instrument, Kind

_STATUS: Final = Attribute("status", ("success", "error"))
_ENDPOINT: Final = Attribute("endpoint")  # the route's template; <unmatched> for none
_METHOD: Final = Attribute("method")
_TABLE: Final = Attribute("table")
_OPERATION: Final = Attribute("operation")
_POOL: Final = Attribute("pool")
_CHECK: Final = Attribute("check")

SEED: Final = (
    Instrument(
        name="api.requests",
        kind=Kind.COUNTER,
        unit="{request}",
        description="Requests answered. An error is a 5xx or an unhandled exception.",
        attributes=(_ENDPOINT, _METHOD, _STATUS),
        component="api",
        twin="http.server.request.duration",
        origin="seed",
    ),
    Instrument(
        name="api.response_time",
        kind=Kind.HISTOGRAM,
        unit="ms",
        description="Time until the response was sent.",
        attributes=(_ENDPOINT, _METHOD, _STATUS),
        buckets=buckets.REQUEST_MS,
        component="api",
        twin="http.server.request.duration",
        origin="seed",
    ),
    Instrument(
        name="api.active_connections",
        kind=Kind.UP_DOWN_COUNTER,
        unit="{connection}",
        description="Requests and WebSockets being served now.",
        attributes=(Attribute("type", ("http", "websocket")),),
        component="api",
        twin="http.server.active_requests",
        origin="seed",
    ),
    Instrument(
        name="agents.executions",
        kind=Kind.COUNTER,
        unit="{execution}",
        description="Runs of agents that ended.",
        attributes=(Attribute("agent_type"), _STATUS),
        component="agents",
        twin="gen_ai.invoke_agent.duration",
        origin="seed",
    ),
    Instrument(
        name="agents.queue.size",
        kind=Kind.OBSERVABLE_GAUGE,
        unit="{task}",
        description="Tasks that wait for an agent.",
        attributes=(Attribute("queue"),),
        component="agents",
        origin="seed",
    ),
    Instrument(
        name="conversations.active",
        kind=Kind.GAUGE,
        unit="{conversation}",
        description="Conversations going on now.",
        attributes=(Attribute("type"),),
        component="agents",
        origin="seed",
    ),
    Instrument(
        name="ml.prediction_confidence",
        kind=Kind.HISTOGRAM,
        unit="1",
        description="How sure models are of their predictions, from 0 to 1.",
        attributes=(Attribute("model"), Attribute("model_version")),
        buckets=buckets.RATIO,
        component="ml",
        origin="seed",
    ),
    Instrument(
        name="database.queries",
        kind=Kind.COUNTER,
        unit="{query}",
        description="Statements executed.",
        attributes=(_TABLE, _OPERATION, _STATUS),
        component="database",
        twin="db.client.operation.duration",
        origin="seed",
    ),
    Instrument(
        name="database.query_duration",
        kind=Kind.HISTOGRAM,
        unit="ms",
        description="Time that statements took.",
        attributes=(_TABLE, _OPERATION, _STATUS),
        buckets=buckets.QUERY_MS,
        component="database",
        twin="db.client.operation.duration",
        origin="seed",
    ),
    Instrument(
        name="database.connections.active",
        kind=Kind.OBSERVABLE_GAUGE,
        unit="{connection}",
        description="Connections of a pool that are in use.",
        attributes=(_POOL,),
        capacity="database.connections.max",
        component="database",
        twin="db.client.connection.count",
        origin="seed",
    ),
    Instrument(
        name="database.connections.max",
        kind=Kind.OBSERVABLE_GAUGE,
        unit="{connection}",
        description="Connections that a pool may open.",
        attributes=(_POOL,),
        component="database",
        twin="db.client.connection.max",
        origin="seed",
    ),
    Instrument(
        name="cache.requests",
        kind=Kind.COUNTER,
        unit="{request}",
        description="Look-ups in caches.",
        attributes=(Attribute("cache"), Attribute("result", ("hit", "miss"))),
        component="cache",
        origin="seed",
    ),
    Instrument(
        name="system.memory_usage_mb",
        kind=Kind.OBSERVABLE_GAUGE,
        unit="{MB}",
        description="Resident memory of the process, in units of 1 000 000 bytes.",
        component="system",
        twin="process.memory.usage",
        origin="seed",
    ),
    Instrument(
        name="system.cpu_usage_percent",
        kind=Kind.OBSERVABLE_GAUGE,
        unit="%",
        description="Processor time of the process since the last export, of all it may use.",
        component="system",
        twin="process.cpu.utilization",
        origin="seed",
    ),
    Instrument(
        name="errors.captured",
        kind=Kind.COUNTER,
        unit="{error}",
        description="Errors logged or captured.",
        attributes=(Attribute("error.type"), Attribute("handled", ("true", "false"))),
        component="application",
        origin="seed",
    ),
    Instrument(
        name="health.check.status",
        kind=Kind.GAUGE,
        unit="",
        description="1 healthy, 0.5 degraded, 0 unhealthy.",
        attributes=(_CHECK,),
        component="health",
        origin="seed",
    ),
    Instrument(
        name="health.check.latency",
        kind=Kind.GAUGE,
        unit="ms",
        description="Time that the last check took.",
        attributes=(_CHECK,),
        component="health",
        origin="seed",
    ),
)
