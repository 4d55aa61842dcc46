"""Says what was reported in facts that can be compared: one flat mapping for each run.

Spans are named by their kind and their order, for ids differ from run to run.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler

from parity.case import CALLER_SPAN, CALLER_TRACE, Probe

Facts = dict[str, Any]

# Upstream's spans of single ASGI messages: the first entry of the list of differences, and in
# the way of comparing all else.
_OF_MESSAGES = tuple(
    f" {kind} {direction}" for kind in ("http", "websocket") for direction in ("send", "receive")
)
_COMPARED = "http.server."
_SECONDS = "time_to_first_byte"


class SDK:
    """The providers of the SDK."""

    TracerProvider = TracerProvider
    MeterProvider = MeterProvider


class Telemetry(SpanProcessor):
    """Providers of one run, and what they got.

    Args:
        sampler: Of the tracers.
        log: What has happened, which the application and its driver write.
        made_of: Has the classes of the providers.
    """

    def __init__(self, sampler: Sampler, log: list[Any], made_of: Any = SDK) -> None:
        self.log = log
        self.started: list[int] = []
        self.first_names: list[str] = []
        self.ended: list[tuple[ReadableSpan, object]] = []
        self._reader = InMemoryMetricReader()
        self.tracer_provider = made_of.TracerProvider(sampler=sampler)
        self.tracer_provider.add_span_processor(self)
        self.meter_provider = made_of.MeterProvider([self._reader])

    def on_start(self, span: ReadableSpan, parent_context: object = None) -> None:
        """Keep the order."""
        self.started.append(span.get_span_context().span_id)
        self.first_names.append(span.name)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the span, and what had happened last."""
        self.ended.append((span, self.log[-1] if self.log else None))

    def close(self) -> None:
        """End the providers."""
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()

    def facts(self, probe: Probe, metrics: Sequence[Any]) -> Facts:
        """Return everything that was reported."""
        spans = sorted(self.ended, key=lambda pair: self.started.index(_id(pair[0])))
        kept = [pair for pair in spans if not is_of_message(pair[0])]
        roles = dict(_roles(span for span, _ in kept))
        facts: Facts = {}
        for span, after in kept:
            facts |= _span_facts(span, after, roles)
        for place, span_id in probe.seen.items():
            facts[f"current span in {place}"] = roles.get(span_id, "none" if not span_id else "?")
        facts |= probe.facts
        for metric in metrics:
            if metric.name.startswith(_COMPARED):
                facts |= _metric_facts(metric, roles)
        return facts

    def metrics(self) -> Iterator[Any]:
        """Yield all metrics."""
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                yield from scope.metrics


def is_of_message(span: ReadableSpan) -> bool:
    """Return whether a span is that of one ASGI message."""
    return span.kind.name == "INTERNAL" and span.name.endswith(_OF_MESSAGES)


def _id(span: ReadableSpan) -> int:
    return span.get_span_context().span_id


def _roles(spans: Iterator[ReadableSpan]) -> Iterator[tuple[int, str]]:
    counts: dict[str, int] = {}
    for span in spans:
        kind = span.kind.name.lower()
        counts[kind] = number = counts.get(kind, 0) + 1
        yield _id(span), kind + (f" {number}" if number > 1 else "")


def _span_facts(span: ReadableSpan, after: object, roles: Mapping[int, str]) -> Facts:
    role = roles[_id(span)]
    context = span.get_span_context()
    facts: Facts = {
        f"{role} name": span.name,
        f"{role} parent": _parent(span, roles),
        f"{role} status": (span.status.status_code.name, span.status.description),
        f"{role} ended after": after,
        f"{role} events": tuple(map(_event, span.events)),
        f"{role} links": len(span.links),
        f"{role} trace state": context.trace_state.to_header(),
        f"{role} flags": int(context.trace_flags),
    }
    for key, value in (span.attributes or {}).items():
        # How long it takes is not to be compared, only that it is said.
        facts[f"{role} {key}"] = value if not key.endswith(_SECONDS) else _said(value)
    return facts


def _said(seconds: float) -> str:
    return "seconds" if seconds > 0 else f"{seconds} seconds"


def _parent(span: ReadableSpan, roles: Mapping[int, str]) -> str | None:
    if span.parent is None:
        return None
    if not span.parent.is_remote:
        return roles.get(span.parent.span_id, "?")
    ids = f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}"
    return "the caller" if ids == (CALLER_TRACE, CALLER_SPAN) else "another caller"


def _event(event: Any) -> tuple[Any, ...]:
    said = dict(event.attributes)
    if "exception.stacktrace" in said:
        said["exception.stacktrace"] = "Traceback" in said["exception.stacktrace"]
    # By its last name: where a class is defined is not the question.
    if "exception.type" in said:
        said["exception.type"] = said["exception.type"].rpartition(".")[2]
    return event.name, tuple(sorted(said.items()))


def _metric_facts(metric: Any, roles: Mapping[int, str]) -> Facts:
    name = metric.name
    facts: Facts = {f"{name} unit": metric.unit, f"{name} kind": type(metric.data).__name__}
    for number, point in enumerate(_ordered(metric.data.data_points, roles)):
        place = f"{name}" + (f" #{number + 1}" if number else "")
        for key, value in point.attributes.items():
            facts[f"{place}: {key}"] = value
        if hasattr(point, "count"):
            facts[f"{place} led to"] = _led_to(point, roles)
            facts[f"{place} count"] = point.count
            in_bytes = metric.unit == "By"
            facts[f"{place} sum"] = point.sum if in_bytes else point.sum > 0
            if not in_bytes:  # ours are of another scale: the second entry of the list
                facts[f"{place} bounds"] = tuple(map(float, point.explicit_bounds))
        else:
            facts[f"{place} value"] = point.value
    return facts


def _led_to(point: Any, roles: Mapping[int, str]) -> tuple[str, ...]:
    found = tuple(sorted(roles.get(exemplar.span_id, "?") for exemplar in point.exemplars))
    # Of several requests in a bucket one is kept, and which buckets they are in is chance.
    if "?" in found or getattr(point, "count", 0) < 2:
        return found
    return ("one of them",) if found else ()


def _ordered(points: Sequence[Any], roles: Mapping[int, str]) -> list[Any]:
    """Return the points of outer spans first: where one side has more, those are the inner ones."""

    def place(point: Any) -> Any:
        inner = any(role.startswith("internal") for role in _led_to(point, roles))
        return inner, sorted(map(repr, point.attributes.items()))

    return sorted(points, key=place)
