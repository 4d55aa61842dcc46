"""The SDK's spans and ours, made alike, and all that can be seen of them."""

import logging
from contextlib import contextmanager

from opentelemetry.sdk import trace as of_the_sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_distro.delivery.sdk import PipelineSpanProcessor
from otel_distro.providers import sdk

RESOURCE = Resource({"service.name": "shop"})
PROVIDERS = {"ours": sdk.TracerProvider, "the SDK's": of_the_sdk.TracerProvider}


class Kept:
    """A pipeline that keeps what it is given."""

    def __init__(self):
        self.spans = []

    def add_span(self, span):
        self.spans.append(span)

    def flush(self, timeout_s):
        return True


class Side:
    """One provider, with what it exports and delivers."""

    def __init__(self, kind, *, export=True, deliver=True, **more):
        self.provider = PROVIDERS[kind](resource=RESOURCE, shutdown_on_exit=False, **more)
        self.exporter = InMemorySpanExporter()
        self.pipeline = Kept()
        if deliver:
            self.provider.add_span_processor(PipelineSpanProcessor(self.pipeline))
        if export:
            self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("t", "1", "https://scope", {"of": "scope"})

    @property
    def exported(self):
        return [shown(span) for span in self.exporter.get_finished_spans()]

    @property
    def delivered(self):
        return [shown(span) for span in self.pipeline.spans]


def shown(span):
    """All that is public of a span, but for the ids that it has at random."""
    context = span.get_span_context()
    said = {
        "valid": context.is_valid,
        "remote": context.is_remote,
        "flags": (type(context.trace_flags), context.trace_flags),
        "state": dict(context.trace_state),
        "recording": getattr(span, "is_recording", lambda: False)(),
    }
    if isinstance(span, of_the_sdk.ReadableSpan):
        parent = span.parent
        said |= {
            "name": span.name,
            "kind": span.kind,
            "parent": parent,
            "trace": parent is None or parent.trace_id == context.trace_id,
            "times": (span.start_time, span.end_time),
            "attributes": list(span.attributes.items()),
            "events": [(e.name, e.timestamp, _shown_of_part(e)) for e in span.events],
            "links": [(link.context, _shown_of_part(link)) for link in span.links],
            "dropped": (span.dropped_attributes, span.dropped_events, span.dropped_links),
            "status": (span.status.status_code, span.status.description),
            "resource": span.resource,
            "scope": span.instrumentation_scope,
            "info": span._instrumentation_info,
            "types": (type(span.attributes), type(span.events), type(span.links)),
        }
    return said


def _shown_of_part(part):
    return type(part.attributes), list(part.attributes.items()), part.dropped_attributes


@contextmanager
def warnings_of_the_sdk():
    """Collect what is logged of the use of spans."""
    said = []

    class Keeps(logging.Handler):
        def emit(self, record):
            said.append((record.levelname, record.getMessage()))

    keeps = Keeps()
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(keeps)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(keeps)
        logger.propagate = True
