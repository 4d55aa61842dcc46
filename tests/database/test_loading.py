"""Databases are instrumented without upstream's packages, once with them, and not when disabled."""

import pytest
from support.instrumented import NO_EXPORT, run_python

# What an application does, and who reported it.
APPLICATION = """
import sqlalchemy
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
with sqlalchemy.create_engine("sqlite://").connect() as connection:
    connection.exec_driver_sql("SELECT 1")
for span in exporter.get_finished_spans():
    print(span.instrumentation_scope.name, span.name)
"""
CONFIGURED = "import otel_distro; otel_distro.configure()" + APPLICATION
OURS = ["otel_distro SELECT"]


@pytest.fixture
def upstream(tmp_path):
    """Installs something under the entry point of upstream's instrumentor."""

    def upstream(requires):
        info = tmp_path / "upstream_sqlalchemy-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: upstream-sqlalchemy\nVersion: 1.0\n"
            f'Provides-Extra: instruments\nRequires-Dist: {requires}; extra == "instruments"\n'
        )
        (info / "entry_points.txt").write_text(
            "[opentelemetry_instrumentor]\nsqlalchemy = upstream_sqlalchemy:Instrumentor\n"
        )
        (tmp_path / "upstream_sqlalchemy.py").write_text(
            "from opentelemetry.instrumentation.instrumentor import BaseInstrumentor\n"
            "class Instrumentor(BaseInstrumentor):\n"
            "    def instrumentation_dependencies(self): return ()\n"
            "    def _instrument(self, **kwargs): print('upstream')\n"
            "    def _uninstrument(self, **kwargs): pass\n"
        )
        return str(tmp_path)

    return upstream


def output(code, *, instrumented, **variables):
    done = run_python(
        code, instrumented=instrumented, OTEL_SERVICE_NAME="app", **NO_EXPORT, **variables
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


WAYS = pytest.mark.parametrize(
    ("code", "instrumented"), [(APPLICATION, True), (CONFIGURED, False)], ids=["command", "call"]
)


@WAYS
def test_without_a_package_of_upstream_s_ours_is_active(code, instrumented):
    assert output(code, instrumented=instrumented) == (OURS, "")


@WAYS
@pytest.mark.parametrize("name", ["sqlalchemy", "blipee_sqlalchemy"])
def test_either_name_turns_it_off(code, instrumented, name):
    disabled = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": name}
    assert output(code, instrumented=instrumented, **disabled) == ([], "")


def test_nothing_is_active_where_all_is_turned_off():
    disabled = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}
    assert output(CONFIGURED, instrumented=False, **disabled) == ([], "")


@pytest.mark.parametrize(
    ("code", "instrumented", "requires"),
    [
        (APPLICATION, True, "sqlalchemy<2"),  # as upstream's: it leaves our version alone
        (APPLICATION, True, "sqlalchemy>=2"),
        (CONFIGURED, False, "sqlalchemy<2"),
    ],
)
def test_with_one_of_upstream_s_ours_is_active_once(code, instrumented, requires, upstream):
    lines, _ = output(code, instrumented=instrumented, PYTHONPATH=upstream(requires))
    assert lines == OURS


def test_upstream_s_is_used_where_that_is_asked_for(upstream):
    choice = {"BLIPEE_OTEL_INSTRUMENTATION": "upstream"}
    installed = {"PYTHONPATH": upstream("sqlalchemy>=2")}
    assert output(APPLICATION, instrumented=True, **choice, **installed) == (["upstream"], "")


def test_asked_for_and_not_installed_ours_is_used():
    choice = {"BLIPEE_OTEL_INSTRUMENTATION": "upstream"}
    assert output(CONFIGURED, instrumented=False, **choice) == (OURS, "")
