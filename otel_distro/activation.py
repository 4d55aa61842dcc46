"""Makes the providers global. Imports the SDK, so only after the environment was corrected."""

import os
import threading
import time
from collections.abc import Callable
from functools import partial

from opentelemetry import _logs, metrics, propagate, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from otel_distro.catalogue import CATALOGUE
from otel_distro.catalogue.registry import ENTRY_POINTS
from otel_distro.delivery.pipeline import Pipeline
from otel_distro.installed import entry_points
from otel_distro.instrumentation import LogBridge
from otel_distro.instrumentation.delivery import report_delivery
from otel_distro.instrumentation.governing import govern
from otel_distro.instrumentation.stopping import call, flush_providers
from otel_distro.instrumentation.system import report
from otel_distro.notices import notice
from otel_distro.providers import Providers, follow_forks
from otel_distro.providers.declarative import ConfigurationFileError, apply_configuration_file
from otel_distro.providers.governed_sampling import sampling_of_levels
from otel_distro.resource import unknown_service
from otel_distro.settings import Settings, names


def set_providers(settings: Settings) -> Pipeline | None:
    """Set the global providers and propagator, from the configuration file or the settings.

    A provider that somebody set before stays, and is named. Returns what delivers, unless the
    file says how that is done.
    """
    before = [type(one).__name__ for one in global_providers() if not _is_placeholder(one)]
    if before:
        notice(
            "providers set before",
            f"{', '.join(before)} was set before ours, and stays. To use ours, remove what sets "
            "it, or let it run after otel_distro.configure().",
        )
    file = settings.config_file
    pipeline = _from_settings(settings) if file is None else _from_file(file, settings)
    follow_forks(*sdk_providers())
    for problem in CATALOGUE.load_entry_points(entry_points(group=ENTRY_POINTS)):
        notice(problem, problem)
    report()
    if pipeline is not None:
        report_delivery(pipeline)
        sample = sampling_of_levels(trace.get_tracer_provider())
        govern(pipeline, settings.cpu_budget, sample)
    return pipeline


def bridge_logging(settings: Settings) -> LogBridge | None:
    """Export the records of standard `logging`, if the global logger provider is the SDK's."""
    provider = _logs.get_logger_provider()
    if not isinstance(provider, LoggerProvider):
        return None
    bridge = LogBridge(provider, settings.log_capture)
    bridge.install()
    return bridge


def _from_file(path: str, settings: Settings) -> Pipeline | None:
    try:
        apply_configuration_file(path, settings)
    except ConfigurationFileError as error:
        notice(
            "OTEL_CONFIG_FILE",
            f"OTEL_CONFIG_FILE={path} {error}; what it did not set, the variables say.",
        )
        return _from_settings(settings)
    return None


def _from_settings(settings: Settings) -> Pipeline:
    if settings.service.name is None:
        name = unknown_service()
        notice(
            "no service name",
            f"no service name is set; telemetry says {name}. Set {names.SERVICE_NAME}.",
        )
        # For the children, so that they do not say it again.
        os.environ[names.SERVICE_NAME] = name
    providers = Providers(settings)
    if _is_placeholder(trace.get_tracer_provider()):
        trace.set_tracer_provider(providers.tracer_provider)
    if _is_placeholder(metrics.get_meter_provider()):
        metrics.set_meter_provider(providers.meter_provider)
    if _is_placeholder(_logs.get_logger_provider()):
        _logs.set_logger_provider(providers.logger_provider)
    propagate.set_global_textmap(providers.propagator)
    return providers.pipeline


def global_providers() -> tuple[object, ...]:
    """Return the global providers, or the API's placeholders for them."""
    return trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()


def sdk_providers() -> list[object]:
    """Return the global providers that are the SDK's."""
    kinds = (TracerProvider, MeterProvider, LoggerProvider)
    return [provider for provider in global_providers() if isinstance(provider, kinds)]


def _is_placeholder(provider: object) -> bool:
    kind = type(provider)
    return kind.__module__.startswith("opentelemetry.") and "Proxy" in kind.__name__


def flush_all(pipeline: Pipeline | None, timeout_s: float) -> bool:
    """Flush all providers. Return whether everything went in time. Does not raise."""
    until = time.monotonic() + timeout_s
    flushed = flush_providers(timeout_s)
    # Readers of metrics say yes also where it is not true.
    return flushed and (pipeline is None or pipeline.flush(max(0.0, until - time.monotonic())))


def stop_all(pipeline: Pipeline | None, timeout_s: float) -> None:
    """Shut all providers down, within a bound whatever their parts do. Does not raise."""
    until = time.monotonic() + timeout_s
    stopping = [
        thread
        for provider in sdk_providers()
        if (thread := _begin(partial(call, provider, "shutdown"))) is not None
    ]
    # The last metrics are collected meanwhile. What parts of others need is not waited for longer
    # than half of the time.
    for one in stopping:
        one.join(max(0.0, (until - time.monotonic()) / 2))
    if pipeline is not None:
        pipeline.stop(max(0.0, until - time.monotonic()))
    for one in stopping:
        one.join(max(0.0, until - time.monotonic()))


def _begin(work: Callable[[], object]) -> threading.Thread | None:
    """Do it on a thread, or at once where no thread is to be had any more."""
    try:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
    except RuntimeError:
        work()
        return None
    return thread
