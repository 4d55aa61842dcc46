"""Asks a Prometheus."""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

_TIMEOUT_S: Final = 10


class PrometheusError(Exception):
    """It did not answer, or not as Prometheus does; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series with its value now."""

    labels: dict[str, str]
    value: float


def query(base_url: str, expression: str) -> list[Sample]:
    """Evaluate PromQL now.

    Args:
        base_url: Of the Prometheus, e.g. `http://localhost:9090`.
        expression: PromQL that gives an instant vector.

    Raises:
        PrometheusError: There was no answer, or it was an error.
    """
    url = f"{base_url.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    if not url.startswith(("http://", "https://")):
        raise PrometheusError(f"{base_url} is no http:// URL of a Prometheus")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - checked above
            document: dict[str, Any] = json.load(answer)
        return [
            Sample(dict(series["metric"]), float(series["value"][1]))
            for series in document["data"]["result"]
        ]
    except urllib.error.HTTPError as error:
        raise PrometheusError(f"{base_url} refused {expression}: {error.reason}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PrometheusError(
            f"{base_url} does not answer as a Prometheus does ({error}). Is the address right?"
        ) from error
