"""How requests end: exceptions, statuses, sizes, streams, WebSockets."""

from parity.wanted import Difference

DIFFERENCES = [
    Difference(
        "An unhandled exception is the status's description",
        "The server's span of a 500 says which exception was behind it. Upstream takes its own "
        "description away again when the answer is sent.",
        ("* status",),
        (
            "raises",
            "raises in a dependency",
            "raises in a middleware before",
            "raises in a middleware after",
            "raises in debug mode",
            "raises in its exception handler",
            "raises, answered by the handler of 500",
            "raises, answered at the last resort with 503",
            "raises what cannot be printed",
            "raises without a text",
            "raises a group",
            "raises below *",
            "the client goes away during its upload",
            "an error and then none",
            "mount: /fastapi/raises/1",
            "mount: /starlette/raises",
            "captured: of an error",
            "inside a span, raises",
            "with the trace in the answer, raises",
        ),
    ),
    Difference(
        "A failure is reported when the application has returned",
        "The exception behind an answer of 5xx passes by after the last byte: only then the span "
        "is delivered, and its end is still the time of that byte. What is raised after such an "
        "answer is taken to be behind it.",
        ("server ended after", "server events", "server status"),
        ("background: * after a 503", "background: after a 503"),
    ),
    Difference(
        "An exception is recorded once",
        "Upstream records it twice where no answer follows, and not at all where a mounted "
        "application raised it.",
        ("server events",),
        (
            "the connection breaks *",
            "stream: broken*",
            "stream: the connection breaks",
            "socket: left, which surprises",
            "socket: raises*",
            "mount: /fastapi/raises/1",
            "mount: /starlette/raises",
        ),
    ),
    Difference(
        "`error.type` of an exception",
        "Where the status does not say that the request failed, the exception's class does: "
        "required if the request ended with an error. "
        "https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span",
        ("*error.type",),
        (
            "plain ASGI: raises",
            "raises, answered at the last resort with 200",
            "the connection breaks *",
            "stream: broken*",
            "stream: the connection breaks",
            "socket: left, which surprises",
            "socket: raises*",
        ),
        ours={
            "the connection breaks in the answer": {
                "server error.type": "OSError",
                "http.server.request.duration: error.type": "OSError",
            },
        },
    ),
    Difference(
        "Starlette's own answer to an exception",
        "The span of Starlette is outside its handler of last resort, and has the 500 that the "
        "client got. Upstream's middleware is inside and has no status.",
        ("*",),
        ("Starlette: raises",),
        ours={
            "Starlette: raises": {
                "server http.response.status_code": 500,
                "http.server.request.duration: http.response.status_code": 500,
                "http.server.request.duration: error.type": "500",
            },
        },
    ),
    Difference(
        "Streams are not in the histogram of latency",
        "An answer in parts, without a length, ends when its client has had enough: an hour of it "
        "says nothing about latency. The span has the seconds until the first byte instead. One "
        "that failed is counted, and `streams_in_latency` counts all.",
        ("http.server.request.duration", "server blipee.http.response.time_to_first_byte"),
        (
            "stream: parts",
            "stream: in-a-thread",
            "stream: broken",
            "stream: events",
            "stream: slow",
            "stream: error",
            "stream: HEAD of parts",
            "stream: the *",
            "plain ASGI",
            "plain ASGI: called",
            "mount: /asgi/*",
            "server missing",
            "query as text",
        ),
    ),
    Difference(
        "An empty answer has a size",
        "A `content-length` of 0 is measured as 0 bytes. Upstream leaves it out.",
        ("http.server.response.body.size",),
        (
            "status *[!4]",
            "status 404",
            "trailing slash redirects",
            "mount: /fastapi",
            "sampled by name, and not",
            "excluded: then not",
        ),
    ),
    Difference(
        "The size of an answer is its own",
        "Upstream keeps the last `content-length` in its middleware, and measures it again for "
        "an answer without one.",
        ("http.server.response.body.size #3",),
        ("two requests of different sizes",),
    ),
    Difference(
        "The status of a WebSocket is that of its handshake",
        "A WebSocket begins as a GET, and its answer is 101, or the status of the refusal. "
        "Upstream's status is 200 as soon as a message was sent, and it names the span `HTTP`.",
        ("* name", "* http.request.method", "* http.response.status_code"),
        ("socket: [!s]*",),
        ours={
            "socket: echo": {
                "server name": "GET /echo/{room}",
                "server http.response.status_code": 101,
            },
            "socket: denied": {"server http.response.status_code": 403},
        },
    ),
    Difference(
        "A traceback in debug mode has no frame of ours",
        "The answer is that of the bare application, to the byte.",
        ("http.server.response.body.size sum",),
        ("raises in debug mode",),
        varies=True,
    ),
]
