"""Instrumentors are activated each on its own: one that fails costs its own library only."""

import textwrap
from importlib.metadata import entry_points

import instrumentors
import pytest
from support.instrumented import NO_EXPORT, run_python

from otel_distro.instrumentation import instrument_all
from otel_distro.instrumentation.fastapi import FastAPIInstrumentor
from otel_distro.instrumentation.starlette import StarletteInstrumentor
from otel_distro.settings import read_settings

INSTALLED = ",".join(point.name for point in entry_points(group="opentelemetry_instrumentor"))


@pytest.fixture
def install(tmp_path):
    """Installs instrumentors: a class of `instrumentors.py` each, in the order given."""

    def install(*classes, requires=""):
        info = tmp_path / "strange_instrumentors-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: strange-instrumentors\nVersion: 1.0\n"
            "Provides-Extra: instruments\n"
            + (f'Requires-Dist: {requires}; extra == "instruments"\n' if requires else "")
        )
        points = "".join(f"{name.lower()} = instrumentors:{name}\n" for name in classes)
        (info / "entry_points.txt").write_text(f"[opentelemetry_instrumentor]\n{points}")
        return tmp_path

    return install


@pytest.fixture
def instrumented(install, monkeypatch):
    """Installs instrumentors, activates all and returns the names of those that are active."""

    def instrumented(*classes, disabled="", **options):
        monkeypatch.syspath_prepend(install(*classes, **options))
        variables = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": f"{INSTALLED},{disabled}"}
        instrument_all(read_settings(variables))
        return list(instrumentors.INSTRUMENTED)

    yield instrumented
    for name in list(instrumentors.INSTRUMENTED):
        getattr(instrumentors, name)().uninstrument()
    for ours in (FastAPIInstrumentor(), StarletteInstrumentor()):
        if ours.is_instrumented_by_opentelemetry:
            ours.uninstrument()


@pytest.mark.parametrize(
    ("failing", "line"),
    [
        ("Raises", "failed (RuntimeError: its library has changed); the others go on."),
        ("Exits", "failed (SystemExit: 3)"),
        ("CannotBeImported", "failed (ImportError: cannot import name 'x')"),
        ("CannotBeCreated", "failed (ValueError: no)"),
        ("Missing", "failed (AttributeError: "),
        ("Conflicts", "is not instrumented."),
    ],
)
def test_one_that_fails_is_named_once_and_the_others_are_active(failing, line, instrumented, said):
    assert instrumented("Works", failing, "WorksToo") == ["Works", "WorksToo"]
    (notice,) = said()
    assert failing.lower() in notice
    assert line in notice
    assert ".." not in notice


@pytest.mark.parametrize("absent", ["WithoutLibrary", "NothingToInstrument"])
def test_a_library_that_is_not_installed_is_not_worth_a_line(absent, instrumented, said):
    assert instrumented("Works", absent, "WorksToo") == ["Works", "WorksToo"]
    assert said() == []


def test_the_line_says_how_to_turn_the_instrumentor_off(instrumented, said):
    instrumented("Raises")
    (notice,) = said()
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=raises turns it off." in notice


def test_an_interrupt_of_the_user_is_no_failure(instrumented):
    with pytest.raises(KeyboardInterrupt):
        instrumented("Interrupted")


@pytest.mark.parametrize(
    ("requires", "active", "lines"),
    [
        ("pytest<1", [], 1),
        ("pytest>1", ["Works"], 0),
        ("not-installed-anywhere", [], 0),
    ],
)
def test_versions_of_the_library_are_compared(requires, active, lines, instrumented, said):
    assert instrumented("Works", requires=requires) == active
    notices = said()
    assert len(notices) == lines
    for notice in notices:
        assert notice.startswith("works is not instrumented. ")
        assert requires in notice


@pytest.mark.parametrize(
    ("disabled", "active"), [("works", ["WorksToo"]), ("*", []), ("work", ["Works", "WorksToo"])]
)
def test_disabled_names_are_left_alone(disabled, active, instrumented):
    assert instrumented("Works", "WorksToo", disabled=disabled) == active


def test_activating_all_twice_activates_each_once(instrumented, monkeypatch, caplog):
    instrumented("Works")
    instrument_all(read_settings({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": INSTALLED}))
    assert instrumentors.INSTRUMENTED == ["Works"]
    assert caplog.messages == []


def test_under_opentelemetry_instrument_even_one_that_exits_stops_nothing(install, request):
    folder = install("Exits", "Raises", "CannotBeImported", "WithoutLibrary", "Works")
    done = run_python(
        "import instrumentors; print('ran', instrumentors.INSTRUMENTED)",
        PYTHONPATH=f"{folder}:{request.path.parent}",
        OTEL_SERVICE_NAME="app",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=INSTALLED,
        **NO_EXPORT,
    )
    assert done.stdout == "ran ['Works']\n"
    lines = sorted(line.split()[3] for line in done.stderr.splitlines())
    assert lines == ["cannotbeimported", "exits", "raises"]


REQUESTS = """
import asyncio, httpx
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
from fastapi import FastAPI
app, sub = FastAPI(), FastAPI()
sub.get("/items/{item}")(lambda item: item)
app.mount("/sub", sub)
app.get("/health")(lambda: "ok")

async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        for path in ("/sub/items/1", "/health"):
            (await client.get("http://service" + path)).raise_for_status()

asyncio.run(main())
for span in exporter.get_finished_spans():
    attributes = span.attributes
    if "http.request.method" in attributes and span.kind.name != "CLIENT":
        print(span.kind.name, attributes["http.route"], span.instrumentation_scope.name)
"""


@pytest.mark.parametrize(
    ("source", "spans"),
    [
        ("blipee", ["SERVER /sub/items/{item} otel_distro.instrumentation.asgi"]),
        (
            "upstream",
            [
                "SERVER /sub opentelemetry.instrumentation.fastapi",
                "INTERNAL /items/{item} opentelemetry.instrumentation.fastapi",
            ],
        ),
    ],
)
def test_fastapi_is_instrumented_by_us_or_on_request_by_upstream(source, spans):
    done = run_python(
        textwrap.dedent(REQUESTS),
        OTEL_SERVICE_NAME="app",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="httpx",
        BLIPEE_OTEL_INSTRUMENTATION=source,
        **NO_EXPORT,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == spans
