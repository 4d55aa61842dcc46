"""The logger's settings, and the seed's names for where a signal goes."""

import logging

import pytest

from otel_distro.settings import InCode, read_settings

LOGS = "http://logs:4318/v1/logs"


@pytest.mark.parametrize(
    ("variables", "output", "level", "is_set"),
    [
        ({}, "pretty", logging.DEBUG, False),
        ({"BLIPEE_OTEL_ENVIRONMENT": "production"}, "json", logging.INFO, False),
        ({"BLIPEE_OTEL_ENVIRONMENT": "staging"}, "pretty", logging.DEBUG, False),
        ({"BLIPEE_OTEL_LOG_FORMAT": "JSON"}, "json", logging.DEBUG, False),
        ({"BLIPEE_OTEL_LOG_FORMAT": "auto", "BLIPEE_OTEL_LOG_LEVEL": "warn"}, "pretty", 30, True),
        ({"BLIPEE_OTEL_LOG_LEVEL": "FATAL"}, "pretty", logging.CRITICAL, True),
    ],
)
def test_what_is_printed(variables, output, level, is_set):
    settings = read_settings(variables)
    assert settings.problems == ()
    read = settings.log_output
    assert (read.format, read.level, read.level_is_set) == (output, level, is_set)


@pytest.mark.parametrize(
    ("said", "output"),
    [
        (InCode(environment="production"), "json"),
        (InCode(resource_attributes={"deployment.environment.name": "production"}), "json"),
        (InCode(environment="test"), "pretty"),
    ],
)
def test_the_environment_that_is_said_in_code_wins(said, output):
    settings = read_settings({"BLIPEE_OTEL_ENVIRONMENT": "staging"}, said)
    assert settings.log_output.format == output


def test_a_bad_format_or_level_is_one_line_and_the_default():
    settings = read_settings(
        {"BLIPEE_OTEL_LOG_FORMAT": "xml", "BLIPEE_OTEL_LOG_LEVEL": "loud", "NO_COLOR": "1"}
    )
    assert [line.split("=")[0] for line in settings.problems] == [
        "BLIPEE_OTEL_LOG_FORMAT",
        "BLIPEE_OTEL_LOG_LEVEL",
    ]
    assert (settings.log_output.format, settings.log_output.level) == ("pretty", logging.DEBUG)
    assert not settings.log_output.colors


@pytest.mark.parametrize(
    ("name", "signal"), [("LOG_ENDPOINT", "logs"), ("METRICS_ENDPOINT", "metrics")]
)
def test_the_seeds_endpoint_is_used_with_one_hint(name, signal):
    environ = {name: LOGS}
    settings = read_settings(environ)
    assert settings.exports[signal].endpoint.url == LOGS
    assert settings.exports["traces"].endpoint.url == "http://localhost:4318/v1/traces"
    (line,) = settings.problems
    standard = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    assert line == f"{name} is used as the endpoint of {signal}. Use {standard}, the standard name."
    # The application's variable stays; child processes find the standard one and say nothing.
    assert name not in settings.corrections
    again = read_settings({**environ, standard: settings.corrections[standard]})
    assert (again.exports, again.problems) == (settings.exports, ())


@pytest.mark.parametrize(
    ("variables", "said", "url", "problems"),
    [
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://own"}, InCode(), "http://own", 0),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://all"}, InCode(), "http://all/v1/logs", 1),
        ({}, InCode(endpoint="http://code"), "http://code/v1/logs", 0),
        ({"LOG_ENDPOINT": "logs"}, InCode(), "http://logs", 1),
        ({"LOG_ENDPOINT": "ftp://logs"}, InCode(), "http://localhost:4318/v1/logs", 1),
        ({"LOG_ENDPOINT": " "}, InCode(), "http://localhost:4318/v1/logs", 0),
        ({"OTEL_SDK_DISABLED": "true"}, InCode(), "http://localhost:4318/v1/logs", 0),
    ],
)
def test_standard_names_win_and_a_bad_one_is_refused(variables, said, url, problems):
    settings = read_settings({"LOG_ENDPOINT": LOGS, **variables}, said)
    assert settings.exports["logs"].endpoint.url == url
    assert len(settings.problems) == problems
    assert "LOG_ENDPOINT" not in settings.corrections
