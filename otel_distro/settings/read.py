"""From the environment to `Settings`."""

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Final, cast, get_args

from otel_distro.delivery import Compression, Endpoint, Protocol
from otel_distro.settings import names, parsing
from otel_distro.settings.model import (
    DEFAULT_HEALTH_URLS,
    Batch,
    Export,
    InstrumentationSource,
    LogCapture,
    Sampling,
    Service,
    ServiceKind,
    Settings,
)
from otel_distro.settings.names import SIGNALS, Signal
from otel_distro.settings.parsing import Invalid
from otel_distro.settings.reader import Reader

# Rate windows of the alert rules need four points: the SDK's 60 s leaves a 2 min window empty.
METRIC_INTERVAL_MS: Final = 15_000
SEMCONV_OPT_IN: Final = "http,database"
STANDARD_DETECTORS: Final = ("service_instance", "process", "host", "os", "containerid")

_DEFAULT_URL: Final[dict[Protocol, str]] = {
    "http/protobuf": "http://localhost:4318",
    "grpc": "http://localhost:4317",
}
_RATIO_SAMPLERS: Final = frozenset({"traceidratio", "parentbased_traceidratio"})
_SAMPLERS: Final = _RATIO_SAMPLERS | {
    "always_on",
    "always_off",
    "parentbased_always_on",
    "parentbased_always_off",
}
# The specification's defaults; logs are sent sooner than spans.
_BATCHES: Final[dict[Signal, Batch]] = {
    "traces": Batch(),
    "logs": Batch(schedule_delay_ms=1000),
}
_LOG_LEVELS: Final = {
    "notset": logging.NOTSET,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "fatal": logging.CRITICAL,
}


def read_settings(environ: Mapping[str, str] | None = None, **code: Any) -> Settings:
    """Read the settings.

    Args:
        environ: The environment; the process's own by default.
        code: Fields of `Service` and `Endpoint` that were said in code; they win.

    Returns:
        Settings that are always usable: what was refused is in `problems`.
    """
    reader = Reader(os.environ if environ is None else environ)
    if reader.get(names.SDK_DISABLED, parsing.boolean, False):  # noqa: FBT003
        # Nothing else is read: a disabled SDK leaves nothing behind, not even complaints.
        return _assemble(Reader({}), {}, disabled=True)
    return _assemble(reader, code, disabled=False)


def _assemble(reader: Reader, code: Mapping[str, Any], *, disabled: bool) -> Settings:
    said = {name: value for name, value in code.items() if value is not None}
    health = reader.get(names.HEALTH_URLS, parsing.patterns, DEFAULT_HEALTH_URLS)
    settings = Settings(
        disabled=disabled,
        config_file=reader.get(names.CONFIG_FILE, parsing.readable_file, None, instead="no file"),
        service=_service(reader, said),
        exports={signal: _export(reader, signal, said) for signal in SIGNALS},
        batches={signal: _batch(reader, signal) for signal in names.BATCHES},
        sampling=_sampling(reader),
        id_generator=reader.get(
            names.ID_GENERATOR,
            partial(_component, group="opentelemetry_id_generator", known={"random"}),
            "random",
        ),
        propagators=read_propagators(reader),
        resource_detectors=_detectors(reader),
        metric_interval_ms=reader.get(
            names.METRIC_EXPORT_INTERVAL,
            partial(parsing.milliseconds, example=METRIC_INTERVAL_MS),
            METRIC_INTERVAL_MS,
        ),
        metric_timeout_ms=reader.get(
            names.METRIC_EXPORT_TIMEOUT, partial(parsing.milliseconds, example=30_000), 30_000
        ),
        log_capture=_log_capture(reader),
        excluded_urls=(*_excluded(reader), *health),
        disabled_instrumentations=reader.get(names.DISABLED_INSTRUMENTATIONS, parsing.names, ()),
        instrumentation=cast(
            "InstrumentationSource",
            reader.get(
                names.INSTRUMENTATION,
                partial(parsing.choice, of=get_args(InstrumentationSource)),
                "blipee",
            ),
        ),
    )
    if disabled:
        return settings
    _check_what_others_read(reader)
    _check_our_names(reader)
    return replace(
        settings,
        problems=tuple(reader.problems),
        environment=reader.corrections | _our_defaults(reader, settings),
    )


def read_propagators(reader: Reader) -> tuple[str, ...]:
    """Read the names of the propagators; the API raises at import for one it cannot load."""
    return reader.get(
        names.PROPAGATORS,
        partial(parsing.components, group="opentelemetry_propagator", known={"none"}),
        ("tracecontext", "baggage"),
    )


def read_context(reader: Reader) -> str:
    """Read the name of the context implementation; the API raises at import for an unknown one."""
    return reader.get(
        names.CONTEXT, partial(_component, group="opentelemetry_context"), "contextvars_context"
    )


def _service(reader: Reader, said: Mapping[str, Any]) -> Service:
    attributes = reader.get(names.RESOURCE_ATTRIBUTES, parsing.pairs, {}, instead="no attributes")
    name = reader.get(names.SERVICE_NAME, parsing.free_text, None) or attributes.get("service.name")
    kinds = get_args(ServiceKind)
    kind = said.get("service_kind") or reader.get(
        names.SERVICE_KIND, partial(parsing.choice, of=kinds), None
    )
    name = said.get("service_name") or name
    if kind is None and name is not None:
        # blipee-api, api-eu, api: the name tells.
        kind = next((word for word in re.split(r"[-_.]", name.lower()) if word in kinds), None)
    in_code = {
        "service.name": said.get("service_name"),
        "service.version": said.get("service_version"),
        "deployment.environment.name": said.get("environment"),
        "blipee.service.kind": said.get("service_kind"),
        **said.get("resource_attributes", {}),
    }
    return Service(
        name=name,
        version=reader.get(names.APP_VERSION, parsing.free_text, None) or Service().version,
        environment=reader.get(names.ENVIRONMENT, parsing.free_text, None) or Service().environment,
        kind=cast("ServiceKind | None", kind),
        attributes={key: value for key, value in in_code.items() if value is not None},
    )


def _export(reader: Reader, signal: Signal, said: Mapping[str, Any]) -> Export:
    exporters = reader.get(
        names.EXPORTERS[signal],
        partial(
            parsing.components,
            group=f"opentelemetry_{signal}_exporter",
            known={"otlp", "console", "none"},
        ),
        ("otlp",),
    )
    return Export(
        exporters=tuple(name for name in exporters if name != "none"),
        endpoint=_endpoint(reader, signal, said),
    )


def _endpoint(reader: Reader, signal: Signal, said: Mapping[str, Any]) -> Endpoint:
    def get(setting: str, parser: Any, default: Any, instead: str | None = None) -> Any:
        general = reader.get(names.otlp(setting), parser, default, instead=instead)
        return reader.get(names.otlp(setting, signal), parser, general, instead=instead)

    protocol = cast(
        "Protocol", get("PROTOCOL", partial(parsing.choice, of=get_args(Protocol)), "http/protobuf")
    )
    url = partial(parsing.url, bare_host=protocol == "grpc")
    base = said.get("endpoint") or reader.get(names.otlp("ENDPOINT"), url, _DEFAULT_URL[protocol])
    whole = None
    if "endpoint" not in said:
        whole = reader.get(names.otlp("ENDPOINT", signal), url, None, instead=base)
    if whole is None:
        # Of the general endpoint only HTTP gets a path; a signal's own is used as it stands.
        whole = base if protocol == "grpc" else f"{base.rstrip('/')}/v1/{signal}"
    headers = partial(parsing.pairs, secret=True, lower=True)
    key = get("CLIENT_KEY", parsing.readable_file, None)
    certificate = get("CLIENT_CERTIFICATE", parsing.readable_file, None)
    if (key is None) != (certificate is None):
        missing = "CLIENT_KEY" if key is None else "CLIENT_CERTIFICATE"
        present = "CLIENT_CERTIFICATE" if key is None else "CLIENT_KEY"
        reader.refuse(
            next(n for n in (names.otlp(present, signal), names.otlp(present)) if reader.text(n)),
            Invalid("is set without its other half", f"it together with {names.otlp(missing)}"),
            "using no client certificate",
        )
        key = certificate = None
    return Endpoint(
        url=whole,
        protocol=protocol,
        headers=said.get("headers") or get("HEADERS", headers, {}, "no headers"),
        # Milliseconds, as the specification has it; the Python exporters read seconds.
        timeout_s=get("TIMEOUT", partial(parsing.milliseconds, example=10_000), 10_000) / 1000,
        compression=cast(
            "Compression",
            get("COMPRESSION", partial(parsing.choice, of=get_args(Compression)), "none"),
        ),
        insecure=get("INSECURE", parsing.boolean, None),
        certificate=get("CERTIFICATE", parsing.readable_file, None),
        client_key=key,
        client_certificate=certificate,
    )


def _batch(reader: Reader, signal: Signal) -> Batch:
    prefix, default = names.BATCHES[signal], _BATCHES[signal]
    size_name = f"{prefix}_{names.MAX_EXPORT_BATCH_SIZE}"
    queue = reader.get(
        f"{prefix}_{names.MAX_QUEUE_SIZE}",
        partial(parsing.count, example=default.max_queue_size),
        default.max_queue_size,
    )
    fitting = min(default.max_export_batch_size, queue)
    size = reader.get(size_name, partial(parsing.count, example=fitting), fitting)
    if size > queue:
        reader.refuse(
            size_name,
            Invalid(f"is above the queue's size {queue}", f"at most {queue}"),
            f"using {queue}",
        )
        size = queue
    return Batch(
        max_queue_size=queue,
        max_export_batch_size=size,
        schedule_delay_ms=reader.get(
            f"{prefix}_{names.SCHEDULE_DELAY}",
            partial(parsing.milliseconds, example=default.schedule_delay_ms),
            default.schedule_delay_ms,
        ),
        export_timeout_ms=reader.get(
            f"{prefix}_{names.EXPORT_TIMEOUT}",
            partial(parsing.milliseconds, example=default.export_timeout_ms),
            default.export_timeout_ms,
        ),
    )


def _sampling(reader: Reader) -> Sampling:
    sampler = reader.get(
        names.TRACES_SAMPLER,
        partial(_component, group="opentelemetry_traces_sampler", known=_SAMPLERS),
        Sampling().sampler,
    )
    if sampler not in _RATIO_SAMPLERS:
        return Sampling(sampler=sampler, argument=reader.text(names.TRACES_SAMPLER_ARG))
    return Sampling(
        sampler=sampler,
        argument=str(reader.get(names.TRACES_SAMPLER_ARG, parsing.ratio, 1.0)),
    )


def _detectors(reader: Reader) -> tuple[str, ...]:
    """Return ours, the standard ones that are installed, and those asked for."""
    group = "opentelemetry_resource_detector"
    asked = reader.get(
        names.RESOURCE_DETECTORS, partial(parsing.components, group=group, known={"*"}), ()
    )
    if "*" in asked:
        asked = tuple(sorted(point.name for point in entry_points(group=group)))
    standard = (name for name in STANDARD_DETECTORS if parsing.installed(group, name))
    return tuple(name for name in dict.fromkeys(("blipee", *standard, *asked)) if name != "otel")


def _log_capture(reader: Reader) -> LogCapture:
    level = reader.get(names.LOG_HANDLER_LEVEL, partial(parsing.choice, of=_LOG_LEVELS), "notset")
    return LogCapture(
        level=_LOG_LEVELS[level],
        code_attributes=reader.get(names.LOG_CODE_ATTRIBUTES, parsing.boolean, default=False),
    )


def _excluded(reader: Reader) -> tuple[str, ...]:
    general = reader.get(names.EXCLUDED_URLS, parsing.patterns, ())
    return reader.get(names.FASTAPI_EXCLUDED_URLS, parsing.patterns, general)


def _component(text: str, *, group: str, known: frozenset[str] | set[str] = frozenset()) -> str:
    (name, *more) = parsing.components(text, group=group, known=known) or ("",)
    if more or not name:
        raise Invalid("is not one name", f"one of {', '.join(sorted(known))}")
    return name


def _check_what_others_read(reader: Reader) -> None:
    """Check variables that only the SDK and the instrumentation libraries read."""
    read_context(reader)
    for name in names.LIMITS:
        reader.get(name, parsing.limit, None, instead="the standard limit")
    reader.get(
        names.EXEMPLAR_FILTER,
        partial(parsing.choice, of={"always_on", "always_off", "trace_based"}),
        "trace_based",
    )
    reader.get(
        names.TEMPORALITY,
        partial(parsing.choice, of={"cumulative", "delta", "lowmemory"}),
        "cumulative",
    )
    reader.get(
        names.HISTOGRAM_AGGREGATION,
        partial(
            parsing.choice,
            of={"explicit_bucket_histogram", "base2_exponential_bucket_histogram"},
        ),
        "explicit_bucket_histogram",
    )


def _check_our_names(reader: Reader) -> None:
    for name in reader.unknown(names.OURS_PREFIX, names.OURS):
        reader.refuse(
            name,
            Invalid("is not a setting", "one of " + ", ".join(names.OURS)),
            "ignoring it",
        )


def _our_defaults(reader: Reader, settings: Settings) -> dict[str, str | None]:
    """Return defaults for the parts that read the environment themselves."""
    defaults: dict[str, str | None] = {}
    if reader.text(names.SEMCONV_OPT_IN) is None:
        defaults[names.SEMCONV_OPT_IN] = SEMCONV_OPT_IN
    if reader.text(names.EXCLUDED_URLS) is None:
        defaults[names.EXCLUDED_URLS] = ",".join(settings.excluded_urls)
    return defaults
