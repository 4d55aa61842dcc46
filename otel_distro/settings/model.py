"""The settings as one typed, immutable object. Read once, passed down."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from otel_distro.delivery import (
    Batching,
    Endpoint,
    HistogramAggregation,
    Signal,
    Temporality,
)

ServiceKind = Literal["api", "agents", "ml", "database", "frontend"]
InstrumentationSource = Literal["blipee", "upstream"]
MetricNames = Literal["both", "seed", "semconv"]
LogFormat = Literal["pretty", "json", "off"]

_NONE: Final[Mapping[str, str]] = MappingProxyType({})

# The probes of orchestrators and load balancers: once a second from everywhere, of interest to
# nobody. Matched against the whole URL, hence the anchors.
_PROBE = r"/(health|healthz|livez|readyz)(/(live|ready|startup))?/?(\?.*)?$"
DEFAULT_HEALTH_URLS: Final[tuple[str, ...]] = (rf"^https?://[^/]+(/api(/v[0-9]+)?)?{_PROBE}",)


class InCode(NamedTuple):
    """What `otel_distro.configure()` was given. It wins over the environment."""

    service_name: str | None = None
    service_version: str | None = None
    service_kind: ServiceKind | None = None
    environment: str | None = None
    resource_attributes: Mapping[str, str] = _NONE
    endpoint: str | None = None
    headers: Mapping[str, str] = _NONE

    def __repr__(self) -> str:
        """Show all but the headers: they may hold secrets."""
        shown = (f"{name}={value!r}" for name, value in self._asdict().items() if name != "headers")
        return f"InCode({', '.join(shown)})"


class Service(NamedTuple):
    """Who emits.

    Attributes:
        name: `service.name`, None where nothing says it.
        namespace: `service.namespace`.
        version: `service.version`.
        environment: `deployment.environment.name`.
        kind: `blipee.service.kind`.
        attributes: Said in code: these win over the standard resource variables, and those
            over the fields above.
    """

    name: str | None = None
    namespace: str = "blipee"
    version: str = "1.0.0"
    environment: str = "development"
    kind: ServiceKind | None = None
    attributes: Mapping[str, str] = _NONE


class Spooling(NamedTuple):
    """Where telemetry waits that cannot be delivered.

    Attributes:
        is_wanted: Whether it is to be on disk at all.
        folder: Shared by all processes of the user; None where nothing says where.
        max_mib: MiB that may be in it.
        retention_h: Hours after which what was not delivered is dropped.
        window_ms: Milliseconds of telemetry that a killed process may lose.
        fsync: Whether each write waits for the disk.
    """

    is_wanted: bool = True
    folder: Path | None = None
    max_mib: int = 256
    retention_h: int = 48
    window_ms: int = 200
    fsync: bool = False


class Export(NamedTuple):
    """Where the records of one signal go.

    Attributes:
        exporters: Names: `otlp`, `console`, or those of installed plugins; empty for none.
        endpoint: Of the OTLP exporter.
    """

    exporters: tuple[str, ...]
    endpoint: Endpoint


class Sampling(NamedTuple):
    """Which traces are recorded.

    Attributes:
        sampler: A standard name or that of an installed plugin.
        argument: The plugin's argument, or the ratio as text.
    """

    sampler: str = "parentbased_always_on"
    argument: str | None = None


class LogCapture(NamedTuple):
    """What of the standard `logging` is exported.

    Attributes:
        level: The numeric level from which on records are exported.
        code_attributes: Whether file, function and line are sent with each record.
    """

    level: int = 0
    code_attributes: bool = False


class LogOutput(NamedTuple):
    """How the logger prints, where the application has no handlers.

    Attributes:
        format: For people, as JSON, or not at all.
        level: The numeric level from which on our loggers speak.
        level_is_set: Whether somebody said the level: it then counts for our loggers even where
            the application has configured others.
        colors: Whether a terminal gets colors.
    """

    format: LogFormat = "pretty"
    level: int = 10
    level_is_set: bool = False
    colors: bool = True


class Settings(NamedTuple):
    """Everything that can be set.

    Attributes:
        cpu_budget: Percent of a processor that telemetry may take; 0 for whatever it takes.
        streams_in_latency: Whether answers sent in parts count in the histograms of latency.
        log_correlation: Whether upstream is to put trace ids into the lines of `logging`.
        problems: One line for each value that was refused: which, why, what to write.
        corrections: What the environment must hold for the parts that read it themselves (the
            SDK and the instrumentation libraries): refused values taken out (None), our
            defaults put in.
    """

    service: Service
    exports: Mapping[Signal, Export]
    batches: Mapping[Signal, Batching]
    cpu_budget: float
    sampling: Sampling
    id_generator: str
    propagators: tuple[str, ...]
    resource_detectors: tuple[str, ...]
    metric_names: MetricNames
    metric_interval_ms: int
    metric_timeout_ms: int
    log_capture: LogCapture
    excluded_urls: tuple[str, ...]
    disabled_instrumentations: tuple[str, ...]
    instrumentation: InstrumentationSource
    disabled: bool = False
    config_file: str | None = None
    spooling: Spooling = Spooling()
    shutdown_timeout_ms: int = 3000
    metric_temporality: Temporality = "cumulative"
    metric_histograms: HistogramAggregation = "explicit_bucket_histogram"
    log_output: LogOutput = LogOutput()
    log_correlation: bool = False
    streams_in_latency: bool = False
    problems: tuple[str, ...] = ()
    corrections: Mapping[str, str | None] = MappingProxyType({})

    def correct_environment(self) -> None:
        """Apply `corrections` to this process and, through it, to its children.

        Children then start clean and do not repeat the lines about refused values.
        """
        for name, value in self.corrections.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
