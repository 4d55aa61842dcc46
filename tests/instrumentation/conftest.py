"""Telemetry that stays in memory, requests without sockets, and what was said on stderr."""

import asyncio

import httpx
import pytest
from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from otel_distro.instrumentation.fastapi import FastAPIInstrumentor
from otel_distro.settings.model import DEFAULT_HEALTH_URLS


@pytest.fixture(autouse=True)
def _stable_attribute_names(monkeypatch):
    """Upstream reads the choice once a process; the distribution makes it before that."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    monkeypatch.setattr(_OpenTelemetrySemanticConventionStability, "_initialized", False)
    yield
    _OpenTelemetrySemanticConventionStability._initialized = False


class Telemetry:
    """Providers of a test's own, and what they got."""

    def __init__(self):
        self._spans = InMemorySpanExporter()
        self._metrics = InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider = MeterProvider([self._metrics])

    @property
    def spans(self):
        return self._spans.get_finished_spans()

    @property
    def server_spans(self):
        return [span for span in self.spans if span.kind is SpanKind.SERVER]

    @property
    def server_span(self):
        (span,) = self.server_spans
        return span

    def points(self, name="http.server.request.duration"):
        data = self._metrics.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def telemetry():
    telemetry = Telemetry()
    yield telemetry
    telemetry.tracer_provider.shutdown()
    telemetry.meter_provider.shutdown()


@pytest.fixture
def instrument(telemetry):
    """Instruments FastAPI into `telemetry`, as the distribution does, until the test ends."""
    instrumentor = FastAPIInstrumentor()

    def instrument(**options):
        instrumentor.instrument(
            skip_dep_check=True,
            tracer_provider=telemetry.tracer_provider,
            meter_provider=telemetry.meter_provider,
            **{"excluded_urls": ",".join(DEFAULT_HEALTH_URLS), **options},
        )
        return instrumentor

    yield instrument
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.fixture
def instrumented(instrument, telemetry):
    instrument()
    return telemetry


@pytest.fixture
def call():
    """Sends one request to an application and returns the response."""

    def call(app, path, method="GET", host="service", root_path="", **options):
        async def send():
            transport = httpx.ASGITransport(app, raise_app_exceptions=False, root_path=root_path)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    return call


@pytest.fixture
def connect():
    """Opens a WebSocket, sends one text and closes; returns what the application sent."""

    def connect(app, path, text="hello"):
        received = [
            {"type": "websocket.connect"},
            {"type": "websocket.receive", "text": text},
            {"type": "websocket.disconnect", "code": 1000},
        ]
        sent = []
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"service")],
            "client": ("client", 1),
            "server": ("service", 80),
            "subprotocols": [],
            "state": {},
        }

        async def receive():
            return received.pop(0)

        async def send(message):
            sent.append(message)

        asyncio.run(app(scope, receive, send))
        return sent

    return connect
