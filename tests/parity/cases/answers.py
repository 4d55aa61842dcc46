"""Methods, statuses, bodies, and what the instrumentors are put around."""

from parity.case import Case
from parity.cases.applications import METHODS, plain_asgi, shop, starlette_shop
from parity.driver import Request

_UNKNOWN = ("BREW", "get", "gEt", "Propfind", "X" * 40, "")
_STATUSES = (200, 201, 204, 304, 400, 404, 418, 422, 499, 500, 503, 599)

CASES = [
    *(
        Case(f"method {method}", shop, Request(method, "/any"), on_the_wire=True)
        for method in METHODS
        if method != "CONNECT"
    ),
    Case("method CONNECT", shop, Request("CONNECT", "/any")),
    *(Case(f"method {method or 'empty'}", shop, Request(method, "/any")) for method in _UNKNOWN),
    Case(
        "all methods captured",
        shop,
        Request("BREW", "/any"),
        variables={"OTEL_PYTHON_INSTRUMENTATION_HTTP_CAPTURE_ALL_METHODS": "true"},
    ),
    Case(
        "another method known",
        shop,
        Request("BREW", "/any"),
        variables={"OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS": "GET,BREW"},
    ),
    *(
        Case(f"status {status}", shop, Request(path=f"/answers/{status}"), on_the_wire=True)
        for status in _STATUSES
    ),
    *(
        Case(f"HTTPException {status}", shop, Request(path=f"/refuses/{status}"))
        for status in (404, 500, 503)
    ),
    Case("a handler in a thread", shop, Request(path="/sync/7"), on_the_wire=True),
    Case("no such path", shop, Request(path="/nothing/here"), on_the_wire=True),
    Case("method not allowed", shop, Request("DELETE", "/items/7"), on_the_wire=True),
    Case("path parameter of the wrong type", shop, Request(path="/items/seven"), on_the_wire=True),
    Case("trailing slash redirects", shop, Request(path="/items/7/"), on_the_wire=True),
    Case("HEAD of a GET route", shop, Request("HEAD", "/items/7")),
    Case(
        "a body with its length",
        shop,
        Request("POST", "/items", headers=((b"content-length", b"5"),), body=(b"hello",)),
        on_the_wire=True,
    ),
    Case("a body in chunks", shop, Request("POST", "/items", body=(b"he", b"ll", b"o"))),
    Case(
        "a length that is no number",
        shop,
        Request("POST", "/items", headers=((b"content-length", b"five"),), body=(b"hello",)),
    ),
    Case(
        "a length that Python takes for a number",
        shop,
        Request("POST", "/items", headers=((b"content-length", b"+1_0"),), body=(b"hello",)),
    ),
    Case(
        "two lengths",
        shop,
        Request("POST", "/items", headers=((b"content-length", b"5"),) * 2, body=(b"hello",)),
    ),
    Case(
        "a negative length",
        shop,
        Request("POST", "/items", headers=((b"content-length", b"-1"),), body=(b"hello",)),
    ),
    Case(
        "two requests of different sizes",
        shop,
        Request(path="/items/7"),
        then=(Request("DELETE", "/items/7"), Request(path="/answers/204")),
    ),
    Case("made before", shop, Request(path="/items/7"), made_before=True, on_the_wire=True),
    Case("the documentation", shop, Request(path="/openapi.json")),
    Case("Starlette", starlette_shop, Request(path="/items/7"), kind="starlette"),
    Case("Starlette: 404", starlette_shop, Request(path="/nothing"), kind="starlette"),
    Case("Starlette: 405", starlette_shop, Request("POST", "/items/7"), kind="starlette"),
    Case("Starlette: mount", starlette_shop, Request(path="/in/items/7"), kind="starlette"),
    Case("Starlette: raises", starlette_shop, Request(path="/raises"), kind="starlette"),
    Case("plain ASGI", plain_asgi, Request(path="/items/7"), kind="asgi", on_the_wire=True),
    Case("plain ASGI: raises", plain_asgi, Request(path="/raises"), kind="asgi"),
    Case("middleware around Starlette", starlette_shop, Request(path="/items/7"), kind="asgi"),
    Case("middleware around FastAPI", shop, Request(path="/items/7"), kind="asgi"),
    Case("lifespan", shop, Request(None, type="lifespan")),
    Case("lifespan of plain ASGI", plain_asgi, Request(None, type="lifespan"), kind="asgi"),
    Case("an unknown type of scope", plain_asgi, Request(type="smoke"), kind="asgi"),
]
