"""Requests to ASGI servers: one span and one measurement for each."""

from otel_distro.instrumentation.asgi.middleware import ServerMiddleware as ServerMiddleware
