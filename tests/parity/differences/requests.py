"""What a request says of itself."""

from parity.wanted import Difference

DIFFERENCES = [
    Difference(
        "The server's address and port",
        "The host that the client asked for comes first; an address has no port in it, and the "
        "port is that of the scheme where none is said. "
        "https://opentelemetry.io/docs/specs/semconv/http/http-spans/"
        "#setting-serveraddress-and-serverport-attributes",
        ("* server.*",),
        (
            "host route",
            "host with a port",
            "host in IPv6",
            "server *",
            "calls another application",
            "scheme https",
            "socket: over TLS",
        ),
        ours={
            "host with a port": {"server server.address": "shop.example.org"},
            "host in IPv6": {"server server.address": "::1", "server server.port": 8000},
            "scheme https": {"server server.address": "service", "server server.port": 443},
        },
    ),
    Difference(
        "Secrets in the query are redacted",
        "The values of the keys that the conventions name are `REDACTED`, and so are those of "
        "earlier versions. Upstream shows all of them under the stable conventions. "
        "https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/",
        ("server url.query",),
        ("query with secrets", "query with a secret twice"),
        ours={
            "query with secrets": {
                "server url.query": "sig=REDACTED&Signature=REDACTED&AWSAccessKeyId=REDACTED"
                "&X-Goog-Signature=REDACTED&X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED"
                "&X-Amz-Security-Token=REDACTED&page=2"
            },
            "query with a secret twice": {"server url.query": "sig=REDACTED&sig=REDACTED&sig&=&&"},
        },
    ),
    Difference(
        "Requests that upstream breaks",
        "Upstream raises for a query that is not UTF-8: the application never sees the request.",
        ("server", "http.server.*", "current span in *"),
        ("query that is not UTF-8",),
    ),
    Difference(
        "What is required is said also where it is strange",
        "`http.request.method`, `url.path` and `url.scheme` are required: an empty method is "
        "`_OTHER`, and a scheme that is not said is `http`.",
        ("*http.request.method*", "server url.path", "*url.scheme", "server client.address"),
        ("method empty", "path that is empty", "scheme missing", "client empty"),
    ),
    Difference(
        "A length is a number in digits",
        "A `content-length` that is no number in HTTP is not measured. Upstream takes whatever "
        "Python's `int` takes.",
        ("http.server.request.body.size",),
        ("a length that Python takes for a number",),
    ),
    Difference(
        "Bytes that are not UTF-8",
        "Values of headers are text in UTF-8; other bytes stay visible as such. Upstream takes "
        "them for Latin-1.",
        ("server user_agent.original", "server http.*.header.*"),
        (
            "user agent that is not UTF-8",
            "captured: bytes that are not UTF-8",
            "captured: request bytes that are not UTF-8",
        ),
    ),
    Difference(
        "Names of headers in capital letters",
        "Servers lower them, as ASGI demands. Ours does not look for others.",
        ("server parent", "server flags"),
        ("called in capital names",),
    ),
]
