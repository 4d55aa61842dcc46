"""What the request says of itself: URL, server, client, headers, and which of them are captured."""

from typing import Any

import fastapi
from fastapi import Response

from parity.case import Case, Probe
from parity.cases.applications import plain_asgi, shop
from parity.driver import Request

_REQUEST = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST"
_RESPONSE = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE"
_SANITIZED = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"
_SEMCONV_SECRETS = (
    b"sig=s3cret&Signature=s3cret&AWSAccessKeyId=s3cret&X-Goog-Signature=s3cret"
    b"&X-Amz-Signature=s3cret&X-Amz-Credential=s3cret&X-Amz-Security-Token=s3cret&page=2"
)


def tagged(probe: Probe) -> Any:
    app = shop(probe)

    @app.get("/tagged")
    async def answer(response: Response):
        response.headers["X-Tag"] = "one"
        response.headers.append("X-Tag", "two")
        response.headers["X-Token"] = "s3cret"
        return "ok"

    @app.get("/unreadable")
    async def unreadable(response: Response):
        response.raw_headers.append((b"x-tag", b"caf\xe9"))
        return "ok"

    return app


def catch_all(probe: Probe) -> Any:
    app = fastapi.FastAPI()

    @app.get("/{rest:path}")
    async def answer(rest: str):
        return "ok"

    return app


def headerless(probe: Probe) -> Any:
    """Return an application whose messages have no headers, or other shapes of them."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = {"/tuple": ((b"content-length", b"2"),), "/list": [[b"X-Tag", b"a"]]}
        start: dict[str, Any] = {"type": "http.response.start", "status": 200}
        if scope["path"] in headers:
            start["headers"] = headers[scope["path"]]
        await send(start)
        await send({"type": "http.response.body", "body": b"ok"})

    return app


def _agent(text: bytes) -> Request:
    return Request(path="/items/7", headers=((b"user-agent", text),))


def _of(**options: Any) -> Request:
    return Request(path="/items/7", **options)


_TAGS = (
    (b"x-tag", b"one"),
    (b"x-tag", b"two"),
    (b"X-Upper", b"v"),
    (b"authorization", b"Bearer s3cret"),
    (b"x-session-id", b"s3cret"),
    (b"accept", b"*/*"),
)


def _captured(name: str, app: Any = tagged, path: str = "/tagged", **variables: str) -> Case:
    long = {"request": _REQUEST, "response": _RESPONSE, "sanitized": _SANITIZED}
    chosen = {long[key]: value for key, value in variables.items()}
    return Case(f"captured: {name}", app, Request(path=path, headers=_TAGS), variables=chosen)


CASES = [
    Case("query", shop, _of(query=b"page=2&q=a%20b"), on_the_wire=True),
    Case("query with secrets", shop, _of(query=_SEMCONV_SECRETS), on_the_wire=True),
    Case("query with a secret in other letters", shop, _of(query=b"SIG=s3cret&Sig=x")),
    Case("query with an escaped secret", shop, _of(query=b"s%69g=s3cret")),
    Case("query with a secret twice", shop, _of(query=b"sig=a&sig=b&sig&=&&")),
    Case("query that only looks secret", shop, _of(query=b"sigma=1&xsig=2&a=sig=3")),
    Case("query that is not ASCII", shop, _of(query="q=é".encode())),
    Case("query that is not UTF-8", shop, _of(query=b"q=%E9&r=\xe9")),
    Case("query of nothing", shop, _of(query=b"&")),
    Case("query that is long", shop, _of(query=b"q=" + b"x" * 5000)),
    Case("query as text", plain_asgi, _of(scope={"query_string": "page=2"}), kind="asgi"),
    Case("path that is not ASCII", catch_all, Request(path="/café/日本"), on_the_wire=False),
    Case(
        "path that was escaped",
        catch_all,
        Request(path="/a b/ü", scope={"raw_path": b"/a%20b/%C3%BC"}),
        on_the_wire=False,
    ),
    Case("path that holds a question mark", catch_all, Request(path="/a?b#c")),
    Case("path with two slashes", catch_all, Request(path="//a//b")),
    Case("path that is no URL", catch_all, Request(path="//[")),
    Case("path that is empty", shop, Request(path="")),
    Case("path that is long", catch_all, Request(path="/" + "x" * 5000)),
    Case("no host header", shop, _of(host=None)),
    Case("host with a port", shop, _of(host=b"shop.example.org:8080"), on_the_wire=True),
    Case("host in IPv6", shop, _of(host=b"[::1]:8000", server=("::1", 8000), client=("::1", 5))),
    Case("host in IPv6 without a port", shop, _of(host=b"[::1]", server=("::1", 80))),
    Case("host that is no host", shop, _of(host=b"a b:c:d")),
    Case("host that is empty", shop, _of(host=b"")),
    Case("host with a user", shop, _of(host=b"me:s3cret@shop")),
    Case("two hosts", shop, _of(headers=((b"host", b"other"),))),
    Case("server on another port", shop, _of(server=("10.0.0.1", 8000), host=b"10.0.0.1:8000")),
    Case("server unknown", shop, _of(server=None)),
    Case("server missing", plain_asgi, _of(server=None, client=None), kind="asgi"),
    Case("server on a unix socket", shop, _of(server=("/run/shop.sock", None), client=None)),
    Case("client unknown", shop, _of(client=None)),
    Case("client empty", shop, _of(client=("", 0))),
    Case(
        "forwarded",
        shop,
        _of(
            headers=(
                (b"x-forwarded-for", b"1.2.3.4"),
                (b"x-forwarded-proto", b"https"),
                (b"x-forwarded-host", b"public.example.org"),
                (b"forwarded", b"for=1.2.3.4;host=public.example.org;proto=https"),
            )
        ),
        on_the_wire=True,
    ),
    *(Case(f"HTTP/{version}", shop, _of(http_version=version)) for version in ("1.0", "2", "3")),
    Case("scheme https", shop, _of(scheme="https", server=("service", 443))),
    Case("scheme missing", shop, _of(scope={"scheme": None})),
    Case("user agent", shop, _agent(b"curl/8.0"), on_the_wire=True),
    Case("user agent of a robot", shop, _agent(b"Mozilla/5.0 (compatible; Googlebot/2.1)")),
    Case("user agent of another robot", shop, _agent(b"BingBot")),
    Case("user agent of a test", shop, _agent(b"AlwaysOn googlebot")),
    Case("user agent that is empty", shop, _agent(b"")),
    Case("user agent that is not UTF-8", shop, _agent(b"caf\xe9")),
    Case("user agent in UTF-8", shop, _agent("café".encode())),
    Case("two user agents", shop, _of(headers=((b"user-agent", b"a"), (b"user-agent", b"b")))),
    Case(
        "headers of many kinds", shop, _of(headers=((b"x-caf\xe9", b"\xff"), (b"x", b"y" * 9000)))
    ),
    Case("a hundred headers", shop, _of(headers=tuple((b"x-%d" % n, b"v") for n in range(100)))),
    Case("answer without headers", headerless, Request(), kind="asgi"),
    Case("answer with a tuple of headers", headerless, Request(path="/tuple"), kind="asgi"),
    _captured("nothing"),
    _captured("one", request="x-tag", response="x-tag"),
    _captured("in other letters", request="X-TAG, x-upper", response="X-Tag"),
    _captured("by a pattern", request="x-.*", response="x-.*,content-type"),
    _captured("all", request=".*", response=".*"),
    _captured(
        "sanitized", request=".*", response=".*", sanitized="authorization, .*SESSION.*,x-token"
    ),
    _captured("what is not there", request="x-none", response="x-none"),
    _captured("part of a name", request="tag", response="tag"),
    _captured("bytes that are not UTF-8", path="/unreadable", response=".*"),
    _captured("of an error", path="/raises/1", request="x-tag", response=".*"),
    Case(
        "captured: request bytes that are not UTF-8",
        shop,
        _of(headers=((b"x-caf\xe9", b"caf\xe9"), (b"x-utf", "é".encode()))),
        variables={_REQUEST: ".*"},
    ),
    Case(
        "captured: a list of lists",
        headerless,
        Request(path="/list", headers=_TAGS),
        kind="asgi",
        variables={_RESPONSE: ".*"},
    ),
]
