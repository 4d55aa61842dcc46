"""Importing the distribution is light: what is heavy comes when it is needed."""

import pytest
from support.instrumented import NO_EXPORT, run_python

HEAVY = ("opentelemetry.sdk.trace", "opentelemetry.sdk.metrics", "opentelemetry.exporter", "grpc",
         "requests", "fastapi", "google.protobuf")  # fmt: skip


def loaded(code, *, instrumented=False, **variables):
    show = f"import sys\n{code}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = run_python(show, instrumented=instrumented, **variables)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import otel_distro",
        "import otel_distro.distro",
        "import otel_distro.settings.early",
        "from otel_distro.settings import read_settings; read_settings()",
        "from otel_distro.configuration import prepare; prepare()",
    ],
)
def test_importing_and_reading_settings_loads_neither_the_sdk_nor_grpc(code):
    assert loaded(code) == []


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_no_protocol_is_loaded_before_something_is_sent(protocol):
    found = loaded(
        "",
        instrumented=True,
        OTEL_SERVICE_NAME="app",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_METRICS_EXPORTER="none",  # the process reports itself, and no Collector is there
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
    )
    assert set(found) == {"opentelemetry.sdk.trace", "opentelemetry.sdk.metrics"}


def test_a_disabled_instrumentation_does_not_load_its_library():
    variables = {"OTEL_SERVICE_NAME": "app", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "fastapi"}
    assert "fastapi" not in loaded("", instrumented=True, **variables, **NO_EXPORT)
