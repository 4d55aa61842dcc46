"""What was said once is not said again: not on a second reading, not by a child process."""

import os
import sys

import pytest
from bad_values import BAD
from support.instrumented import NO_EXPORT, run_python

from otel_distro.settings import read_settings

GARBAGE = {
    case.variable: case.value
    for case in BAD
    # One without its other half: another case is the other half.
    if case.variable not in {"OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE"}
}

CHILD = f"""
import os, subprocess
print('parent')
subprocess.run([{sys.executable!r}, '-c', 'print("child")'])
if not os.fork():
    print('fork')
    os._exit(0)
os.wait()
"""


@pytest.fixture
def environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("OTEL_", "BLIPEE_OTEL_")):
            monkeypatch.delenv(name)
    # So that what the test adds is taken back too.
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return os.environ


def test_a_second_reading_has_no_problems_and_the_same_result(environment):
    environment |= {**GARBAGE, "APP_VERSION": "2"}
    first = read_settings()
    assert len(first.problems) > 50
    first.correct_environment()
    second = read_settings()
    assert second.problems == ()
    for part in ("service", "exports", "batches", "sampling", "propagators", "log_capture"):
        assert getattr(second, part) == getattr(first, part)


def test_a_disabled_sdk_reads_nothing_else_and_has_no_problems(environment):
    settings = read_settings({**GARBAGE, "OTEL_SDK_DISABLED": "true"})
    assert settings.disabled
    assert settings.problems == ()
    assert settings.corrections == {}


def test_a_disabled_sdk_says_nothing_even_of_what_would_stop_the_application():
    done = run_python("print('ran')", **{**GARBAGE, "OTEL_SDK_DISABLED": "true"})
    assert (done.stdout, done.stderr, done.returncode) == ("ran\n", "", 0)


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_BSP_SCHEDULE_DELAY", "5s"), ("OTEL_PROPAGATORS", "nope")]
)
def test_child_processes_do_not_repeat_the_line(variable, value):
    variables = {"OTEL_SERVICE_NAME": "app", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}
    done = run_python(CHILD, **variables, **NO_EXPORT, **{variable: value})
    assert sorted(done.stdout.split()) == ["child", "fork", "parent"]
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"blipee-otel: {variable}=")


def test_blank_variables_are_unset_for_everybody():
    blank = dict.fromkeys(GARBAGE, " ") | {"OTEL_SERVICE_NAME": "app"}
    blank |= {"OTEL_METRICS_EXPORTER": "none"}  # the process reports itself, to nobody here
    grpc = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}  # its exporter reads numbers itself
    done = run_python(
        "print('ran')", **blank | grpc | {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}
    )
    assert (done.stdout, done.stderr, done.returncode) == ("ran\n", "", 0)
