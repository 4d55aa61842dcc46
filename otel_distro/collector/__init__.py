"""The OpenTelemetry Collector: finds the real binary or builds it, validates and runs it."""

from otel_distro.collector.build import build
from otel_distro.collector.errors import CollectorError
from otel_distro.collector.locate import config_dir, find, require, storage_dir
from otel_distro.collector.run import check_queues, command, default_configs, run, validate

__all__ = [
    "CollectorError",
    "build",
    "check_queues",
    "command",
    "config_dir",
    "default_configs",
    "find",
    "require",
    "run",
    "storage_dir",
    "validate",
]
