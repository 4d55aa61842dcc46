"""Builds the providers of the OpenTelemetry API from settings."""

from otel_distro.providers.build import Providers, follow_forks

__all__ = ["Providers", "follow_forks"]
