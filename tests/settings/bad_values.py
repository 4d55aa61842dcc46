"""The table of bad values: for each, what is used instead and what the line must say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from otel_distro.settings import SIGNALS, Settings, names

HIDDEN: Final = "hunter2"
HERE: Final = __file__  # a file that can be read
BELL: Final = "\a"


@dataclass(frozen=True, kw_only=True)
class Bad:
    """One refused value.

    Attributes:
        instead: What the setting is then, as `read` returns it.
        kept: What the variable is corrected to; None where nothing of it is good.
        says: What the line must contain beside the variable, the value and a fix.
        given: Other variables that the case needs.
    """

    variable: str
    value: str
    instead: Any
    kept: str | None = None
    says: tuple[str, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.variable}={self.value[:30]!r}"

    @property
    def environment(self) -> dict[str, str]:
        return {**self.given, self.variable: self.value}

    def read(self, settings: Settings) -> Any:
        return READ.get(self.variable, lambda _: None)(settings)


def _otlp(of: Callable[[Any], Any]) -> Callable[[str], Callable[[Settings], Any]]:
    return lambda signal: lambda settings: of(settings.exports[signal].endpoint)


_OTLP = {
    "ENDPOINT": _otlp(lambda endpoint: endpoint.url),
    "PROTOCOL": _otlp(lambda endpoint: endpoint.protocol),
    "HEADERS": _otlp(lambda endpoint: endpoint.headers),
    "TIMEOUT": _otlp(lambda endpoint: endpoint.timeout_s),
    "COMPRESSION": _otlp(lambda endpoint: endpoint.compression),
    "INSECURE": _otlp(lambda endpoint: endpoint.insecure),
    "CERTIFICATE": _otlp(lambda endpoint: endpoint.certificate),
    "CLIENT_KEY": _otlp(lambda endpoint: endpoint.client_key),
    "CLIENT_CERTIFICATE": _otlp(lambda endpoint: endpoint.client_certificate),
}
_BATCH = {
    names.SCHEDULE_DELAY: lambda batch: batch.schedule_delay_ms,
    names.EXPORT_TIMEOUT: lambda batch: batch.export_timeout_ms,
    names.MAX_QUEUE_SIZE: lambda batch: batch.max_queue_size,
    names.MAX_EXPORT_BATCH_SIZE: lambda batch: batch.max_export_batch_size,
}


def _batch(signal: str, part: str) -> Callable[[Settings], Any]:
    return lambda settings: _BATCH[part](settings.batches[signal])


def _exporters(signal: str) -> Callable[[Settings], Any]:
    return lambda settings: settings.exports[signal].exporters


# Variable → where its value is. Variables that only the SDK reads are not here.
READ: Final[dict[str, Callable[[Settings], Any]]] = {
    names.SDK_DISABLED: lambda s: s.disabled,
    names.CONFIG_FILE: lambda s: s.config_file,
    names.SERVICE_NAME: lambda s: s.service.name,
    names.RESOURCE_ATTRIBUTES: lambda s: s.service.name,
    names.RESOURCE_DETECTORS: lambda s: s.resource_detectors,
    names.PROPAGATORS: lambda s: s.propagators,
    names.TRACES_SAMPLER: lambda s: s.sampling.sampler,
    names.TRACES_SAMPLER_ARG: lambda s: s.sampling.argument,
    names.ID_GENERATOR: lambda s: s.id_generator,
    names.METRIC_EXPORT_INTERVAL: lambda s: s.metric_interval_ms,
    names.METRIC_EXPORT_TIMEOUT: lambda s: s.metric_timeout_ms,
    names.EXCLUDED_URLS: lambda s: s.excluded_urls[:-1],
    names.FASTAPI_EXCLUDED_URLS: lambda s: s.excluded_urls[:-1],
    names.HEALTH_URLS: lambda s: s.excluded_urls,
    names.DISABLED_INSTRUMENTATIONS: lambda s: s.disabled_instrumentations,
    names.LOG_HANDLER_LEVEL: lambda s: s.log_capture.level,
    names.LOG_CODE_ATTRIBUTES: lambda s: s.log_capture.code_attributes,
    names.SERVICE_KIND: lambda s: s.service.kind,
    names.ENVIRONMENT: lambda s: s.service.environment,
    names.APP_VERSION: lambda s: s.service.version,
    names.INSTRUMENTATION: lambda s: s.instrumentation,
    names.CPU_BUDGET: lambda s: s.cpu_budget,
    names.STREAMS_IN_LATENCY: lambda s: s.streams_in_latency,
    **{name: _exporters(signal) for signal, name in names.EXPORTERS.items()},
    **{
        f"{prefix}_{part}": _batch(signal, part)
        for signal, prefix in names.BATCHES.items()
        for part in _BATCH
    },
    **{
        names.otlp(setting, signal): read(signal)
        for setting, read in _OTLP.items()
        for signal in SIGNALS
    },
    **{names.otlp(setting): read("traces") for setting, read in _OTLP.items()},
}


def bad(
    variable: str,
    value: str,
    instead: Any = None,
    *says: str,
    kept: str | None = None,
    **given: str,
) -> Bad:
    return Bad(variable=variable, value=value, instead=instead, kept=kept, says=says, given=given)


_DETECTORS = ("service_instance", "process", "host", "os", "containerid")
_W3C = ("tracecontext", "baggage")
_TRACES = "http://localhost:4318/v1/traces"
_HEALTH = r"^https?://[^/]+(/api(/v[0-9]+)?)?/(health|healthz|livez|readyz)(/(live|ready|startup))?/?(\?.*)?$"
_USER = "holds user information"
_RATIO = {"OTEL_TRACES_SAMPLER": "traceidratio"}
_NAMED = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=named"}
_UNNAMED = {"OTEL_SERVICE_NAME": ""}
_SENT = {"OTEL_TRACES_EXPORTER": "otlp"}

# fmt: off
BAD: Final = (
    # general
    bad("OTEL_SDK_DISABLED", "yes", False, "true or false"),
    bad("OTEL_CONFIG_FILE", "/nonexistent/otel.yaml", None, "No such file", "using no file"),
    bad("OTEL_SERVICE_NAME", f"api{BELL}", "named", "cannot be printed", **_NAMED),
    bad("OTEL_RESOURCE_ATTRIBUTES", "team", "app", "'team'", "key1=value1"),
    bad("OTEL_RESOURCE_ATTRIBUTES", "service.name=api,team,", "api", "'team'",
        kept="service.name=api", **_UNNAMED),
    bad("OTEL_RESOURCE_ATTRIBUTES", "the team=core", "app", "'the team=core'"),
    bad("OTEL_RESOURCE_ATTRIBUTES", "team=a%0Ab", "app", "'team=a%0Ab'"),
    bad("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "proces", _DETECTORS, "did you mean process?"),
    bad("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "gcp, process", _DETECTORS, "'gcp'",
        kept="process"),
    bad("OTEL_PROPAGATORS", "tracecontex", _W3C, "did you mean tracecontext?"),
    bad("OTEL_PROPAGATORS", "b3multi,baggage", ("baggage",), "'b3multi'", kept="baggage"),
    bad("OTEL_PYTHON_CONTEXT", "contextvars", None, "did you mean contextvars_context?"),
    bad("OTEL_PYTHON_CONTEXT", ",", None, "not one name"),
    # traces
    bad("OTEL_TRACES_SAMPLER", "alwayson", "parentbased_always_on", "did you mean always_on?"),
    bad("OTEL_TRACES_SAMPLER", "nope,always_off", "always_off", "'nope'", kept="always_off"),
    bad("OTEL_TRACES_SAMPLER", "nope,always_on,always_off", "parentbased_always_on", "'nope'"),
    bad("OTEL_TRACES_SAMPLER_ARG", "10%", "1.0", "from 0 to 1", "e.g. 0.1", **_RATIO),
    bad("OTEL_TRACES_SAMPLER_ARG", "1.01", "1.0", "from 0 to 1", **_RATIO),
    bad("OTEL_TRACES_SAMPLER_ARG", "nan", "1.0", "from 0 to 1", **_RATIO),
    bad("OTEL_PYTHON_ID_GENERATOR", "xray", "random", "'xray'", "one of random"),
    # limits, read by the SDK alone, which raises for these
    bad("OTEL_ATTRIBUTE_COUNT_LIMIT", "-1", None, "below 0"),
    bad("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1kB", None, "whole number"),
    bad("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "128.0", None, "whole number"),
    bad("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1e3", None, "whole number"),
    bad("OTEL_SPAN_EVENT_COUNT_LIMIT", "many", None, "the standard limit"),
    bad("OTEL_SPAN_LINK_COUNT_LIMIT", "1,000", None, "whole number"),
    bad("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "0x10", None, "whole number"),
    bad("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "9" * 12, None, "above"),
    bad("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "-5", None, "below 0"),
    bad("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "none", None, "whole number"),
    # batches
    bad("OTEL_BSP_SCHEDULE_DELAY", "5s", 5000, "milliseconds", "e.g. 5000"),
    bad("OTEL_BSP_EXPORT_TIMEOUT", "9" * 40, 30_000, "above"),
    bad("OTEL_BSP_MAX_QUEUE_SIZE", "0", 16384, "below 1"),
    bad("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "20000", 16384, "above the queue's size 16384",
        kept="16384"),
    bad("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "200", 100, "at most 100", kept="100",
        OTEL_BSP_MAX_QUEUE_SIZE="100"),
    bad("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1", 100, "below 1", "using 100",
        OTEL_BSP_MAX_QUEUE_SIZE="100"),
    bad("OTEL_BLRP_SCHEDULE_DELAY", "1 s", 1000, "milliseconds", "e.g. 1000"),
    bad("OTEL_BLRP_EXPORT_TIMEOUT", "1.5", 30_000, "whole number"),
    bad("OTEL_BLRP_MAX_QUEUE_SIZE", "-2048", 16384, "below 1"),
    # metrics
    bad("OTEL_METRIC_EXPORT_INTERVAL", "15s", 15_000, "milliseconds", "e.g. 15000"),
    bad("OTEL_METRIC_EXPORT_TIMEOUT", "inf", 30_000, "milliseconds"),
    bad("OTEL_METRICS_EXEMPLAR_FILTER", "tracebased", None, "did you mean trace_based?"),
    bad("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "deltas", None,
        "did you mean delta?"),
    bad("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "exponential", None,
        "base2_exponential_bucket_histogram"),
    # exporters
    bad("OTEL_TRACES_EXPORTER", "oltp", ("otlp",), "did you mean otlp?"),
    bad("OTEL_TRACES_EXPORTER", "console,,jaeger", ("console",), "'jaeger'", kept="console"),
    bad("OTEL_METRICS_EXPORTER", "prometheus", ("otlp",), "not installed"),
    bad("OTEL_LOGS_EXPORTER", "Console", ("otlp",), "did you mean console?"),
    bad("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", _TRACES, "http:// or https://",
        kept="http://localhost:4318", **_SENT),
    bad("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector:21", _TRACES, "http:// or https://"),
    bad("OTEL_EXPORTER_OTLP_ENDPOINT", "http:/localhost:4318", _TRACES, "http:// or https://"),
    bad("OTEL_EXPORTER_OTLP_ENDPOINT", "http://:4318", _TRACES, "no host"),
    bad("OTEL_EXPORTER_OTLP_ENDPOINT", "http://local host:4318", _TRACES, "white space"),
    bad("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://local{BELL}host:4318", _TRACES, "\\x07"),
    bad("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:99999", _TRACES, "1 to 65535"),
    bad("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:${PORT}", _TRACES, "1 to 65535"),
    bad("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1:4318", _TRACES, "not a URL", **_SENT),
    bad("OTEL_EXPORTER_OTLP_ENDPOINT", f"me:{HIDDEN}@localhost:4318", _TRACES, "using the rest",
        kept=f"http://me:{HIDDEN}@localhost:4318"),
    bad("OTEL_EXPORTER_OTLP_ENDPOINT", f"ftp://me:{HIDDEN}@localhost", _TRACES, "http://"),
    bad("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://me:{HIDDEN}@localhost:99999", _TRACES, "65535"),
    bad("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:99999", "http://localhost:4317",
        "1 to 65535", OTEL_EXPORTER_OTLP_PROTOCOL="grpc", **_SENT),
    bad("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4318/v1/traces", _TRACES,
        kept="http://localhost:4318/v1/traces"),
    bad("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "file:///tmp/metrics",
        "http://collector/v1/metrics", "http:// or https://",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://collector"),
    bad("OTEL_EXPORTER_OTLP_PROTOCOL", "http", "http/protobuf", "grpc, http/protobuf"),
    bad("OTEL_EXPORTER_OTLP_PROTOCOL", "http/proto", "http/protobuf",
        "did you mean http/protobuf?"),
    bad("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "gprc", "grpc", "did you mean grpc?", "using grpc",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc"),
    bad("OTEL_EXPORTER_OTLP_HEADERS", HIDDEN, {}, "key=value", "using no headers"),
    bad("OTEL_EXPORTER_OTLP_HEADERS", f"api-key={HIDDEN},Bearer {HIDDEN}", {"api-key": HIDDEN},
        "using the rest", kept=f"api-key={HIDDEN}"),
    bad("OTEL_EXPORTER_OTLP_HEADERS", f"api-key={HIDDEN}%0D%0Ax: y", {}, "key=value"),
    bad("OTEL_EXPORTER_OTLP_HEADERS", f"x:y={HIDDEN},city=Malmö,a=b", {"a": "b"}, "key=value",
        kept="a=b"),
    bad("OTEL_EXPORTER_OTLP_METRICS_HEADERS", f"api key={HIDDEN}", {"a": "b"},
        "using those of OTEL_EXPORTER_OTLP_HEADERS", OTEL_EXPORTER_OTLP_HEADERS="a=b"),
    bad("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", 10.0, "milliseconds", "e.g. 10000"),
    bad("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0.5", 2.0, "using 2000",
        OTEL_EXPORTER_OTLP_TIMEOUT="2000"),
    bad("OTEL_EXPORTER_OTLP_COMPRESSION", "zip", "none", "did you mean gzip?"),
    bad("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "true", "gzip", "using gzip",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip"),
    bad("OTEL_EXPORTER_OTLP_INSECURE", "1", None, "true or false"),
    bad("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent/ca.pem", None, "No such file"),
    bad("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/", HERE, "directory",
        OTEL_EXPORTER_OTLP_CERTIFICATE=HERE),
    bad("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/nonexistent/key.pem", None, "No such file"),
    bad("OTEL_EXPORTER_OTLP_CLIENT_KEY", HERE, None, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
    bad("OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE", HERE, None,
        "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
    # instrumentation
    bad("OTEL_PYTHON_EXCLUDED_URLS", "/internal/[", (), "not a regular expression"),
    bad("OTEL_PYTHON_EXCLUDED_URLS", "*,/ping,(", ("/ping",), "'*'", kept="/ping"),
    bad("OTEL_PYTHON_EXCLUDED_URLS", "a{99999999999}", (), "not a regular expression"),
    bad("OTEL_PYTHON_EXCLUDED_URLS", "(" * 5000 + ")" * 5000, (), "not a regular expression"),
    bad("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "/a,(?i)/b", ("/a",), "'(?i)/b'", kept="/a"),
    bad("BLIPEE_OTEL_HEALTH_URLS", "?", (_HEALTH,), "not a regular expression"),
    bad("OTEL_PYTHON_LOG_HANDLER_LEVEL", "infos", 0, "did you mean info?"),
    bad("OTEL_PYTHON_LOG_CODE_ATTRIBUTES", "on", False, "true or false"),
    # ours
    bad("BLIPEE_OTEL_SERVICE_KIND", "apis", None, "did you mean api?"),
    bad("BLIPEE_OTEL_ENVIRONMENT", "prod\x1b[31m", "development", "\\x1b"),
    bad("BLIPEE_OTEL_INSTRUMENTATION", "upsteam", "blipee", "did you mean upstream?"),
    bad("BLIPEE_OTEL_CPU_BUDGET", "3 %", 5, "from 0 to 100", "using 5"),
    bad("BLIPEE_OTEL_CPU_BUDGET", "-1", 5, "from 0 to 100"),
    bad("BLIPEE_OTEL_CPU_BUDGET", "nan", 5, "from 0 to 100"),
    bad("BLIPEE_OTEL_STREAMS_IN_LATENCY", "perhaps", False, "true", "false"),
    bad("BLIPEE_OTEL_CPU_BUDGET", "101", 5, "from 0 to 100"),
    bad("BLIPEE_OTEL_SERVICE_KINDS", "api", None, "not a setting"),
    bad("BLIPEE_OTEL_ENDPOINT", "http://collector", None, "one of BLIPEE_OTEL_SERVICE_KIND"),
    bad("APP_VERSION", "1.0\t2", "1.0.0", "cannot be printed"),
)
# fmt: on
