"""Builds the providers of the OpenTelemetry API from settings."""

from otel_distro.providers.build import Providers, build_providers

__all__ = ["Providers", "build_providers"]
