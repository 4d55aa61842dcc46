"""From the environment to `Settings`."""

import logging
import os
import re
from collections.abc import Mapping
from functools import partial
from typing import Final, cast, get_args

from otel_distro.delivery import SIGNALS, HistogramAggregation, Temporality
from otel_distro.installed import entry_points
from otel_distro.settings import names, parsing
from otel_distro.settings.budget import read_cpu_budget
from otel_distro.settings.exports import optional, read_batch, read_export
from otel_distro.settings.in_code import checked
from otel_distro.settings.model import (
    DEFAULT_HEALTH_URLS,
    InCode,
    InstrumentationSource,
    LogCapture,
    LogFormat,
    LogOutput,
    MetricNames,
    Sampling,
    Service,
    ServiceKind,
    Settings,
)
from otel_distro.settings.parsing import Invalid
from otel_distro.settings.reader import Reader
from otel_distro.settings.spooling import read_spooling

# Rate windows of the alert rules need four points: the SDK's 60 s leaves a 2 min window empty.
METRIC_INTERVAL_MS: Final = 15_000
METRIC_TIMEOUT_MS: Final = 30_000
# Orchestrators give ten seconds to thirty before they kill.
SHUTDOWN_TIMEOUT_MS: Final = 3000
STABLE: Final = ("http", "database")
STANDARD_DETECTORS: Final = ("service_instance", "process", "host", "os", "containerid")

_NOTHING_IN_CODE: Final = InCode()
_NO_NAMES: Final[tuple[str, ...]] = ()
_STANDARD_PROPAGATORS: Final[tuple[str, ...]] = ("tracecontext", "baggage")
_RATIO_SAMPLERS: Final = frozenset({"traceidratio", "parentbased_traceidratio"})
_SAMPLERS: Final = _RATIO_SAMPLERS | {
    "always_on",
    "always_off",
    "parentbased_always_on",
    "parentbased_always_off",
}
_PRODUCTION: Final = frozenset({"production", "prod"})
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


def read_settings(
    environ: Mapping[str, str] | None = None, said: InCode = _NOTHING_IN_CODE
) -> Settings:
    """Read the settings.

    Args:
        environ: The environment; the process's own by default.
        said: What was said in code; it wins.

    Returns:
        Settings that are always usable: what was refused is in `problems`.
    """
    said, refused_in_code = checked(said)
    reader = Reader(os.environ if environ is None else environ)
    if reader.get(names.SDK_DISABLED, parsing.boolean, default=False):
        # Nothing else is read: a disabled SDK leaves nothing behind, not even complaints. But
        # what the logger prints is the application's output and not the SDK's.
        return _read(Reader({}), said)._replace(disabled=True, log_output=_log_output(reader, said))
    settings = _read(reader, said)
    _check_what_others_read(reader)
    _check_our_names(reader)
    refused = dict(reader.corrections)
    refused.pop(names.APP_VERSION, None)  # the application's own, which it may read itself
    return settings._replace(
        problems=(*refused_in_code, *reader.problems),
        corrections=refused | _our_defaults(reader, settings),
    )


def read_propagators(reader: Reader) -> tuple[str, ...]:
    """Read the names of the propagators; the API raises at import for one it cannot load."""
    return reader.get(
        names.PROPAGATORS,
        partial(parsing.components, group="opentelemetry_propagator", known={"none"}),
        _STANDARD_PROPAGATORS,
    )


def read_context(reader: Reader) -> str:
    """Read the name of the context implementation; the API raises at import for an unknown one."""
    return reader.get(
        names.CONTEXT, partial(_component, group="opentelemetry_context"), "contextvars_context"
    )


def _read(reader: Reader, said: InCode) -> Settings:
    return Settings(
        config_file=reader.get(
            names.CONFIG_FILE, optional(parsing.readable_file), None, instead="no file"
        ),
        service=_service(reader, said),
        exports={signal: read_export(reader, signal, said) for signal in SIGNALS},
        batches={signal: read_batch(reader, signal) for signal in names.BATCHES},
        sampling=_sampling(reader),
        id_generator=reader.get(
            names.ID_GENERATOR,
            partial(_component, group="opentelemetry_id_generator", known={"random"}),
            "random",
        ),
        propagators=read_propagators(reader),
        resource_detectors=_detectors(reader),
        metric_names=cast(
            "MetricNames",
            reader.get(
                names.METRIC_NAMES, partial(parsing.choice, of=get_args(MetricNames)), "both"
            ),
        ),
        metric_interval_ms=reader.get(
            names.METRIC_EXPORT_INTERVAL,
            partial(parsing.milliseconds, example=METRIC_INTERVAL_MS),
            METRIC_INTERVAL_MS,
        ),
        metric_timeout_ms=reader.get(
            names.METRIC_EXPORT_TIMEOUT,
            partial(parsing.milliseconds, example=METRIC_TIMEOUT_MS),
            METRIC_TIMEOUT_MS,
        ),
        metric_temporality=cast("Temporality", _chosen(reader, names.TEMPORALITY)),
        metric_histograms=cast(
            "HistogramAggregation", _chosen(reader, names.HISTOGRAM_AGGREGATION)
        ),
        spooling=read_spooling(reader),
        shutdown_timeout_ms=reader.get(
            names.SHUTDOWN_TIMEOUT,
            partial(parsing.milliseconds, example=SHUTDOWN_TIMEOUT_MS),
            SHUTDOWN_TIMEOUT_MS,
        ),
        cpu_budget=read_cpu_budget(reader),
        streams_in_latency=reader.get(names.STREAMS_IN_LATENCY, parsing.boolean, default=False),
        log_capture=_log_capture(reader),
        log_output=_log_output(reader, said),
        # As upstream reads it itself.
        log_correlation=(reader.text(names.LOG_CORRELATION) or "").lower() == "true",
        excluded_urls=_excluded(reader),
        disabled_instrumentations=reader.get(
            names.DISABLED_INSTRUMENTATIONS, parsing.listed, _NO_NAMES
        ),
        instrumentation=cast(
            "InstrumentationSource",
            reader.get(
                names.INSTRUMENTATION,
                partial(parsing.choice, of=get_args(InstrumentationSource)),
                "blipee",
            ),
        ),
    )


def _service(reader: Reader, said: InCode) -> Service:
    attributes = reader.get(
        names.RESOURCE_ATTRIBUTES, parsing.pairs, dict[str, str](), instead="no attributes"
    )
    name = (
        said.service_name
        or reader.get(names.SERVICE_NAME, optional(parsing.free_text), None)
        or attributes.get("service.name")
    )
    kinds = get_args(ServiceKind)
    kind: str | None = said.service_kind or reader.get(
        names.SERVICE_KIND, optional(partial(parsing.choice, of=kinds)), None
    )
    if kind is None and name is not None:
        # blipee-api, api-eu, api: the name tells.
        kind = next((word for word in re.split(r"[-_.]", name.lower()) if word in kinds), None)
    in_code = {
        "service.name": said.service_name,
        "service.version": said.service_version,
        "deployment.environment.name": said.environment,
        "blipee.service.kind": said.service_kind,
        **said.resource_attributes,
    }
    return Service(
        name=name,
        version=reader.get(names.APP_VERSION, parsing.free_text, Service().version),
        environment=reader.get(names.ENVIRONMENT, parsing.free_text, Service().environment),
        kind=cast("ServiceKind | None", kind),
        attributes={key: value for key, value in in_code.items() if value is not None},
    )


def _sampling(reader: Reader) -> Sampling:
    sampler = reader.get(
        names.TRACES_SAMPLER,
        partial(_component, group="opentelemetry_traces_sampler", known=_SAMPLERS),
        Sampling().sampler,
    )
    if sampler not in _RATIO_SAMPLERS:
        return Sampling(sampler=sampler, argument=reader.text(names.TRACES_SAMPLER_ARG))
    ratio = reader.get(names.TRACES_SAMPLER_ARG, parsing.ratio, 1.0)
    return Sampling(sampler=sampler, argument=str(ratio))


def _detectors(reader: Reader) -> tuple[str, ...]:
    """Return the standard ones that are installed, and those asked for."""
    group = "opentelemetry_resource_detector"
    asked = reader.get(
        names.RESOURCE_DETECTORS, partial(parsing.components, group=group, known={"*"}), _NO_NAMES
    )
    if "*" in asked:
        asked = tuple(sorted(point.name for point in entry_points(group=group)))
    standard = (name for name in STANDARD_DETECTORS if parsing.installed(group, name))
    # `otel` and `blipee` are merged last, in an order of their own.
    return tuple(
        name for name in dict.fromkeys((*standard, *asked)) if name not in {"otel", "blipee"}
    )


def _log_capture(reader: Reader) -> LogCapture:
    level = reader.get(names.LOG_HANDLER_LEVEL, partial(parsing.choice, of=_LOG_LEVELS), "notset")
    return LogCapture(
        level=_LOG_LEVELS[level],
        code_attributes=reader.get(names.LOG_CODE_ATTRIBUTES, parsing.boolean, default=False),
    )


def _log_output(reader: Reader, said: InCode) -> LogOutput:
    attributes = reader.get(
        names.RESOURCE_ATTRIBUTES, parsing.pairs, dict[str, str](), instead="no attributes"
    )
    # The order in which the resource is merged.
    environment = (
        said.resource_attributes.get("deployment.environment.name")
        or said.environment
        or attributes.get("deployment.environment.name")
        or reader.get(names.ENVIRONMENT, parsing.free_text, Service().environment)
    )
    production = environment.lower() in _PRODUCTION
    formats = ("auto", *get_args(LogFormat))
    chosen = reader.get(names.LOG_FORMAT, partial(parsing.choice, of=formats), "auto")
    if chosen == "auto":
        chosen = "json" if production else "pretty"
    usual = "info" if production else "debug"
    level = reader.get(names.LOG_LEVEL, partial(parsing.choice, of=_LOG_LEVELS), usual)
    return LogOutput(
        format=cast("LogFormat", chosen),
        level=_LOG_LEVELS[level],
        level_is_set=reader.text(names.LOG_LEVEL) is not None,
        colors=reader.text(names.NO_COLOR) is None,
    )


def _excluded(reader: Reader) -> tuple[str, ...]:
    general = reader.get(names.EXCLUDED_URLS, parsing.patterns, _NO_NAMES)
    own = reader.get(names.FASTAPI_EXCLUDED_URLS, parsing.patterns, general)
    health = reader.get(names.HEALTH_URLS, parsing.patterns, DEFAULT_HEALTH_URLS)
    return tuple(dict.fromkeys((*own, *health)))


def _component(text: str, *, group: str, known: frozenset[str] | set[str] = frozenset()) -> str:
    found = parsing.components(text, group=group, known=known)
    if len(found) != 1:
        raise Invalid("is not one name", "one name")
    return found[0]


def _chosen(reader: Reader, name: str) -> str:
    options = names.CHOICES[name]
    return reader.get(name, partial(parsing.choice, of=options), options[0])


def _check_what_others_read(reader: Reader) -> None:
    """Check variables that only the SDK and the instrumentation libraries read."""
    read_context(reader)
    for name in names.LIMITS:
        reader.get(name, optional(parsing.limit), None, instead="the standard limit")
    for name in names.CHOICES:
        chosen = _chosen(reader, name)
        if reader.text(name) is not None:
            # The SDK compares some of them with case and white space, and raises.
            reader.corrections.setdefault(name, chosen)


def _check_our_names(reader: Reader) -> None:
    for name in reader.unknown(names.OURS_PREFIX, names.OURS):
        reader.refuse(
            name,
            Invalid("is not a setting", f"one of {', '.join(names.OURS)}"),
            "ignoring it",
        )


def _our_defaults(reader: Reader, settings: Settings) -> dict[str, str | None]:
    """Return defaults for the parts that read the environment themselves."""
    asked = parsing.listed(reader.text(names.SEMCONV_OPT_IN) or "")
    stable = (name for name in STABLE if not any(word.startswith(name) for word in asked))
    defaults: dict[str, str | None] = {names.SEMCONV_OPT_IN: ",".join((*asked, *stable))}
    # For servers only: clients read the general variable too, and would cut the trace there.
    for name in names.SERVERS_EXCLUDED_URLS:
        if reader.text(name) is None:
            defaults[name] = ",".join(settings.excluded_urls)
    return defaults
