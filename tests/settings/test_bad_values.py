"""Every refused value is one line that helps, and the documented default."""

import pytest
from bad_values import BAD, HIDDEN

from otel_distro.settings import names, read_settings

every_bad_value = pytest.mark.parametrize("case", BAD, ids=str)


@every_bad_value
def test_a_bad_value_is_one_line_with_the_variable_the_value_and_a_fix(case):
    (line,) = read_settings({"OTEL_SERVICE_NAME": "app", **case.environment}).problems
    assert line.startswith(case.variable)
    assert "Use " in line
    for words in case.says:
        assert words in line
    if HIDDEN not in case.value:
        assert ascii(case.value)[1:-1][:60] in line


@every_bad_value
def test_a_bad_value_keeps_what_is_good_of_it(case):
    settings = read_settings({"OTEL_SERVICE_NAME": "app", **case.environment})
    assert case.read(settings) == case.instead
    if case.variable != names.APP_VERSION:  # the application's own
        assert settings.corrections[case.variable] == case.kept


@every_bad_value
def test_a_secret_is_never_shown(case):
    settings = read_settings({"OTEL_SERVICE_NAME": "app", **case.environment})
    assert HIDDEN not in "".join(settings.problems)
    assert HIDDEN not in repr(settings.exports)
