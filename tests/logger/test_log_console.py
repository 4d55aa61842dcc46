"""Where lines are printed: nowhere that the application has its own, and then by the format."""

import io
import json
import logging
import sys
from contextlib import contextmanager

import pytest
from support.instrumented import run_python

from otel_distro import logger
from otel_distro.logger import api_logger, get_logger
from otel_distro.logger.console import Console
from otel_distro.settings.model import LogOutput

START = """
import logging, sys
from otel_distro import logger
from otel_distro.logger import api_logger
from otel_distro.settings import read_settings
logger.install(read_settings())
"""
EACH = """
api_logger.debug("d"); api_logger.info("i"); api_logger.warn("w")
api_logger.error("e"); api_logger.fatal("f")
logging.getLogger("shop").warning("theirs"); logging.getLogger("shop").info("not let through")
"""


def run(code, *, start=START, **variables):
    done = run_python(start + code, instrumented=False, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr.splitlines()


def texts(lines):
    return [json.loads(line)["message"] for line in lines]


def test_in_development_errors_are_on_stderr_and_the_rest_on_stdout():
    out, err = run(EACH)
    assert [line.split()[-2] for line in out] == ["d", "i", "w"]
    assert [line.split()[-2] for line in err] == ["e", "f", "theirs"]
    assert not any("\x1b" in line for line in out + err)


def test_in_production_our_lines_are_json_on_stdout_from_info_on():
    out, err = run(EACH, BLIPEE_OTEL_ENVIRONMENT="production", OTEL_SERVICE_NAME="shop-api")
    assert texts(out) == ["i", "w", "e", "f"]
    # Where Python has it: the standard output of a program may be its result.
    assert texts(err) == ["theirs"]
    assert json.loads(err[0])["service"] == "shop-api"


@pytest.mark.parametrize(
    ("variables", "pretty"),
    [
        ({}, True),
        ({"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=production"}, False),
        ({"BLIPEE_OTEL_ENVIRONMENT": "Prod"}, False),
        ({"BLIPEE_OTEL_ENVIRONMENT": "production", "BLIPEE_OTEL_LOG_FORMAT": "pretty"}, True),
        ({"BLIPEE_OTEL_LOG_FORMAT": "json"}, False),
    ],
)
def test_the_format_is_that_of_the_environment_or_the_one_asked_for(variables, pretty):
    (line,), err = run("api_logger.info('x')", **variables)
    assert line.startswith("{") is not pretty
    assert err == []


def test_with_off_nothing_of_ours_is_printed_and_python_prints_its_own_as_ever():
    out, err = run(EACH, BLIPEE_OTEL_LOG_FORMAT="off")
    assert (out, err) == ([], ["theirs"])


CONFIGURE = {
    "basicConfig": "logging.basicConfig(level=20, format='%(name)s %(message)s')",
    "dictConfig": """import logging.config
logging.config.dictConfig({"version": 1, "formatters": {"f": {"format": "%(name)s %(message)s"}},
  "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "f"}},
  "root": {"level": "INFO", "handlers": ["h"]}})""",
}


@pytest.mark.parametrize("how", CONFIGURE)
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("environment", ["development", "production"])
def test_logging_that_the_application_configures_is_as_it_made_it(how, before, environment):
    configure = CONFIGURE[how]
    check = "assert len(logging.getLogger().handlers) == 1\n"
    code = f"{EACH}{check}" if before else f"{configure}\n{EACH}{check}"
    start = f"import logging\n{configure}\n{START}" if before else START
    out, err = run(code, start=start, BLIPEE_OTEL_ENVIRONMENT=environment)
    assert out == []
    assert err == ["api i", "api w", "api e", "api f", "shop theirs", "shop not let through"]


def test_without_installing_nothing_changes():
    code = "import logging\nfrom otel_distro.logger import api_logger\n" + EACH
    out, err = run(code, start="")
    assert (out, err) == ([], ["w", "e", "f", "theirs"])


def test_installing_adds_no_handler_and_sets_no_level():
    code = """
root, api = logging.getLogger(), logging.getLogger("api")
assert (root.handlers, root.level, api.handlers, api.level) == ([], 30, [], 0)
assert not api.hasHandlers()
"""
    assert run(code) == ([], [])


def test_a_disabled_sdk_leaves_the_applications_lines():
    out, err = run(EACH, OTEL_SDK_DISABLED="true", BLIPEE_OTEL_ENVIRONMENT="production")
    assert texts(out) == ["i", "w", "e", "f"]
    assert texts(err) == ["theirs"]


@pytest.mark.parametrize(
    ("variables", "setup", "levels"),
    [
        ({"BLIPEE_OTEL_LOG_LEVEL": "error"}, "", ["e", "f"]),
        ({}, "logging.getLogger('api').setLevel(50)", ["f"]),
        ({}, "logging.getLogger().setLevel(40)", ["e", "f"]),
        ({}, "logging.disable(40)", ["f"]),
        ({"BLIPEE_OTEL_LOG_LEVEL": "debug"}, "logging.disable(40)", ["f"]),
        ({"BLIPEE_OTEL_LOG_LEVEL": "info"}, "logging.getLogger().setLevel(40)", list("iwef")),
        ({}, "logging.getLogger('api').disabled = True", []),
    ],
)
def test_levels_are_the_applications_unless_somebody_sets_ours(variables, setup, levels):
    out, _ = run(setup + EACH, BLIPEE_OTEL_LOG_FORMAT="json", **variables)
    assert texts(out) == levels


@contextmanager
def bare_logging():
    """Have `logging` as in a process that configured nothing: without pytest's own handlers."""
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        yield
    finally:
        root.handlers = handlers


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "colors", "colored"),
    [(Terminal, True, True), (Terminal, False, False), (io.StringIO, True, False)],
)
def test_only_a_terminal_gets_colors(stream, colors, colored, monkeypatch):
    stdout = stream()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(
        logging, "lastResort", Console(LogOutput(format="pretty", colors=colors), "s", None)
    )
    with bare_logging():
        get_logger("unheard of").warn("x")
    assert ("\x1b[" in stdout.getvalue()) is colored
    assert "x" in stdout.getvalue()


class Closed(io.StringIO):
    def __init__(self):
        super().__init__()
        self.close()


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError

    def isatty(self):
        raise ValueError


def ascii_only():
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii")


@pytest.mark.parametrize("stream", [Closed, Broken, ascii_only, lambda: None, object])
@pytest.mark.parametrize("output", ["pretty", "json"])
def test_a_stream_that_cannot_be_written_to_costs_nothing(stream, output, monkeypatch, install):
    install(LOG_FORMAT=output)
    monkeypatch.setattr(sys, "stdout", stream())
    with bare_logging():
        get_logger("unheard of").info("Zoë ☕")
    if isinstance(sys.stdout, io.TextIOWrapper):
        assert b"Zo\\xeb" in sys.stdout.buffer.getvalue().replace(b"\\u00eb", b"\\xeb")


def test_a_line_of_standard_logging_that_cannot_be_formatted_is_reported_as_ever(install, capsys):
    install(LOG_FORMAT="json")
    with bare_logging():
        logging.getLogger("shop").warning("%d", "seven")
    assert "--- Logging error ---" in capsys.readouterr().err


def test_somebody_elses_last_resort_keeps_its_records(monkeypatch, install, capsys):
    class Theirs(logging.Handler):
        def emit(self, record):
            seen.append(record.getMessage())

    seen = []
    monkeypatch.setattr(logging, "lastResort", Theirs(logging.WARNING))
    install()
    with bare_logging():
        logging.getLogger("shop").warning("theirs")
        api_logger.info("ours")
    assert seen == ["theirs"]
    assert "ours" in capsys.readouterr().out


def test_installing_twice_is_installing_once_and_uninstalling_restores(install):
    before = logging.lastResort
    install()
    install()
    assert isinstance(logging.lastResort, Console)
    logger.uninstall()
    logger.uninstall()
    assert logging.lastResort is before


def test_a_last_resort_that_was_set_since_stays(install, monkeypatch):
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    install()
    theirs = logging.lastResort = logging.NullHandler()
    logger.uninstall()
    assert logging.lastResort is theirs


def test_importing_the_logger_imports_neither_opentelemetry_nor_structlog():
    code = "import sys\nimport otel_distro.logger\nprint(*sys.modules)"
    (modules,), _ = run(code, start="")
    found = {name.partition(".")[0] for name in modules.split()}
    assert not found & {"opentelemetry", "structlog", "rich"}
