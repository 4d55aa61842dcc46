"""Reads what arrived at the Collector's far side: OTLP JSON, one document a line."""

import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_TRACES = 500


@dataclass(slots=True)
class Counts:
    """What arrived from one service.

    Attributes:
        spans: Spans.
        metrics: Names of metrics.
        points: Data points of metrics.
        logs: Log records.
        logs_in_traces: Log records that carry a trace id.
    """

    spans: int = 0
    metrics: set[str] = field(default_factory=set)
    points: int = 0
    logs: int = 0
    logs_in_traces: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """One span as it arrived. Times in nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    start: int
    end: int
    failed: bool


class Arrivals:
    """Counts by service, and the latest traces. `read()` takes in what is new."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[str, int] = {}
        self.counts: dict[str, Counts] = {}
        self.traces: OrderedDict[str, list[Span]] = OrderedDict()
        self.logs_of_trace: dict[str, int] = {}

    def read(self) -> None:
        """Take in the complete lines written since the last call."""
        for document in self._documents("traces.jsonl"):
            for service, span in _records(document, "resourceSpans", "scopeSpans", "spans"):
                self._count(service).spans += 1
                self._keep(_span(service, span))
        for document in self._documents("metrics.jsonl"):
            for service, metric in _records(document, "resourceMetrics", "scopeMetrics", "metrics"):
                counts = self._count(service)
                counts.metrics.add(metric["name"])
                counts.points += sum(
                    len(data.get("dataPoints", ()))
                    for data in metric.values()
                    if isinstance(data, dict)
                )
        for document in self._documents("logs.jsonl"):
            for service, record in _records(document, "resourceLogs", "scopeLogs", "logRecords"):
                counts = self._count(service)
                counts.logs += 1
                if record.get("traceId"):
                    counts.logs_in_traces += 1
                    trace = record["traceId"]
                    self.logs_of_trace[trace] = self.logs_of_trace.get(trace, 0) + 1

    def last_trace_through(self, services: tuple[str, ...]) -> list[Span] | None:
        """Return the latest trace that has spans of all these services."""
        wanted = set(services)
        for spans in reversed(self.traces.values()):
            if wanted <= {span.service for span in spans}:
                return spans
        return None

    def missing(self, services: tuple[str, ...]) -> list[str]:
        """Return a phrase for each thing that should have arrived and did not."""
        phrases = [
            f"no {signal} of {service}"
            for service in services
            for signal in ("spans", "metrics", "logs")
            if not getattr(self.counts.get(service, Counts()), signal)
        ]
        if self.last_trace_through(services) is None:
            phrases.append("no trace through all of " + ", ".join(services))
        return phrases

    def _count(self, service: str) -> Counts:
        return self.counts.setdefault(service, Counts())

    def _keep(self, span: Span) -> None:
        self.traces.setdefault(span.trace_id, []).append(span)
        while len(self.traces) > MAX_TRACES:
            old, _ = self.traces.popitem(last=False)
            self.logs_of_trace.pop(old, None)

    def _documents(self, name: str) -> Iterator[dict[str, Any]]:
        path = self._folder / name
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._offsets.get(name, 0))
            for line in file:
                if not line.endswith(b"\n"):
                    return  # still being written
                self._offsets[name] = self._offsets.get(name, 0) + len(line)
                yield json.loads(line)


def _records(
    document: dict[str, Any], resources: str, scopes: str, records: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in document.get(resources, ()):
        service = next(
            (
                attribute["value"].get("stringValue", "")
                for attribute in resource["resource"].get("attributes", ())
                if attribute["key"] == "service.name"
            ),
            "",
        )
        for scope in resource.get(scopes, ()):
            for record in scope.get(records, ()):
                yield service, record


def _span(service: str, span: dict[str, Any]) -> Span:
    return Span(
        trace_id=span["traceId"],
        span_id=span["spanId"],
        parent_id=span.get("parentSpanId", ""),
        service=service,
        name=span["name"],
        start=int(span["startTimeUnixNano"]),
        end=int(span["endTimeUnixNano"]),
        failed=span.get("status", {}).get("code") == 2,  # noqa: PLR2004 - STATUS_CODE_ERROR
    )
