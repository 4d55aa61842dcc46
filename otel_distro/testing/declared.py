"""Whether what was emitted is what the catalogue says."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from otel_distro.catalogue import CATALOGUE, Catalogue, Instrument, Kind

if TYPE_CHECKING:
    from otel_distro.testing.capture import CapturedTelemetry, Stream

# Of the specification, for the sets of attributes beyond the limit.
_OVERFLOW: Final = "otel.metric.overflow"
_SHAPES: Final = {
    Kind.COUNTER: "counter",
    Kind.OBSERVABLE_COUNTER: "counter",
    Kind.UP_DOWN_COUNTER: "updowncounter",
    Kind.OBSERVABLE_UP_DOWN_COUNTER: "updowncounter",
    Kind.GAUGE: "gauge",
    Kind.OBSERVABLE_GAUGE: "gauge",
    Kind.HISTOGRAM: "histogram",
}

# What libraries report by themselves follows their conventions, not an application's catalogue.
_INSTRUMENTATION: Final = ("opentelemetry.", "fastapi")


def assert_catalogue(
    telemetry: "CapturedTelemetry", *, catalogue: Catalogue = CATALOGUE, any_scope: bool = False
) -> None:
    """Fail when an instrument was emitted that is not in the catalogue, or differs from it.

    Compared are kind, unit, the names of attributes, and their values where the entry lists them.
    What `metrics.measure` makes, `{name}.duration` with `{name}.calls`, needs no entry.

    Args:
        telemetry: The fixture.
        catalogue: What is declared.
        any_scope: Compare also what instrumentation libraries emit by their own meters.

    Raises:
        AssertionError: With a line for each difference.
    """
    streams = [
        stream
        for stream in telemetry.streams()
        if any_scope or not stream.scope.startswith(_INSTRUMENTATION)
    ]
    names = {stream.metric.name for stream in streams}
    problems: list[str] = []
    for stream in streams:
        entry = catalogue.get(stream.metric.name)
        if entry is not None:
            problems += _differences(stream, entry)
        elif not _measured(stream, names):
            problems.append(
                f"{stream.metric.name} ({_shape(stream)}, unit {stream.metric.unit!r}) is not in "
                "the catalogue; add it by otel_distro.catalogue.register(Instrument(...))"
            )
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in dict.fromkeys(problems))
        raise AssertionError(f"what was emitted differs from the catalogue:{lines}")


def _differences(stream: "Stream", entry: Instrument) -> Iterator[str]:
    name, metric = entry.name, stream.metric
    if _shape(stream) != _SHAPES[entry.kind]:
        yield f"{name} is a {_shape(stream)}, and declared as {entry.kind.value}"
    if (metric.unit or "") != entry.unit:
        yield f"{name} has unit {metric.unit!r}, and declares {entry.unit!r}"
    declared = {attribute.name: attribute.values for attribute in entry.attributes}
    for key, value in _attributes(stream):
        if key not in declared:
            has = ", ".join(declared) or "none"
            yield f"{name} has attribute {key}={value!r}, and declares {has}"
        elif declared[key] and value not in declared[key]:
            yield f"{name} has {key}={value!r}, and declares {', '.join(declared[key])}"


def _measured(stream: "Stream", names: set[str]) -> bool:
    from otel_distro.instruments.outcomes import STATUSES

    name, metric = stream.metric.name, stream.metric
    if (_shape(stream), metric.unit) == ("histogram", "ms") and name.endswith(".duration"):
        pair = f"{name.removesuffix('.duration')}.calls"
    elif (_shape(stream), metric.unit) == ("counter", "{call}") and name.endswith(".calls"):
        pair = f"{name.removesuffix('.calls')}.duration"
    else:
        return False
    points = [dict(point.attributes or {}) for point in metric.data.data_points]
    return pair in names and all(
        point.get("status") in STATUSES or _OVERFLOW in point for point in points
    )


def _attributes(stream: "Stream") -> Iterator[tuple[str, Any]]:
    for point in stream.metric.data.data_points:
        for key, value in (point.attributes or {}).items():
            if key != _OVERFLOW:
                yield key, value


def _shape(stream: "Stream") -> str:
    """Return the kind as it can be told from data: whether it was observed cannot."""
    data: Any = stream.metric.data
    if type(data).__name__ == "Sum":
        return "counter" if data.is_monotonic else "updowncounter"
    return "gauge" if type(data).__name__ == "Gauge" else "histogram"
