"""Headers that anybody can send: no exception, no delay, and what the W3C says of them.

Sources: https://www.w3.org/TR/trace-context-2/, https://www.w3.org/TR/baggage/.
"""

import asyncio
import random
import time
from importlib.metadata import entry_points

import pytest
from fastapi import FastAPI
from opentelemetry import baggage, propagate, trace
from opentelemetry.instrumentation.asgi import asgi_getter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from otel_distro.instrumentation.fastapi import FastAPIInstrumentor
from otel_distro.providers import sdk
from otel_distro.providers.propagation import create_propagator
from otel_distro.settings import read_settings

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"
KB64 = 65_536
SEEDS = (1, 32, 20260101, 987654321)


@pytest.fixture
def propagator():
    """The one that is configured: of the W3C, and older ones where they are installed."""
    installed = {point.name for point in entry_points(group="opentelemetry_propagator")}
    older = [name for name in ("b3", "b3multi", "jaeger") if name in installed]
    return create_propagator(
        read_settings({"OTEL_PROPAGATORS": ",".join(("tracecontext", "baggage", *older))})
    )


def remote(propagator, **headers):
    context = propagator.extract(headers)
    return trace.get_current_span(context).get_span_context(), context


NEW_ROOT = {
    "empty": "",
    "blank": " ",
    "cut": GOOD[:-1],
    "a number": "1",
    "capitals": GOOD.upper(),
    "no hexadecimal digit": GOOD.replace("0af7", "0ag7"),
    "trace id of zeros": f"00-{'0' * 32}-{SPAN}-01",
    "span id of zeros": f"00-{TRACE}-{'0' * 16}-01",
    "trace id too short": f"00-{TRACE[:-1]}-{SPAN}-01",
    "trace id too long": f"00-{TRACE}a-{SPAN}-01",
    "no flags": f"00-{TRACE}-{SPAN}",
    "flags too long": f"{GOOD}1",
    "version 00 with more": f"{GOOD}-more",
    "version 00 with a dash": f"{GOOD}-",
    "version ff": f"ff{GOOD[2:]}",
    "version of one digit": GOOD[1:],
    "a later version with more and no dash": f"cc{GOOD[2:]}.more",
    "other dashes": GOOD.replace("-", "_"),
    "digits of another script": GOOD.replace("1", "\u0661"),
    "twice": f"{GOOD},{GOOD}",
    "64 KB": GOOD + "-" + "a" * KB64,
    "64 KB of a later version": f"cc{GOOD[2:]}-" + "a" * KB64,
    "64 KB of blanks": " " * KB64 + GOOD,
}


@pytest.mark.parametrize("case", NEW_ROOT)
def test_a_traceparent_that_is_not_valid_starts_a_new_trace(case, propagator, said):
    span, _ = remote(propagator, traceparent=NEW_ROOT[case], tracestate="a=b")
    assert not span.is_valid
    assert len(said()) <= 1


@pytest.mark.parametrize("case", [GOOD, f" {GOOD}\t", f"cc{GOOD[2:]}", f"cc{GOOD[2:]}-what-else"])
def test_a_traceparent_of_this_or_a_later_version_is_followed(case, propagator):
    span, _ = remote(propagator, traceparent=case)
    assert (f"{span.trace_id:032x}", f"{span.span_id:016x}") == (TRACE, SPAN)
    assert span.is_remote
    assert span.trace_flags.sampled


@pytest.mark.parametrize("flags", ["00", "02", "fe", "ff", "03"])
def test_flags_that_nobody_knows_yet_are_no_fault(flags, propagator):
    span, _ = remote(propagator, traceparent=f"00-{TRACE}-{SPAN}-{flags}")
    assert span.trace_flags.sampled == bool(int(flags, 16) & 1)


TRACESTATES = {
    "good": ("a=1,b@c=2", {"a": "1", "b@c": "2"}),
    "with blanks": (" a=1 \t,, b=2,", {"a": "1", "b": "2"}),
    "thirty-two": (",".join(f"k{n}=v" for n in range(32)), {f"k{n}": "v" for n in range(32)}),
    "thirty-three": (",".join(f"k{n}=v" for n in range(33)), {}),
    "a key twice": ("a=1,a=2", {}),
    "a capital": ("A=1", {}),
    "no value": ("a", {}),
    "two signs": ("a=b=c", {}),
    "a value too long": ("a=" + "x" * 257, {}),
    "a control character": ("a=\x00", {}),
    "no ASCII": ("a=é", {}),
    "64 KB of commas": ("," * KB64, {}),
    "64 KB of blanks": (" " * KB64, {}),
    "64 KB of entries": ("a=b," * (KB64 // 4), {}),
    "64 KB of one value": ("a=" + "b" * KB64, {}),
}


@pytest.mark.parametrize("case", TRACESTATES)
def test_a_tracestate_that_is_not_valid_or_too_large_is_dropped_and_the_trace_goes_on(
    case, propagator, said, caplog
):
    header, kept = TRACESTATES[case]
    for _ in range(3):
        span, _ = remote(propagator, traceparent=GOOD, tracestate=header)
        assert f"{span.trace_id:032x}" == TRACE
        assert dict(span.trace_state) == kept
    assert len(said()) <= 1
    assert caplog.messages == []


BAGGAGES = {
    "good": ("a=1;p=2, b = %C3%A9 ,c=", {"a": "1;p=2", "b": "é", "c": ""}),
    "with bad ones between": ("a=1,nothing,=x,b\x00=2,c=é,d=4", {"a": "1", "d": "4"}),
    "much blank between": (f"a=1{' ' * 4000},{' ' * 4000}b=2", {"a": "1", "b": "2"}),
    "180": (",".join(f"k{n}=v" for n in range(180)), {f"k{n}": "v" for n in range(180)}),
    "181": (",".join(f"k{n}=v" for n in range(181)), {f"k{n}": "v" for n in range(180)}),
    "an entry of 5 KB": (f"a=1,b={'x' * 5000},c=3", {"a": "1", "c": "3"}),
    "12 KB": (f"a={'x' * 4000},b={'x' * 4000},c={'x' * 4000}", {}),
    "12 KB, most of it blank": (f"a=1{' ' * 12_000},b=2", {}),
    "a lone surrogate": ("a=1,b=\ud800,c=3", {"a": "1", "c": "3"}),
    "percent signs": ("a=%,b=%%%,c=%zz", {"a": "%", "b": "%%%", "c": "%zz"}),
    "no UTF-8": ("a=%ff%fe", {"a": "\ufffd\ufffd"}),
    "64 KB of commas": ("," * KB64, {}),
    "64 KB of blanks": (" " * KB64, {}),
    "64 KB of entries": ("a=b," * (KB64 // 4), {}),
    "64 KB of one value": ("a=" + "b" * KB64, {}),
}


@pytest.mark.parametrize("case", BAGGAGES)
def test_baggage_has_bounds_and_what_is_good_of_it_stays(case, propagator, said, caplog):
    header, kept = BAGGAGES[case]
    for _ in range(3):
        _, context = remote(propagator, baggage=header)
        assert dict(baggage.get_all(context)) == kept
    lines = said()
    assert len(lines) == len(set(lines)) <= 3
    # What somebody sent is in no line of ours, nor in the application's log.
    assert all(len(line) < 200 and "xxx" not in line for line in lines)
    assert caplog.messages == []


SLOW = {
    "blanks": ("baggage", " " * 8192),
    "blanks and a letter": ("baggage", " " * 8190 + "b"),
    "a value of blanks": ("baggage", "a=" + " " * 8180 + "b"),
    "tabs": ("baggage", "a" + "\t " * 4090 + "b"),
    "entries without a key": ("baggage", "é," * 2700),
    "64 KB of baggage": ("baggage", "a=b ,\t" * (KB64 // 6)),
    "64 KB of percent signs": ("baggage", "a=" + "%" * KB64),
    "64 KB of tracestate": ("tracestate", "a =\t" * (KB64 // 4)),
    "8 KB of tracestate": ("tracestate", "a=" + " " * 8180 + ","),
    "64 KB of traceparent": ("traceparent", "\t " * (KB64 // 2)),
}


@pytest.mark.parametrize("case", SLOW)
def test_no_header_keeps_the_application_busy(case, propagator, said):
    name, value = SLOW[case]
    headers = {"traceparent": GOOD, name: value}
    times = []
    for _ in range(5):
        started = time.perf_counter()
        propagator.extract(headers)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.1


BITS = (
    *(GOOD, TRACE, SPAN, "00", "ff", "-", "-01", "=", ",", ";", " ", "\t", "a=b", "%", "%00"),
    *("k=v,", "a@b", "\x00", "\n", "\x7f", "é", "\ud800", "0" * 32, "0" * 16, "\u0661", "A", "\\"),
)
NAMES = ("traceparent", "tracestate", "baggage", "b3", "x-b3-traceid", "x-b3-spanid")
SOUND = {
    "traceparent": GOOD,
    "tracestate": "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
    "baggage": "userId=alice;prop,serverNode=DF%2028,isProduction=false",
}


def mutated(text, chance):
    letters = list(text)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(letters) + 1)
        match chance.randrange(4):
            case 0:
                letters[at : at + 1] = []
            case 1:
                letters.insert(at, chance.choice(BITS))
            case 2:
                letters[at : at + 1] = [chr(chance.randrange(256))]
            case _:
                letters[at:] = letters[: chance.randrange(len(letters) + 1)]
    return "".join(letters)


def made_up(chance):
    if chance.random() < 0.5:
        name = chance.choice(list(SOUND))
        return {**SOUND, name: mutated(SOUND[name], chance)}
    return {
        name: "".join(chance.choices(BITS, k=chance.randint(0, 12)))
        for name in chance.sample(NAMES, 2)
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hundred_thousand_headers_raise_nothing_and_make_no_invalid_span(seed, propagator, said):
    chance = random.Random(seed)  # noqa: S311
    followed = 0
    for _ in range(100_000 // len(SEEDS)):
        headers = made_up(chance)
        context = propagator.extract(headers)
        span = trace.get_current_span(context).get_span_context()
        if span.is_valid:
            followed += 1
            assert f"{span.trace_id:032x}" in headers["traceparent"]
            assert f"{span.span_id:016x}" in headers["traceparent"]
        assert len(span.trace_state) <= 32
        assert len(baggage.get_all(context)) <= 180
        onward = {}
        propagator.inject(onward, context)
        assert all(len(value) <= 8192 for value in onward.values())
    assert followed > 5000
    # Nothing raised: that would be a line about a part.
    assert not [line for line in said() if " failed (" in line]


@pytest.mark.parametrize("value", [None, 5, b"00-", object(), [], [None], [5], [b"x"]])
def test_a_carrier_with_rubbish_in_it_raises_nothing(value, propagator):
    for name in SOUND:
        context = propagator.extract({**SOUND, name: value})
        assert context is not None


@pytest.fixture
def service(propagator):
    """Calls a FastAPI service by its ASGI interface; returns statuses and server spans."""
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(propagator)
    exporter = InMemorySpanExporter()
    provider = sdk.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = FastAPI()

    @app.get("/")
    async def read():
        return dict(baggage.get_all())

    instrumentor = FastAPIInstrumentor()
    instrumentor.instrument(skip_dep_check=True, tracer_provider=provider)

    async def get(headers):
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": headers,
            "server": ("test", 80),
            "client": ("test", 1),
        }
        statuses = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await app(scope, receive, send)
        return statuses

    def call(all_headers):
        async def run():
            return [await get(headers) for headers in all_headers]

        statuses = asyncio.run(run())
        spans = [span for span in exporter.get_finished_spans() if span.kind is SpanKind.SERVER]
        return statuses, spans

    yield call
    instrumentor.uninstrument()
    propagate.set_global_textmap(before)


def encoded(headers):
    return [
        (name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in headers.items()
    ]


def test_a_service_answers_every_request_whatever_its_headers_are(service, said, caplog):
    chance = random.Random(SEEDS[0])  # noqa: S311
    requests = [encoded(made_up(chance)) for _ in range(2000)]
    requests += [encoded({name: value}) for name, value in SLOW.values()]
    requests += [
        encoded({"traceparent": value, "baggage": "," * KB64}) for value in NEW_ROOT.values()
    ]
    requests += [[(b"traceparent", GOOD.encode())] * 2, [(b"baggage", b"\xff\xfe=\x80")]]
    statuses, spans = service(requests)
    assert statuses == [[200]] * len(requests)
    assert len(spans) == len(requests)
    assert any(span.parent and f"{span.parent.trace_id:032x}" == TRACE for span in spans)
    assert any(span.parent is None for span in spans)
    # The instrumentation reads bytes as if they were source: it raises for a backslash at the end.
    assert all("'unicodeescape'" in line for line in said() if " failed (" in line)
    assert caplog.messages == []


def test_the_getter_of_the_instrumentation_is_the_one_that_is_tried():
    scope = {"headers": encoded(SOUND)}
    assert asgi_getter.get(scope, "traceparent") == [GOOD]
