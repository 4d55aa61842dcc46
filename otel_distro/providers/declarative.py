"""Declarative configuration (`OTEL_CONFIG_FILE`), with our parts kept.

Source: https://opentelemetry.io/docs/specs/otel/configuration/
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from otel_distro.providers import sdk
from otel_distro.providers.propagation import Propagators
from otel_distro.resource import create_resource
from otel_distro.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.configuration import OpenTelemetryConfiguration


class ConfigurationFileError(Exception):
    """The file cannot be used; the message says why and what to do."""


def apply_configuration_file(path: str, settings: Settings) -> None:
    """Configure the global providers from a file; our resource attributes stand below its own.

    Raises:
        ConfigurationFileError: The file is not valid, or its reader is not installed.
    """
    try:
        from opentelemetry.configuration import (
            OpenTelemetryConfiguration,
            configure_sdk,
            load_config_file,
        )
    except ImportError:
        raise ConfigurationFileError(
            "needs the package that reads it: pip install 'blipee-otel-distro[config-file]'"
        ) from None
    try:
        with _without_errors_in_logs(load_config_file.__module__):
            configuration: OpenTelemetryConfiguration = load_config_file(path)
        _add_resource(configuration, settings)
        with _our_kinds():
            configure_sdk(configuration)
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ConfigurationFileError(f"cannot be used: {reason}") from error


@contextmanager
def _our_kinds() -> Iterator[None]:
    """Let the file's reader build our providers and propagator, which isolate what it names.

    It offers no public way: this puts others under the names that its modules use.
    """
    from opentelemetry.configuration import (
        _logger_provider,
        _meter_provider,
        _propagator,
        _tracer_provider,
    )

    ours: tuple[tuple[Any, str, type], ...] = (
        (_tracer_provider, "TracerProvider", sdk.TracerProvider),
        (_meter_provider, "MeterProvider", sdk.MeterProvider),
        (_logger_provider, "LoggerProvider", sdk.LoggerProvider),
        (_propagator, "CompositePropagator", Propagators),
    )
    theirs = [getattr(module, name) for module, name, _ in ours]
    try:
        for module, name, kind in ours:
            setattr(module, name, kind)
        yield
    finally:
        for (module, name, _), kind in zip(ours, theirs, strict=True):
            setattr(module, name, kind)


@contextmanager
def _without_errors_in_logs(name: str) -> Iterator[None]:
    """Keep the logger quiet about what is raised as well: some of it with a whole traceback."""
    logger = logging.getLogger(name)

    def no_error(record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR

    logger.addFilter(no_error)
    try:
        yield
    finally:
        logger.removeFilter(no_error)


def _add_resource(configuration: "OpenTelemetryConfiguration", settings: Settings) -> None:
    from opentelemetry.configuration.models import AttributeNameValue
    from opentelemetry.configuration.models import Resource as ResourceModel

    model = configuration.resource or ResourceModel()
    said = {attribute.name for attribute in model.attributes or ()}
    listed = {pair.split("=")[0].strip() for pair in (model.attributes_list or "").split(",")}
    ours = dict(create_resource(settings).attributes)
    if str(ours["service.name"]).startswith("unknown_service"):
        del ours["service.name"]  # the file's own detectors may know better
    model.attributes = [
        *(
            AttributeNameValue(name=name, value=value)
            for name, value in ours.items()
            if name not in said | listed and isinstance(value, (str, int, float, bool))
        ),
        *(model.attributes or ()),
    ]
    configuration.resource = model
