"""Bucket bounds, by what is measured. Alert thresholds are among them, so that shares are exact."""

from typing import Final

# Milliseconds. The HTTP convention's advice times 1000, and a tail for LLM calls; has 500.
REQUEST_MS: Final = (
    *(5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0),
    *(1000.0, 2500.0, 5000.0, 7500.0, 10000.0, 30000.0, 60000.0),
)
# Milliseconds. The database convention's advice times 1000, with 25 and 250; has 100.
QUERY_MS: Final = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0, 10000.0)
# A ratio by twentieths; has 0.6.
RATIO: Final = tuple(round(step * 0.05, 2) for step in range(1, 20))
# Milliseconds, for anything from a function call to a batch job.
CALL_MS: Final = (
    *(1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0),
    *(1000.0, 2500.0, 5000.0, 10000.0, 30000.0, 60000.0, 300000.0),
)

# Seconds, as the semantic conventions advise.
# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/
HTTP_S: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0),
)
# https://opentelemetry.io/docs/specs/semconv/database/database-metrics/
DATABASE_S: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
# https://github.com/open-telemetry/semantic-conventions-genai: each bound twice the one before
AGENT_S: Final = tuple(round(0.1 * 2**step, 1) for step in range(13))
TOOL_S: Final = tuple(round(0.01 * 2**step, 2) for step in range(14))
CALLS: Final = tuple(float(2**step) for step in range(8))

# Bytes of a body; the SDK's own bounds end at 10 000.
BODY_BYTES: Final = (
    *(256.0, 1024.0, 4096.0, 16384.0, 65536.0),
    *(262144.0, 1048576.0, 4194304.0, 16777216.0),
)
