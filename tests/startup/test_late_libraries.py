"""A library is instrumented when the application imports it: with all it had, and at no cost to it.

The libraries are real ones, and strangers' under the name of one that upstream's packages know.
"""

import textwrap

import pytest
from support.instrumented import NO_EXPORT, run_python

SPANS = """
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
"""
APPLICATIONS = {
    "fastapi": """
        import asyncio
        from fastapi import FastAPI
        from httpx import ASGITransport, AsyncClient
        app = FastAPI()
        app.get("/items/{item}")(lambda item: item)
        app.get("/health")(lambda: "probes are of interest to nobody")
        async def main():
            async with AsyncClient(transport=ASGITransport(app), base_url="http://app") as client:
                await client.get("/items/1")
                await client.get("/health")
        asyncio.run(main())
    """,
    "starlette": """
        import asyncio
        from httpx import ASGITransport, AsyncClient
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route
        async def answer(request):
            return PlainTextResponse("")
        app = Starlette(routes=[Route(path, answer) for path in ("/items/{item}", "/health")])
        async def main():
            async with AsyncClient(transport=ASGITransport(app), base_url="http://app") as client:
                await client.get("/items/1")
                await client.get("/health")
        asyncio.run(main())
    """,
    "httpx": """
        from httpx import ConnectError, get
        try:
            get("http://127.0.0.1:9/")
        except ConnectError:
            pass
    """,
    "sqlalchemy": """
        from sqlalchemy import create_engine
        with create_engine("sqlite://").connect() as connection:
            connection.exec_driver_sql("SELECT 1")
    """,
}
EXPECTED = {
    "fastapi": ["SERVER GET /items/{item}"],
    "starlette": ["SERVER GET /items/{item}"],
    "httpx": ["CLIENT GET"],
    "sqlalchemy": ["CLIENT SELECT"],
}
CALL = "import otel_distro; otel_distro.configure()\n"
WAYS = pytest.mark.parametrize(
    ("start", "instrumented"), [(CALL, False), ("", True)], ids=["call", "command"]
)


def run(code, *, instrumented, **variables):
    variables = {"OTEL_SERVICE_NAME": "app", **NO_EXPORT, **variables}
    done = run_python(code, instrumented=instrumented, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr.splitlines()


@pytest.mark.parametrize(
    ("before", "start", "instrumented"),
    [("", CALL, False), ("import {}\n", CALL, False), ("", "", True)],
    ids=["call", "call-after", "command"],
)
@pytest.mark.parametrize("library", APPLICATIONS)
def test_it_reports_as_if_it_had_been_there_from_the_start(before, start, instrumented, library):
    others = ",".join(APPLICATIONS.keys() - {library})
    code = textwrap.dedent(APPLICATIONS[library])
    show = "for s in exporter.get_finished_spans(): print(s.kind.name, s.name)"
    lines, said = run(
        before.format(library) + start + SPANS + code + show,
        instrumented=instrumented,
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=others,
    )
    assert (lines, said) == (EXPECTED[library], [])


@pytest.fixture
def stranger(tmp_path):
    """Installs a library, and an instrumentor of it under the name of a known one."""

    def stranger(
        does="print('instrumented', library.READY)", requires="", imports="library", name="redis"
    ):
        (tmp_path / "redis.py").write_text("print('imports')\nREADY = True\n")
        (tmp_path / "redis_instrumentor.py").write_text(
            f"import {imports.replace('library', 'redis as library', 1)}\n"
            "from opentelemetry.instrumentation.instrumentor import BaseInstrumentor\n"
            "class Instrumentor(BaseInstrumentor):\n"
            "    def instrumentation_dependencies(self): return ()\n"
            f"    def _instrument(self, **kwargs): {does}\n"
            "    def _uninstrument(self, **kwargs): print('uninstrumented')\n"
        )
        info = tmp_path / "redis_instrumentor-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: redis-instrumentor\nVersion: 1.0\n"
            "Provides-Extra: instruments\n"
            + (f'Requires-Dist: {requires}; extra == "instruments"\n' if requires else "")
        )
        (info / "entry_points.txt").write_text(
            f"[opentelemetry_instrumentor]\n{name} = redis_instrumentor:Instrumentor\n"
        )
        return str(tmp_path)

    return stranger


@WAYS
def test_what_is_never_imported_is_never_instrumented(start, instrumented, stranger):
    assert run(start, instrumented=instrumented, PYTHONPATH=stranger()) == ([], [])


@pytest.mark.parametrize(
    ("correlation", "imports", "active"),
    [
        ("", "", False),
        ("false", "import redis", False),
        ("", "import redis_instrumentor", True),
        ("true", "", True),
        ("True", "import redis_instrumentor", True),
    ],
)
def test_that_of_logging_is_active_where_it_has_something_to_do_or_somebody_has_it(
    correlation, imports, active, stranger
):
    lines, said = run(
        imports,
        instrumented=True,
        PYTHONPATH=stranger(name="logging"),
        OTEL_PYTHON_LOG_CORRELATION=correlation,
    )
    assert ([line for line in lines if line != "imports"], said) == (
        ["instrumented True"] * active,
        [],
    )


@WAYS
@pytest.mark.parametrize(
    "imports",
    ["import redis", "import redis, redis", "from redis_instrumentor import Instrumentor"],
)
def test_it_is_instrumented_once_however_it_comes(start, instrumented, imports, stranger):
    lines, said = run(start + imports, instrumented=instrumented, PYTHONPATH=stranger())
    assert (lines, said) == (["imports", "instrumented True"], [])


@WAYS
def test_it_can_be_uninstrumented(start, instrumented, stranger):
    code = "\nfrom redis_instrumentor import Instrumentor; Instrumentor().uninstrument()"
    lines, _ = run(start + code, instrumented=instrumented, PYTHONPATH=stranger())
    assert lines == ["imports", "instrumented True", "uninstrumented"]


@WAYS
@pytest.mark.parametrize("disabled", ["redis", "*"])
def test_what_is_disabled_is_left_alone(start, instrumented, disabled, stranger):
    lines, said = run(
        f"{start}import redis",
        instrumented=instrumented,
        PYTHONPATH=stranger(),
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=disabled,
    )
    assert (lines, said) == (["imports"], [])


@WAYS
@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"does": "raise RuntimeError('it has changed')"}, "RuntimeError: it has changed"),
        ({"does": "raise SystemExit(3)"}, "SystemExit: 3"),
        ({"imports": "library, no_such_part"}, None),
        ({"imports": "library\nlibrary.gone"}, "AttributeError: "),
    ],
)
def test_an_instrumentor_that_fails_is_no_failure_of_the_import(
    start, instrumented, wrong, line, stranger
):
    lines, said = run(
        f"{start}import redis; print('goes on', redis.READY)",
        instrumented=instrumented,
        PYTHONPATH=stranger(**wrong),
    )
    assert lines == ["imports", "goes on True"]
    if line is None:
        assert said == []
    else:
        (notice,) = said
        assert notice.startswith(f"blipee-otel: instrumentation of redis failed ({line}")


@WAYS
@pytest.mark.parametrize(("requires", "lines"), [("pytest<1", 1), ("not-installed-anywhere", 0)])
def test_another_version_of_it_is_named_once_when_it_is_imported(
    start, instrumented, requires, lines, stranger
):
    code = "import sys; print(file=sys.stderr); import redis; import redis; print('goes on')"
    path = stranger(requires=requires)
    stdout, said = run(start + code, instrumented=instrumented, PYTHONPATH=path)
    assert stdout == ["imports", "goes on"]
    assert said[0] == ""
    assert len(said[1:]) == lines
    assert all(line.startswith("blipee-otel: redis is not instrumented.") for line in said[1:])


def test_an_interrupt_of_the_user_ends_the_import(stranger):
    code = f"{CALL}try: import redis\nexcept KeyboardInterrupt: print('interrupted')"
    path = stranger("raise KeyboardInterrupt")
    assert run(code, instrumented=False, PYTHONPATH=path) == (["imports", "interrupted"], [])


@WAYS
@pytest.mark.parametrize("disabled", [None, "redis"])
def test_children_find_what_is_disabled_as_it_was_said(start, instrumented, disabled):
    name = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
    variables = {} if disabled is None else {name: disabled}
    show = f"import os; print(os.environ.get({name!r}))"
    assert run(start + show, instrumented=instrumented, **variables)[0] == [str(disabled)]
