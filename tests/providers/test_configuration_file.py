"""`OTEL_CONFIG_FILE` configures the providers, keeps our attributes, and stops no application."""

import json
import sys
import textwrap

import pytest
from support.instrumented import NO_EXPORT, run_python

from otel_distro.providers.declarative import ConfigurationFileError, apply_configuration_file
from otel_distro.settings import read_settings

FILE = """
file_format: "1.0"
resource:
  attributes_list: "deployment.environment.name=staging,region=eu"
  attributes:
    - name: service.version
      value: "9.9"
    - name: team
      value: ${TEAM:-carbon}
tracer_provider:
  sampler:
    always_off:
  processors:
    - simple:
        exporter:
          console:
logger_provider:
  processors:
    - simple:
        exporter:
          console:
propagator:
  composite:
    - baggage:
"""

SHOW = textwrap.dedent("""
    import json
    from opentelemetry import propagate
    from opentelemetry._logs import get_logger_provider
    from opentelemetry.metrics import get_meter_provider
    from opentelemetry.trace import get_tracer_provider
    providers = get_tracer_provider(), get_meter_provider(), get_logger_provider()
    print(json.dumps({
        "providers": [type(provider).__name__ for provider in providers],
        "sampler": getattr(getattr(providers[0], "sampler", None), "get_description", str)(),
        "resource": dict(getattr(providers[0], "resource").attributes),
        "headers": sorted(propagate.get_global_textmap().fields),
    }))
""")

SPANS_ONLY = """
file_format: "1.0"
tracer_provider: {processors: [{simple: {exporter: {console: {}}}}]}
"""

ALL_THREE = ["TracerProvider", "MeterProvider", "LoggerProvider"]

REFUSED = {
    "invalid YAML": ("resource: [unclosed", ".yaml", "Failed to parse YAML"),
    "invalid JSON": ("{", ".json", "Failed to parse JSON"),
    "empty": ("", ".yaml", "is empty"),
    "no mapping": ("- a\n- b\n", ".yaml", "must be a mapping"),
    "schema": (
        'file_format: "1.0"\ntracer_provider:\n  processors: many\n',
        ".yaml",
        "'many' is not of type 'array'",
    ),
    "missing variable": (
        'file_format: "1.0"\ntracer_provider:\n  processors: ${NOT_SET}\n',
        ".yaml",
        "None is not of type 'array' (at tracer_provider -> processors)",
    ),
    "version": ('file_format: "7.0"\n', ".yaml", "Unsupported file_format '7.0'"),
    "name of the file": (FILE, ".txt", "Use .yaml, .yml, or .json"),
    "unknown exporter": (
        SPANS_ONLY.replace("console", "nonesuch"),
        ".yaml",
        "'nonesuch' not found",
    ),
}


@pytest.fixture
def run(tmp_path):
    """Starts a process with a configuration file; returns what it shows and says."""

    def run(content, suffix=".yaml", **variables):
        file = tmp_path / f"otel{suffix}"
        file.write_text(content)
        done = run_python(
            SHOW,
            OTEL_CONFIG_FILE=str(file),
            OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
            **{"OTEL_SERVICE_NAME": "blipee-api", **NO_EXPORT, **variables},
        )
        assert done.returncode == 0
        return json.loads(done.stdout), done.stderr.splitlines()

    return run


def test_a_file_configures_what_it_names_and_nothing_else(run):
    shown, lines = run(FILE)
    assert shown["providers"] == ["TracerProvider", "_ProxyMeterProvider", "LoggerProvider"]
    assert shown["sampler"] == "AlwaysOffSampler"
    assert shown["headers"] == ["baggage"]
    assert lines == []


def test_our_attributes_stay_and_those_of_the_file_win(run):
    shown, _ = run(FILE, TEAM="core", APP_VERSION="2", OTEL_RESOURCE_ATTRIBUTES="x=1,team=other")
    assert (
        shown["resource"].items()
        >= {
            # the file's
            "service.version": "9.9",
            "deployment.environment.name": "staging",
            "region": "eu",
            "team": "core",
            # ours
            "service.name": "blipee-api",
            "service.namespace": "blipee",
            "blipee.service.kind": "api",
            "telemetry.distro.name": "blipee-otel-distro",
            "x": "1",
        }.items()
    )
    assert isinstance(shown["resource"]["process.pid"], int)


def test_a_file_without_a_resource_has_ours(run):
    shown, lines = run(SPANS_ONLY)
    assert shown["resource"]["service.namespace"] == "blipee"
    assert shown["resource"]["service.name"] == "blipee-api"
    assert lines == []


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_cannot_be_used_is_one_line_and_the_variables_count(case, run):
    content, suffix, reason = REFUSED[case]
    shown, lines = run(content, suffix)
    (line,) = lines
    assert line.startswith("blipee-otel: OTEL_CONFIG_FILE=")
    assert reason in line
    assert line.endswith("what it did not set, the variables say.")
    assert shown["providers"] == ALL_THREE
    assert shown["headers"] == ["baggage", "traceparent", "tracestate"]
    assert shown["resource"]["service.name"] == "blipee-api"


def test_a_file_without_the_package_that_reads_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.configuration", None)
    with pytest.raises(ConfigurationFileError, match=r"pip install 'blipee-otel-distro\[config"):
        apply_configuration_file("otel.yaml", read_settings({}))
