"""The semantic conventions' instruments that this distribution emits.

Source: https://opentelemetry.io/docs/specs/semconv/ 1.44 and, for `gen_ai.*`,
https://github.com/open-telemetry/semantic-conventions-genai.
"""

from typing import Final

from otel_distro.catalogue import buckets
from otel_distro.catalogue.instrument import Attribute, Instrument, Kind

_HTTP_SERVER: Final = (
    Attribute("http.request.method"),
    Attribute("url.scheme"),
    Attribute("http.route"),
    Attribute("http.response.status_code"),
    Attribute("network.protocol.name"),
    Attribute("network.protocol.version"),
    Attribute("error.type"),
)
_ACTIVE: Final = (Attribute("http.request.method"), Attribute("url.scheme"))
_HTTP_CLIENT: Final = (
    Attribute("http.request.method"),
    Attribute("server.address"),
    Attribute("server.port"),
    Attribute("http.response.status_code"),
    Attribute("network.protocol.name"),
    Attribute("network.protocol.version"),
    Attribute("error.type"),
)
_DATABASE: Final = (
    Attribute("db.system.name"),
    Attribute("db.operation.name"),
    Attribute("db.collection.name"),
    Attribute("db.namespace"),
    Attribute("server.address"),
    Attribute("server.port"),
    Attribute("error.type"),
)
_POOL: Final = Attribute("db.client.connection.pool.name")
_AGENT: Final = (
    Attribute("gen_ai.operation.name"),
    Attribute("gen_ai.agent.name"),
    Attribute("gen_ai.provider.name"),
    Attribute("gen_ai.request.model"),
    Attribute("error.type"),
)


def standard(  # noqa: PLR0913 - the columns of a table
    name: str,
    kind: Kind,
    unit: str,
    description: str,
    *attributes: Attribute,
    component: str,
    bounds: tuple[float, ...] = (),
    capacity: str | None = None,
) -> Instrument:
    """Return an instrument of the semantic conventions, or named after them."""
    return Instrument(
        name=name,
        kind=kind,
        unit=unit,
        description=description,
        attributes=attributes,
        buckets=bounds,
        capacity=capacity,
        component=component,
        origin="semconv",
    )


SEMCONV: Final = (
    standard(
        "http.server.request.duration",
        Kind.HISTOGRAM,
        "s",
        "Duration of HTTP server requests.",
        *_HTTP_SERVER,
        component="api",
        bounds=buckets.HTTP_S,
    ),
    standard(
        "http.server.active_requests",
        Kind.UP_DOWN_COUNTER,
        "{request}",
        "Number of active HTTP server requests.",
        *_ACTIVE,
        component="api",
    ),
    standard(
        "http.server.request.body.size",
        Kind.HISTOGRAM,
        "By",
        "Size of HTTP server request bodies.",
        *_HTTP_SERVER,
        component="api",
        bounds=buckets.BODY_BYTES,
    ),
    standard(
        "http.server.response.body.size",
        Kind.HISTOGRAM,
        "By",
        "Size of HTTP server response bodies.",
        *_HTTP_SERVER,
        component="api",
        bounds=buckets.BODY_BYTES,
    ),
    standard(
        "http.client.request.duration",
        Kind.HISTOGRAM,
        "s",
        "Duration of HTTP client requests.",
        *_HTTP_CLIENT,
        component="external",
        bounds=buckets.HTTP_S,
    ),
    standard(
        "db.client.operation.duration",
        Kind.HISTOGRAM,
        "s",
        "Duration of database client operations.",
        *_DATABASE,
        component="database",
        bounds=buckets.DATABASE_S,
    ),
    standard(
        "db.client.connection.count",
        Kind.OBSERVABLE_UP_DOWN_COUNTER,
        "{connection}",
        "Connections that are currently in the state that the attribute says.",
        _POOL,
        Attribute("db.client.connection.state", ("idle", "used")),
        component="database",
        capacity="db.client.connection.max",
    ),
    standard(
        "db.client.connection.max",
        Kind.OBSERVABLE_UP_DOWN_COUNTER,
        "{connection}",
        "The most connections that the pool may open.",
        _POOL,
        component="database",
    ),
    standard(
        "db.client.connection.pending_requests",
        Kind.UP_DOWN_COUNTER,
        "{request}",
        "Requests for a connection that wait for one now.",
        _POOL,
        component="database",
    ),
    standard(
        "db.client.connection.timeouts",
        Kind.COUNTER,
        "{timeout}",
        "Requests for a connection that waited in vain.",
        _POOL,
        component="database",
    ),
    standard(
        "db.client.connection.wait_time",
        Kind.HISTOGRAM,
        "s",
        "Time it took to get a connection from the pool.",
        _POOL,
        component="database",
        bounds=buckets.DATABASE_S,
    ),
    standard(
        "gen_ai.invoke_agent.duration",
        Kind.HISTOGRAM,
        "s",
        "Duration of a run of an agent.",
        *_AGENT,
        component="agents",
        bounds=buckets.AGENT_S,
    ),
    standard(
        "gen_ai.invoke_agent.tool_calls",
        Kind.HISTOGRAM,
        "{tool_call}",
        "Tools called during a run of an agent.",
        *_AGENT,
        component="agents",
        bounds=buckets.CALLS,
    ),
    standard(
        "gen_ai.execute_tool.duration",
        Kind.HISTOGRAM,
        "s",
        "Duration of a call of a tool.",
        Attribute("gen_ai.operation.name"),
        Attribute("gen_ai.tool.name"),
        Attribute("gen_ai.agent.name"),
        Attribute("error.type"),
        component="agents",
        bounds=buckets.TOOL_S,
    ),
    standard(
        "process.memory.usage",
        Kind.OBSERVABLE_UP_DOWN_COUNTER,
        "By",
        "Resident memory of the process.",
        component="system",
    ),
    standard(
        "system.memory.utilization",
        Kind.OBSERVABLE_GAUGE,
        "1",
        "Memory in use, of the limit of the control group if there is one, else of the host's.",
        Attribute("state", ("used",)),
        component="system",
    ),
    standard(
        "process.cpu.time",
        Kind.OBSERVABLE_COUNTER,
        "s",
        "Processor time of the process.",
        Attribute("cpu.mode", ("user", "system")),
        component="system",
    ),
    standard(
        "process.cpu.utilization",
        Kind.OBSERVABLE_GAUGE,
        "1",
        "Processor time since the last export, of all that the process may use.",
        component="system",
    ),
    standard(
        "process.thread.count",
        Kind.OBSERVABLE_UP_DOWN_COUNTER,
        "{thread}",
        "Threads of the process.",
        component="system",
    ),
    standard(
        "process.unix.file_descriptor.count",
        Kind.OBSERVABLE_UP_DOWN_COUNTER,
        "{file_descriptor}",
        "File descriptors that the process has open.",
        component="system",
    ),
    standard(
        "cpython.gc.collections",
        Kind.OBSERVABLE_COUNTER,
        "{collection}",
        "Runs of the garbage collector.",
        Attribute("cpython.gc.generation", ("0", "1", "2")),
        component="system",
    ),
    # No convention for asyncio yet; named as Node's `nodejs.eventloop.delay` is.
    standard(
        "cpython.eventloop.delay",
        Kind.HISTOGRAM,
        "s",
        "How late the asyncio event loop runs what is due.",
        component="system",
        bounds=buckets.DATABASE_S,
    ),
)
