"""`opentelemetry-instrument` with our distribution, on programs that know nothing of us."""

import sys
import textwrap
from pathlib import Path

import pytest
from support.instrumented import NO_EXPORT, run_python

SHOW_PROVIDERS = """
from opentelemetry import _logs, metrics, trace, propagate
for provider in (trace.get_tracer_provider(), metrics.get_meter_provider(),
                 _logs.get_logger_provider()):
    parts = type(provider).__module__.split(".")
    print("sdk" if "sdk" in parts else parts[1], type(provider).__name__)
print(sorted(propagate.get_global_textmap().fields))
"""


def test_all_three_providers_and_the_w3c_propagators_are_set():
    done = run_python(SHOW_PROVIDERS, OTEL_SERVICE_NAME="api", **NO_EXPORT)
    assert done.stdout.splitlines() == [
        "sdk TracerProvider",
        "sdk MeterProvider",
        "sdk LoggerProvider",
        "['baggage', 'traceparent', 'tracestate']",
    ]
    assert done.stderr == ""


def test_the_resource_says_who_emits():
    done = run_python(
        "from opentelemetry import trace\n"
        "for item in sorted(trace.get_tracer_provider().resource.attributes.items()): print(*item)",
        OTEL_SERVICE_NAME="blipee-agents",
        APP_VERSION="2.3.4",
        BLIPEE_OTEL_ENVIRONMENT="staging",
        OTEL_RESOURCE_ATTRIBUTES="team=carbon",
        **NO_EXPORT,
    )
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert found["service.namespace"] == "blipee"
    assert found["service.name"] == "blipee-agents"
    assert found["service.version"] == "2.3.4"
    assert found["deployment.environment.name"] == "staging"
    assert found["blipee.service.kind"] == "agents"
    assert found["telemetry.distro.name"] == "blipee-otel-distro"
    assert found["team"] == "carbon"
    assert {"service.instance.id", "host.name", "os.type", "process.pid"} <= found.keys()


def test_a_missing_service_name_is_said_once_with_the_fix():
    done = run_python("print('ran')", **NO_EXPORT)
    assert done.stdout == "ran\n"
    assert done.stderr.count("\n") == 1
    assert "OTEL_SERVICE_NAME" in done.stderr


def test_disabled_leaves_nothing_behind():
    done = run_python(
        SHOW_PROVIDERS.replace("print(sorted", "#")
        + textwrap.dedent("""
        import logging, os, threading, sys
        print(logging.Logger.callHandlers.__module__, logging.getLogger().handlers)
        print(threading.active_count(), [n for n in os.environ if "SEMCONV" in n])
        print("opentelemetry.sdk.trace" in sys.modules, "fastapi" in sys.modules)
        """),
        OTEL_SDK_DISABLED="true",
        OTEL_TRACES_SAMPLER="nonsense",
    )
    assert done.stdout.splitlines() == [
        "trace ProxyTracerProvider",
        "metrics _ProxyMeterProvider",
        "_logs ProxyLoggerProvider",
        "logging []",
        "1 []",
        "False False",
    ]
    assert done.stderr == ""


@pytest.mark.parametrize("instrumented", [True, False])
def test_configure_is_idempotent_and_safe_after_the_command(instrumented):
    done = run_python(
        """
import otel_distro
from opentelemetry import trace
first = otel_distro.configure()
provider = trace.get_tracer_provider()
second = otel_distro.configure()
print(first is second, provider is trace.get_tracer_provider(), type(provider).__name__)
""",
        instrumented=instrumented,
        OTEL_SERVICE_NAME="api",
        **NO_EXPORT,
    )
    assert done.stdout == "True True TracerProvider\n"
    assert done.stderr == ""


def test_configure_says_that_late_arguments_are_ignored():
    done = run_python(
        "import otel_distro; otel_distro.configure(service_name='late')",
        OTEL_SERVICE_NAME="api",
        **NO_EXPORT,
    )
    assert done.stderr.count("blipee-otel:") == 1
    assert "ignored" in done.stderr


def test_what_configure_is_given_wins_over_the_environment():
    done = run_python(
        """
import otel_distro
from opentelemetry import trace
otel_distro.configure(service_name="ours", resource_attributes={"team": "code"})
found = trace.get_tracer_provider().resource.attributes
print(found["service.name"], found["team"])
""",
        instrumented=False,
        OTEL_SERVICE_NAME="theirs",
        OTEL_RESOURCE_ATTRIBUTES="team=environment",
        **NO_EXPORT,
    )
    assert done.stdout == "ours code\n"


def test_a_provider_set_by_someone_else_is_kept_and_named_and_the_others_are_ours():
    done = run_python(
        """
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk.trace import TracerProvider
theirs = TracerProvider()
trace.set_tracer_provider(theirs)
import otel_distro
otel_distro.configure(service_name="api")
print(trace.get_tracer_provider() is theirs)
print(type(metrics.get_meter_provider()).__name__, type(_logs.get_logger_provider()).__name__)
""",
        instrumented=False,
        **NO_EXPORT,
    )
    assert done.stdout.splitlines() == ["True", "MeterProvider LoggerProvider"]
    assert done.stderr.count("\n") == 1
    assert "TracerProvider was set before ours" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("service_name=123", "configure(service_name='123') is no text but int"),
        ("service_kind='apis'", "did you mean api?"),
        ("resource_attributes=['a']", "configure(resource_attributes) is no mapping but list"),
        ("resource_attributes={'a': 1}", "configure(resource_attributes['a']='1') is no text"),
        ("endpoint='collector:4318'", "using what is left of it"),
        ("endpoint='http://[::1'", "is not a URL"),
        ("headers={'key': 5}", "configure(headers['key']) is no text but int"),
    ],
)
def test_a_bad_argument_of_configure_is_one_line_and_the_app_goes_on(arguments, said):
    done = run_python(
        f"import otel_distro; otel_distro.configure({arguments}); print('ran')",
        instrumented=False,
        OTEL_SERVICE_NAME="api",
        **NO_EXPORT,
    )
    assert done.stdout == "ran\n"
    assert done.stderr.count("\n") == 1, done.stderr
    assert said in done.stderr


def test_a_fault_of_ours_is_one_line_and_the_app_goes_on():
    done = run_python(
        """
import otel_distro.activation
def broken(settings): raise ZeroDivisionError("ours")
otel_distro.activation.set_providers = broken
otel_distro.configure(service_name="api").shutdown()
print("ran")
""",
        instrumented=False,
        **NO_EXPORT,
    )
    assert done.stdout == "ran\n"
    assert "ZeroDivisionError: ours" in done.stderr
    assert done.stderr.count("\n") == 1


def test_shutdown_twice_says_nothing():
    done = run_python(
        "import otel_distro; t = otel_distro.configure(); t.shutdown(); t.shutdown()",
        OTEL_SERVICE_NAME="api",
        **NO_EXPORT,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_workers_do_not_repeat_that_the_service_has_no_name():
    done = run_python(
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)'])", **NO_EXPORT
    )
    assert done.stderr.count("OTEL_SERVICE_NAME") == 1


def test_the_applications_own_variables_stay_as_they_are():
    done = run_python(
        "from os import environ\n"
        "print(repr(environ['APP_VERSION']), environ.get('OTEL_PYTHON_EXCLUDED_URLS'))",
        OTEL_SERVICE_NAME="api",
        APP_VERSION="",
        **NO_EXPORT,
    )
    assert done.stdout == "'' None\n"


def make_distribution(folder: Path, name: str, entry_points: str, module: str) -> None:
    """Lay out an installed package: its module and its metadata."""
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(textwrap.dedent(entry_points))
    (folder / f"{name}.py").write_text(textwrap.dedent(module))


@pytest.mark.parametrize("error", ["RuntimeError('no')", "SystemExit(3)", "KeyError('x')"])
def test_an_instrumentor_that_raises_stops_neither_the_others_nor_the_app(tmp_path, error):
    make_distribution(
        tmp_path,
        "aaa_broken",
        """
        [opentelemetry_instrumentor]
        aaa_broken = aaa_broken:Broken
        zzz_fine = aaa_broken:Fine
        """,
        f"""
        from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
        class Fine(BaseInstrumentor):
            def instrumentation_dependencies(self): return ()
            def _instrument(self, **kwargs): print("fine is instrumented")
            def _uninstrument(self, **kwargs): pass
        class Broken(Fine):
            def _instrument(self, **kwargs): raise {error}
        """,
    )
    done = run_python(
        "import httpx; print('ran', hasattr(httpx.HTTPTransport.handle_request, '__wrapped__'))",
        OTEL_SERVICE_NAME="api",
        PYTHONPATH=str(tmp_path),
        **NO_EXPORT,
    )
    assert done.stdout.splitlines() == ["fine is instrumented", "ran True"]
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert "aaa_broken failed" in lines[0]
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=aaa_broken" in lines[0]


OTHER_DISTRO = """
from opentelemetry.instrumentation.distro import BaseDistro
class Other(BaseDistro):
    def _configure(self, **kwargs): print("the other distro")
class OtherConfigurator:
    def configure(self, **kwargs): print("the other configurator")
"""


def test_found_first_ours_also_brings_its_own_configurator(tmp_path):
    # On sys.path before ours, so the other one's configurator is found first.
    make_distribution(
        tmp_path,
        "other",
        "[opentelemetry_configurator]\nother = other:OtherConfigurator\n",
        OTHER_DISTRO,
    )
    done = run_python(
        SHOW_PROVIDERS, OTEL_SERVICE_NAME="api", PYTHONPATH=str(tmp_path), **NO_EXPORT
    )
    assert "sdk TracerProvider" in done.stdout
    assert "the other configurator" not in done.stdout


def test_another_distribution_found_first_is_named_with_the_way_to_choose_ours(tmp_path):
    make_distribution(
        tmp_path,
        "other",
        """
        [opentelemetry_distro]
        other = other:Other
        [opentelemetry_configurator]
        other = other:OtherConfigurator
        """,
        OTHER_DISTRO,
    )
    found_first = run_python(
        "print('ran')", OTEL_SERVICE_NAME="api", PYTHONPATH=str(tmp_path), **NO_EXPORT
    )
    assert "ran" in found_first.stdout
    said = [line for line in found_first.stderr.splitlines() if "blipee-otel:" in line]
    assert len(said) == 1
    assert "OTEL_PYTHON_DISTRO=blipee" in said[0]
    chosen = run_python(
        SHOW_PROVIDERS,
        OTEL_SERVICE_NAME="api",
        PYTHONPATH=str(tmp_path),
        OTEL_PYTHON_DISTRO="blipee",
        OTEL_PYTHON_CONFIGURATOR="blipee",
        **NO_EXPORT,
    )
    assert "the other" not in chosen.stdout
    assert "sdk TracerProvider" in chosen.stdout
    assert "blipee-otel:" not in chosen.stderr


def test_another_distribution_that_was_asked_for_is_none_of_our_business(tmp_path):
    make_distribution(
        tmp_path, "other", "[opentelemetry_distro]\nother = other:Other\n", OTHER_DISTRO
    )
    done = run_python(
        "print('ran')",
        OTEL_SERVICE_NAME="api",
        PYTHONPATH=str(tmp_path),
        OTEL_PYTHON_DISTRO="other",
        **NO_EXPORT,
    )
    assert "another OpenTelemetry distribution" not in done.stderr


@pytest.mark.parametrize("variable", ["OTEL_PYTHON_CONFIGURATOR", "OTEL_PYTHON_DISTRO"])
@pytest.mark.parametrize(("value", "lines"), [("blipe", 1), (" ", 0)])
def test_a_misspelled_choice_is_one_line_and_telemetry_is_configured(variable, value, lines):
    done = run_python(SHOW_PROVIDERS, OTEL_SERVICE_NAME="api", **{variable: value}, **NO_EXPORT)
    assert "sdk TracerProvider" in done.stdout
    said = [line for line in done.stderr.splitlines() if line.startswith("blipee-otel:")]
    assert len(said) == lines, done.stderr
    assert all(f"{variable}='blipe'" in line and "blipee" in line for line in said)


def test_a_spawned_worker_is_configured_too():
    done = run_python(
        """
import subprocess, sys
subprocess.run([sys.executable, "-c",
  "from opentelemetry import trace; print(type(trace.get_tracer_provider()).__name__)"])
""",
        OTEL_SERVICE_NAME="api",
        OTEL_METRIC_EXPORT_INTERVAL="often",
        **NO_EXPORT,
    )
    assert done.stdout == "TracerProvider\n"
    assert done.stderr.count("OTEL_METRIC_EXPORT_INTERVAL='often'") == 1


def test_an_application_that_never_configured_logging_still_sees_its_warnings():
    done = run_python(
        "import logging; logging.getLogger('app').warning('careful')",
        OTEL_SERVICE_NAME="api",
        **NO_EXPORT,
    )
    assert done.stderr.count("\n") == 1
    assert "careful" in done.stderr


def test_the_pth_file_is_silent_outside_of_instrumentation():
    done = run_python("print('ran')", instrumented=False, OTEL_PROPAGATORS="nonsense")
    assert (done.stdout, done.stderr) == ("ran\n", "")


def test_exporting_nowhere_needs_no_exporter_threads():
    done = run_python(
        "import threading; print(threading.active_count())", OTEL_SERVICE_NAME="api", **NO_EXPORT
    )
    assert done.stdout == "1\n", sys.version
