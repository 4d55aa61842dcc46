"""The differences from upstream that are wanted, with their reasons.

`docs/differences-from-upstream.md` is written from this list and from what really differs:

    PYTHONPATH=tests python -m parity.document
"""

from parity.differences import outcomes, requests, routes

# Not seen in the table, which compares all else; `test_every_request.py` has a test for each.
IN_EVERY_REQUEST = (
    (
        "Upstream adds an INTERNAL span for each ASGI message, `http send` and `http receive`; "
        "ours has none."
    ),
    (
        "Ours measures under Blipee's names as well: `api.response_time`, `api.requests`, "
        "`api.active_connections`, and `errors.*` for what nobody handled."
    ),
    (
        "`http.server.request.body.size` and `http.server.response.body.size` have buckets of "
        "bytes, from 256 to 16 Mi; upstream's are the SDK's, which end at 10,000."
    ),
    (
        "A span begins with the name of its method, and gets its route when that has answered. "
        "Only for samplers other than the SDK's the route is looked for beforehand."
    ),
    (
        "`http.server.request.duration` is the duration of the span, which ends with the last byte "
        "of the answer; upstream's has the background tasks in it, and its span has not."
    ),
    "The instrumentation scope is `otel_distro.instrumentation.asgi`.",
)

DIFFERENCES = [
    *routes.DIFFERENCES,
    *outcomes.DIFFERENCES,
    *requests.DIFFERENCES,
]
