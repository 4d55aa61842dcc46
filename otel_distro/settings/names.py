"""The names of every setting. Nothing else may spell one.

`OTEL_*` mean what the OpenTelemetry specification says
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/);
`BLIPEE_OTEL_*` exist only where OpenTelemetry has no variable.
"""

from typing import Final

from otel_distro.delivery import Signal

# General
SDK_DISABLED: Final = "OTEL_SDK_DISABLED"
CONFIG_FILE: Final = "OTEL_CONFIG_FILE"
SERVICE_NAME: Final = "OTEL_SERVICE_NAME"
RESOURCE_ATTRIBUTES: Final = "OTEL_RESOURCE_ATTRIBUTES"
RESOURCE_DETECTORS: Final = "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS"
PROPAGATORS: Final = "OTEL_PROPAGATORS"
CONTEXT: Final = "OTEL_PYTHON_CONTEXT"
DISTRO: Final = "OTEL_PYTHON_DISTRO"
CONFIGURATOR: Final = "OTEL_PYTHON_CONFIGURATOR"

# Traces
TRACES_SAMPLER: Final = "OTEL_TRACES_SAMPLER"
TRACES_SAMPLER_ARG: Final = "OTEL_TRACES_SAMPLER_ARG"
ID_GENERATOR: Final = "OTEL_PYTHON_ID_GENERATOR"

# Limits: all are whole numbers, unset means the specification's default
LIMITS: Final = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
)

# Batching, for spans (BSP) and log records (BLRP)
BATCHES: Final[dict[Signal, str]] = {"traces": "OTEL_BSP", "logs": "OTEL_BLRP"}
SCHEDULE_DELAY: Final = "SCHEDULE_DELAY"
EXPORT_TIMEOUT: Final = "EXPORT_TIMEOUT"
MAX_QUEUE_SIZE: Final = "MAX_QUEUE_SIZE"
MAX_EXPORT_BATCH_SIZE: Final = "MAX_EXPORT_BATCH_SIZE"

# Metrics
METRIC_EXPORT_INTERVAL: Final = "OTEL_METRIC_EXPORT_INTERVAL"
METRIC_EXPORT_TIMEOUT: Final = "OTEL_METRIC_EXPORT_TIMEOUT"
EXEMPLAR_FILTER: Final = "OTEL_METRICS_EXEMPLAR_FILTER"
TEMPORALITY: Final = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
HISTOGRAM_AGGREGATION: Final = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"

# Of a fixed set, the default first; read by the SDK and its exporters themselves
CHOICES: Final = {
    EXEMPLAR_FILTER: ("trace_based", "always_on", "always_off"),
    TEMPORALITY: ("cumulative", "delta", "lowmemory"),
    HISTOGRAM_AGGREGATION: ("explicit_bucket_histogram", "base2_exponential_bucket_histogram"),
}

# Exporters
EXPORTERS: Final[dict[Signal, str]] = {
    "traces": "OTEL_TRACES_EXPORTER",
    "metrics": "OTEL_METRICS_EXPORTER",
    "logs": "OTEL_LOGS_EXPORTER",
}
OTLP_PREFIX: Final = "OTEL_EXPORTER_OTLP"


def otlp(setting: str, signal: Signal | None = None) -> str:
    """Name of an OTLP exporter setting: general, or that of one signal."""
    return f"{OTLP_PREFIX}_{signal.upper()}_{setting}" if signal else f"{OTLP_PREFIX}_{setting}"


# Instrumentation
SEMCONV_OPT_IN: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
EXCLUDED_URLS: Final = "OTEL_PYTHON_EXCLUDED_URLS"
FASTAPI_EXCLUDED_URLS: Final = "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS"
# Of upstream's server instrumentations, which read them when they are imported.
SERVERS_EXCLUDED_URLS: Final = tuple(
    f"OTEL_PYTHON_{server}_EXCLUDED_URLS"
    for server in ("DJANGO", "FALCON", "FLASK", "PYRAMID", "STARLETTE", "TORNADO")
)
DISABLED_INSTRUMENTATIONS: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
LOG_HANDLER_LEVEL: Final = "OTEL_PYTHON_LOG_HANDLER_LEVEL"
LOG_CODE_ATTRIBUTES: Final = "OTEL_PYTHON_LOG_CODE_ATTRIBUTES"
LOG_CORRELATION: Final = "OTEL_PYTHON_LOG_CORRELATION"

# Ours
OURS_PREFIX: Final = "BLIPEE_OTEL_"
SERVICE_KIND: Final = "BLIPEE_OTEL_SERVICE_KIND"
ENVIRONMENT: Final = "BLIPEE_OTEL_ENVIRONMENT"
INSTRUMENTATION: Final = "BLIPEE_OTEL_INSTRUMENTATION"
HEALTH_URLS: Final = "BLIPEE_OTEL_HEALTH_URLS"
METRIC_NAMES: Final = "BLIPEE_OTEL_METRICS"
LOG_FORMAT: Final = "BLIPEE_OTEL_LOG_FORMAT"
LOG_LEVEL: Final = "BLIPEE_OTEL_LOG_LEVEL"
SPOOL: Final = "BLIPEE_OTEL_SPOOL"
SPOOL_DIR: Final = "BLIPEE_OTEL_SPOOL_DIR"
SPOOL_MAX_SIZE: Final = "BLIPEE_OTEL_SPOOL_MAX_SIZE"
SPOOL_RETENTION: Final = "BLIPEE_OTEL_SPOOL_RETENTION"
SPOOL_WINDOW: Final = "BLIPEE_OTEL_SPOOL_WINDOW"
SPOOL_FSYNC: Final = "BLIPEE_OTEL_SPOOL_FSYNC"
SHUTDOWN_TIMEOUT: Final = "BLIPEE_OTEL_SHUTDOWN_TIMEOUT"
CPU_BUDGET: Final = "BLIPEE_OTEL_CPU_BUDGET"
STREAMS_IN_LATENCY: Final = "BLIPEE_OTEL_STREAMS_IN_LATENCY"
OURS: Final = (
    SERVICE_KIND,
    ENVIRONMENT,
    INSTRUMENTATION,
    HEALTH_URLS,
    METRIC_NAMES,
    LOG_FORMAT,
    LOG_LEVEL,
    SPOOL,
    SPOOL_DIR,
    SPOOL_MAX_SIZE,
    SPOOL_RETENTION,
    SPOOL_WINDOW,
    SPOOL_FSYNC,
    SHUTDOWN_TIMEOUT,
    CPU_BUDGET,
    STREAMS_IN_LATENCY,
)
# Everybody's: where a program keeps what it needs later (https://specifications.freedesktop.org/basedir-spec/).
STATE_HOME: Final = "XDG_STATE_HOME"
HOME: Final = "HOME"
# The seed's name for the version of the running application.
APP_VERSION: Final = "APP_VERSION"
# The seed's names for where one signal goes.
SEED_ENDPOINTS: Final[dict[Signal, str]] = {"logs": "LOG_ENDPOINT", "metrics": "METRICS_ENDPOINT"}
# Everybody's: any value means no colors (https://no-color.org).
NO_COLOR: Final = "NO_COLOR"
