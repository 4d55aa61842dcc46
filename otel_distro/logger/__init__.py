"""Structured logging: fields instead of prose, and the fields of a request on every line of it.

    from otel_distro.logger import api_logger, context

    with context(request_id="r-1"):
        api_logger.info("fetching metrics", endpoint="/api/metrics")

Lines go to standard `logging`, under the service's name: there the application's handlers have
them, and from there they are exported. Where the application configures no handlers they are
printed, for people in development and as JSON in production.
"""

from otel_distro.logger.fields import clear_context, context, set_context
from otel_distro.logger.installation import install, uninstall
from otel_distro.logger.loggers import (
    Logger,
    agent_logger,
    api_logger,
    db_logger,
    get_logger,
    ml_logger,
)

__all__ = [
    "Logger",
    "agent_logger",
    "api_logger",
    "clear_context",
    "context",
    "db_logger",
    "get_logger",
    "install",
    "ml_logger",
    "set_context",
    "uninstall",
]
