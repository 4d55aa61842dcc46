"""Plugins as strangers write them; the fixture `plugins` installs them."""

import threading

from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource, ResourceDetector
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, StaticSampler

NEVER = threading.Event()


class Silent(ResourceDetector):
    """Asks a metadata service that never answers."""

    def detect(self):
        NEVER.wait()
        return Resource({"late": True})


class RaisingDetector(ResourceDetector):
    def detect(self):
        raise ConnectionError("no metadata service")


class Exiting(ResourceDetector):
    def detect(self):
        raise SystemExit(1)


class Region(ResourceDetector):
    def detect(self):
        return Resource({"cloud.region": "eu", "service.namespace": "region"})


class OtherRegion(ResourceDetector):
    def detect(self):
        return Resource({"cloud.region": "us"})


class Raising:
    def __init__(self, *arguments):
        raise RuntimeError("wrong version")


class Careless:
    """Is nothing of what it is registered as."""

    def __init__(self, *arguments):
        pass

    def detect(self):
        return None


class Every(StaticSampler):
    def __init__(self, argument):
        super().__init__(Decision.RECORD_AND_SAMPLE)
        self.argument = argument

    def get_description(self):
        return f"Every({self.argument})"


class Counting(IdGenerator):
    def generate_span_id(self):
        return 7

    def generate_trace_id(self):
        return 77


class Homing(TextMapPropagator):
    def extract(self, carrier, context=None, getter=None):
        return context

    def inject(self, carrier, context=None, setter=None):
        carrier["pigeon"] = "here"

    @property
    def fields(self):
        return {"pigeon"}


class KeepsSpans(InMemorySpanExporter):
    pass


class KeepsMetrics(InMemoryMetricReader):
    """A reader itself, as the exporters are that are asked for their metrics."""


class KeepsLogs(InMemoryLogRecordExporter):
    pass


def fail(*arguments, **more):
    raise RuntimeError("wrong version")


class FailingSampler(Sampler):
    def __init__(self, argument=None):
        pass

    should_sample = get_description = fail


class FailingIds(IdGenerator):
    generate_span_id = generate_trace_id = is_trace_id_random = fail


class FailingPropagator(TextMapPropagator):
    extract = inject = fail
    fields = property(fail)


class FailingExporter(SpanExporter):
    export = fail
