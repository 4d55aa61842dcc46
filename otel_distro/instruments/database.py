"""Databases that no instrumentation sees. SQLAlchemy and asyncpg report by themselves."""

import time

from otel_distro.instruments import outcomes, recorder
from otel_distro.instruments.timed import Timed, status_of


class Query:
    """A statement that is being executed."""

    def __init__(self, table: str, operation: str) -> None:
        self._attributes = {"table": table, "operation": operation}
        self._started = time.perf_counter()

    def end(self, error: BaseException | None) -> None:
        """Record the outcome."""
        elapsed = time.perf_counter() - self._started
        status = status_of(error)
        outcomes.count("database.queries", self._attributes, status)
        recorder.histogram("database.query_duration").record(
            elapsed * 1000, {**self._attributes, "status": status}
        )
        convention = {
            "db.operation.name": self._attributes["operation"],
            "db.collection.name": self._attributes["table"],
        }
        if error is not None:
            convention["error.type"] = type(error).__qualname__
        recorder.histogram("db.client.operation.duration").record(elapsed, convention)


def query(*, table: str, operation: str = "SELECT") -> Timed[Query]:
    """Measure a statement: `with database.query(table="readings"): …`, also as decorator.

    Args:
        table: The table, or collection, of a bounded set.
        operation: SELECT, INSERT, …
    """
    return Timed(lambda: Query(table, operation.upper()))
