"""Makes the providers global. Imports the SDK, so only after the environment was corrected."""

from opentelemetry import _logs, metrics, propagate, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from otel_distro.instrumentation import LogBridge
from otel_distro.notices import describe, notice
from otel_distro.providers import build_providers
from otel_distro.providers.declarative import ConfigurationFileError, apply_configuration_file
from otel_distro.settings import Settings


def set_providers(settings: Settings) -> None:
    """Set the global providers and propagator, from the configuration file or the settings."""
    if not (settings.config_file is not None and _from_file(settings.config_file, settings)):
        _from_settings(settings)


def bridge_logging(settings: Settings) -> LogBridge | None:
    """Export the records of standard `logging`, if the global logger provider is the SDK's."""
    provider = _logs.get_logger_provider()
    if not isinstance(provider, LoggerProvider):
        return None
    bridge = LogBridge(provider, settings.log_capture)
    bridge.install()
    return bridge


def _from_file(path: str, settings: Settings) -> bool:
    try:
        apply_configuration_file(path, settings)
    except ConfigurationFileError as error:
        notice("OTEL_CONFIG_FILE", f"OTEL_CONFIG_FILE={path} {error}; using the variables.")
        return False
    return True


def _from_settings(settings: Settings) -> None:
    if any(sdk_providers()):
        notice(
            "providers set before",
            "OpenTelemetry providers were set before ours, which are not used. Remove what sets "
            "them, or let it run after otel_distro.configure().",
        )
        return
    if settings.service.name is None:
        notice(
            "no service name",
            "no service name is set; telemetry says unknown_service. Set OTEL_SERVICE_NAME.",
        )
    providers = build_providers(settings)
    trace.set_tracer_provider(providers.tracer_provider)
    metrics.set_meter_provider(providers.meter_provider)
    _logs.set_logger_provider(providers.logger_provider)
    propagate.set_global_textmap(providers.propagator)


def sdk_providers() -> list[object]:
    """Return the global providers that are the SDK's, not the API's placeholders."""
    everywhere: tuple[object, ...] = (
        trace.get_tracer_provider(),
        metrics.get_meter_provider(),
        _logs.get_logger_provider(),
    )
    kinds = (TracerProvider, MeterProvider, LoggerProvider)
    return [provider for provider in everywhere if isinstance(provider, kinds)]


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
