"""Which application and which route a request is reported for."""

from parity.wanted import Difference

_ROUTE = ("* name", "*: http.route", "server http.route")
_MOUNTED = tuple(
    f"mount: {path}"
    for path in [
        "/fastapi/items/7",
        "/fastapi/items/seven",
        "/fastapi/nothing",
        "/fastapi/raises/1",
        "/tenants/acme/items/7",
        "/nested/acme/eu/items/7",
        "/nested/acme/eu/nothing",
    ]
)

DIFFERENCES = [
    Difference(
        "The route of a mounted application",
        "`http.route` is the whole template, through all mounts. Upstream reports the path of the "
        "mount for all that is below it, or the template without the mount, or none; and the "
        "mount's path where nothing answers.",
        _ROUTE,
        (
            *_MOUNTED,
            "mount: /starlette/*",
            "mount: /flask/items/7",
            "mount: at /",
            "mount: FastAPI in Starlette",
            "mount: behind a proxy",
            "host route",
            "route: /plain/x/7",
            "Starlette: mount",
            "socket: in a mount",
        ),
        ours={
            "mount: /fastapi/items/7": {"server http.route": "/fastapi/items/{item_id}"},
            "mount: /tenants/acme/items/7": {
                "server http.route": "/tenants/{tenant}/items/{item_id}"
            },
            "mount: /nested/acme/eu/items/7": {
                "server http.route": "/nested/{tenant}/{region}/items/{item_id}",
                "server name": "GET /nested/{tenant}/{region}/items/{item_id}",
            },
            "mount: FastAPI in Starlette": {"server http.route": "/in/items/{item_id}"},
        },
    ),
    Difference(
        "A mounted FastAPI application makes no second span and no second count",
        "One request is one SERVER span and one measurement, however many applications it passes. "
        "Upstream adds an INTERNAL span, and counts the request again, for each FastAPI "
        "application below the outermost.",
        (
            "internal*",
            "* #[23]",
            "current span in *",
            "http.server.*.size sum",
            "http.server.* led to",
            "http.server.*.duration count",
            "http.server.*.size count",
        ),
        (*_MOUNTED, "mount: at /*", "mount: behind a proxy", "host route", "socket: in a mount"),
    ),
    Difference(
        "Applications that were made before",
        "Ours changes a method of the class, so that all applications are seen. Upstream puts a "
        "subclass in the place of the class: it does not see applications, and subclasses, that "
        "were made before.",
        ("server", "http.server.*", "current span in *"),
        ("made before*", "subclass made before"),
    ),
    Difference(
        "The name of a span has no path in it",
        "A path has no bound, and a name must have one; without a route it is the method alone. "
        "https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name",
        ("server* name",),
        (
            "plain ASGI*",
            "leaves its context",
            "trailers",
            "a file that the server sends",
            "work after the answer",
            "raises after the answer",
            "no answer",
            "half an answer",
            "early hints",
            "server missing",
            "query as text",
            "answer with*",
            "captured: a list of lists",
        ),
        ours={"plain ASGI": {"server name": "GET"}, "plain ASGI: raises": {"server name": "GET"}},
    ),
    Difference(
        "The middleware finds the route of frameworks that have one",
        "Around an application of Starlette or FastAPI the middleware says `http.route`, as the "
        "instrumentors do.",
        _ROUTE,
        ("middleware around *",),
    ),
    Difference(
        "A path that a middleware has changed",
        "The route is the one that answered, also where a middleware of the application changed "
        "the path on its way.",
        _ROUTE,
        ("a path rewritten",),
    ),
]
