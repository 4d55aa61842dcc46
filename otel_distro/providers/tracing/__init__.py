"""Spans and tracers behind the standard API: what the SDK's do, at a tenth of their cost."""

from otel_distro.providers.tracing.decisions import KeptIfFailed
from otel_distro.providers.tracing.span import Span
from otel_distro.providers.tracing.tracer import Tracer, lean_tracer

__all__ = ["KeptIfFailed", "Span", "Tracer", "lean_tracer"]
