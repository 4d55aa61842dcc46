"""Makes the providers global. Imports the SDK, so only after the environment was corrected."""

import os

from opentelemetry import _logs, metrics, propagate, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from otel_distro.catalogue import CATALOGUE
from otel_distro.instrumentation import LogBridge
from otel_distro.instrumentation.system import report
from otel_distro.notices import describe, notice
from otel_distro.providers import Providers, follow_forks
from otel_distro.providers.declarative import ConfigurationFileError, apply_configuration_file
from otel_distro.resource import unknown_service
from otel_distro.settings import Settings, names


def set_providers(settings: Settings) -> None:
    """Set the global providers and propagator, from the configuration file or the settings.

    A provider that somebody set before stays, and is named.
    """
    before = [type(one).__name__ for one in global_providers() if not _is_placeholder(one)]
    if before:
        notice(
            "providers set before",
            f"{', '.join(before)} was set before ours, and stays. To use ours, remove what sets "
            "it, or let it run after otel_distro.configure().",
        )
    if settings.config_file is None:
        _from_settings(settings)
    else:
        _from_file(settings.config_file, settings)
    follow_forks(*sdk_providers())
    for problem in CATALOGUE.load_entry_points():
        notice(problem, problem)
    report()


def bridge_logging(settings: Settings) -> LogBridge | None:
    """Export the records of standard `logging`, if the global logger provider is the SDK's."""
    provider = _logs.get_logger_provider()
    if not isinstance(provider, LoggerProvider):
        return None
    bridge = LogBridge(provider, settings.log_capture)
    bridge.install()
    return bridge


def _from_file(path: str, settings: Settings) -> None:
    try:
        apply_configuration_file(path, settings)
    except ConfigurationFileError as error:
        notice(
            "OTEL_CONFIG_FILE",
            f"OTEL_CONFIG_FILE={path} {error}; what it did not set, the variables say.",
        )
        _from_settings(settings)


def _from_settings(settings: Settings) -> None:
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


def call(provider: object, method: str, *arguments: int) -> bool:
    """Call a method of a provider; return False where it fails or says so. Does not raise."""
    try:
        return getattr(provider, method)(*arguments) is not False
    except Exception as error:  # noqa: BLE001 - processors and exporters of others
        notice(
            f"{method} {type(provider).__name__}",
            f"{type(provider).__name__}.{method} failed ({describe(error)}).",
        )
        return False
