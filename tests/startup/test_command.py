"""`opentelemetry-instrument` starts what it starts without ours, and is sooner there."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.instrumented import BIN, run_python

import otel_distro

PTH = Path(otel_distro.__file__).parents[1] / "blipee_otel.pth"
UPSTREAM = """
import sys
sys.argv = ["opentelemetry-instrument", *{words!r}]
from opentelemetry.instrumentation.auto_instrumentation import run
run()
"""
OURS = """
import sys
sys.orig_argv = [sys.executable, {script!r}, *{words!r}]
for line in open({pth!r}): exec(line)
print("returned", "otel_distro.command" in sys.modules)
"""
SHOW = "import os, sys; print(sys.argv, sys.orig_argv, sorted(os.environ.items()))"
HERE = str(Path.cwd())
FOLDER = str(Path(find_spec("opentelemetry.instrumentation.auto_instrumentation").origin).parent)


def run(code, words, script="opentelemetry-instrument", **variables):
    code = code.format(words=words, script=str(BIN / script), pth=str(PTH))
    return run_python(code, instrumented=False, **variables)


@pytest.mark.parametrize(
    "python_path",
    ["", "/elsewhere", f"{HERE}:/elsewhere", f"/elsewhere:{FOLDER}:/more", "/elsewhere:"],
)
@pytest.mark.parametrize(
    "words",
    [
        (sys.executable, "-S", "-c", SHOW),
        (Path(sys.executable).name, "-S", "-c", SHOW, "--service_name", "x", "--", "y"),
        ("env",),
    ],
)
def test_the_program_has_the_arguments_and_the_environment_that_it_has_without_ours(
    words, python_path
):
    ours = run(OURS, words, PYTHONPATH=python_path)
    assert ours.stdout
    assert "returned" not in ours.stdout
    upstream = run(UPSTREAM, words, PYTHONPATH=python_path)
    assert (ours.stdout, ours.stderr) == (upstream.stdout, upstream.stderr)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("opentelemetry-instrument", ("--version",)),
        ("opentelemetry-instrument", ("--service_name", "x", "env")),
        ("opentelemetry-instrument", ("no-such-program",)),
        ("opentelemetry-instrument", (os.sep,)),
        ("opentelemetry-instrument", ()),
        ("other-opentelemetry-instrument", ("env",)),
        ("opentelemetry-bootstrap", ("env",)),
    ],
)
def test_what_the_command_alone_understands_is_left_to_it(script, words):
    looked = script.endswith("opentelemetry-instrument")
    assert run(OURS, words, script).stdout == f"returned {looked}\n"


def test_where_the_command_s_package_is_not_installed_nothing_happens():
    hide = "import sys; sys.modules['opentelemetry.instrumentation'] = None\n"
    assert run(hide + OURS, ("env",)).stdout == "returned True\n"


def test_other_programs_have_nothing_of_ours_imported():
    show = "print([name for name in sys.modules if name.startswith('otel_distro')])"
    start = OURS.partition("print")[0].format(words=(), script="app.py", pth=str(PTH))
    assert run_python(start + show, instrumented=False).stdout == "[]\n"
