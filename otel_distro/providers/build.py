"""The tracer, meter and logger providers, from settings or from a declarative file."""

import os
from functools import cached_property, partial
from typing import Any

from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import ProcessResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_distro.delivery import Batching, Signal
from otel_distro.delivery.pipeline import Pipeline
from otel_distro.delivery.preferences import aggregations, temporalities
from otel_distro.delivery.sdk import (
    PipelineLogProcessor,
    PipelineMetricExporter,
    PipelineSpanProcessor,
)
from otel_distro.notices import describe, notice
from otel_distro.providers import sdk
from otel_distro.providers.cardinality import CardinalityWatch
from otel_distro.providers.pipeline import OTLP_NAMES, create_pipeline
from otel_distro.providers.plugins import load_plugin
from otel_distro.providers.propagation import create_propagator
from otel_distro.providers.reader import PeriodicReader
from otel_distro.providers.sampling import create_id_generator, create_sampler
from otel_distro.providers.views import views
from otel_distro.resource import create_resource
from otel_distro.settings import Export, Settings


class Providers:
    """Providers that are built when they are asked for, all with one resource.

    A part that cannot be built is left out and named once.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _resource(self) -> Resource:
        return create_resource(self._settings)

    @cached_property
    def pipeline(self) -> Pipeline:
        """What delivers everything that is exported by OTLP."""
        return create_pipeline(self._settings, self._resource)

    @cached_property
    def tracer_provider(self) -> TracerProvider:
        """The provider of tracers."""
        return _tracer_provider(self._settings, self._resource, self.pipeline)

    @cached_property
    def meter_provider(self) -> MeterProvider:
        """The provider of meters."""
        return _meter_provider(self._settings, self._resource, self.pipeline)

    @cached_property
    def logger_provider(self) -> LoggerProvider:
        """The provider of loggers."""
        return _logger_provider(self._settings, self._resource, self.pipeline)

    @cached_property
    def propagator(self) -> TextMapPropagator:
        """The propagator of context."""
        return create_propagator(self._settings)


def follow_forks(*providers: object) -> None:
    """Give the SDK's providers in each forked child the child's own `process.*` attributes.

    The SDK renews `service.instance.id` by itself, and of other detectors only those named in
    `OTEL_EXPERIMENTAL_RESOURCE_DETECTORS`, which would be run at every import of the SDK.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(_describe_forked_process, providers))


def _describe_forked_process(providers: tuple[object, ...]) -> None:
    try:
        process = ProcessResourceDetector().detect()
        for provider in providers:
            if isinstance(provider, (TracerProvider, MeterProvider, LoggerProvider)):
                provider._update_resource(process)  # noqa: SLF001 - the SDK offers no public way
    except Exception as error:  # noqa: BLE001 - a fork is the application's
        notice("fork", f"process.* attributes are the parent's ({describe(error)}).")


def _tracer_provider(settings: Settings, resource: Resource, pipeline: Pipeline) -> TracerProvider:
    provider = sdk.TracerProvider(
        sampler=create_sampler(settings.sampling),
        resource=resource,
        id_generator=create_id_generator(settings),
        shutdown_on_exit=False,  # the distribution does, all at once and within a bound
    )
    export = settings.exports["traces"]
    if _is_otlp(export):
        provider.add_span_processor(PipelineSpanProcessor(pipeline))
    for exporter in _plugins("traces", export):
        provider.add_span_processor(
            BatchSpanProcessor(exporter, **_batching(settings.batches["traces"]))
        )
    return provider


def _meter_provider(settings: Settings, resource: Resource, pipeline: Pipeline) -> MeterProvider:
    export = settings.exports["metrics"]
    parts = _plugins("metrics", export)
    if _is_otlp(export):
        parts.append(
            PipelineMetricExporter(
                pipeline,
                temporalities(settings.metric_temporality),
                aggregations(settings.metric_histograms),
            )
        )
    readers: list[MetricReader] = []
    for part in parts:
        if isinstance(part, MetricReader):  # as the pull exporters are
            readers.append(part)
            continue
        watched = CardinalityWatch(part)
        reader = PeriodicReader(watched, settings.metric_interval_ms, settings.metric_timeout_ms)
        # Where no thread was to be had until then.
        pipeline.when_started(reader.start)
        readers.append(reader)
    return sdk.MeterProvider(
        resource=resource,
        views=views(settings.metric_names),
        shutdown_on_exit=False,
        metric_readers=readers,
    )


def _logger_provider(settings: Settings, resource: Resource, pipeline: Pipeline) -> LoggerProvider:
    provider = sdk.LoggerProvider(resource=resource, shutdown_on_exit=False)
    export = settings.exports["logs"]
    if _is_otlp(export):
        provider.add_log_record_processor(PipelineLogProcessor(pipeline))
    for exporter in _plugins("logs", export):
        provider.add_log_record_processor(
            BatchLogRecordProcessor(exporter, **_batching(settings.batches["logs"]))
        )
    return provider


def _is_otlp(export: Export) -> bool:
    return not OTLP_NAMES.isdisjoint(export.exporters)


def _plugins(signal: Signal, export: Export) -> list[Any]:
    built: list[Any] = []
    for name in export.exporters:
        if name in OTLP_NAMES:
            continue
        try:
            built.append(load_plugin(f"opentelemetry_{signal}_exporter", name)())
        except Exception as error:  # noqa: BLE001 - a plugin's
            notice(
                f"exporter {signal} {name}",
                f"the {signal} exporter {name!r} could not be built ({describe(error)}); "
                f"{signal} do not go there.",
            )
    return built


def _batching(batching: Batching) -> dict[str, Any]:
    return {
        "max_queue_size": batching.max_queue_size,
        "max_export_batch_size": batching.max_export_batch_size,
        "schedule_delay_millis": batching.schedule_delay_ms,
        "export_timeout_millis": batching.export_timeout_ms,
    }
