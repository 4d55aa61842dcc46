"""The OpenTelemetry Collector: finds the real binary or builds it, validates and runs it."""

from otel_distro.collector.build import build
from otel_distro.collector.errors import CollectorError
from otel_distro.collector.locate import config_dir, find, require
from otel_distro.collector.run import command, default_configs, run, validate

__all__ = [
    "CollectorError",
    "build",
    "command",
    "config_dir",
    "default_configs",
    "find",
    "require",
    "run",
    "validate",
]
