"""Whatever stands in the environment, reading it gives settings and printable lines."""

from functools import cache
from importlib.metadata import entry_points

import pytest
from bad_values import READ
from hypothesis import example, given, settings
from hypothesis import strategies as st

from otel_distro.settings import names, parsing, read, read_settings

KNOWN = sorted({*READ, *names.LIMITS, *names.CHOICES, names.CONTEXT} - {names.CONFIG_FILE})
# Pieces that get past the first check of a parser, between any text.
PIECES = st.sampled_from(
    ["http://", "https://", "user:pass@", "localhost", ":4318", "/v1", "a=b", "%0A", "=", ",",
     "none", "otlp", "always_on", "true", "5000", "-", "(", "[", "(?P<a>x)", "(?i)", "\n", "\x1b",
     "\ud800", "tracecontext", "grpc", " "]
)  # fmt: skip
TEXT = st.one_of(st.text(), st.lists(PIECES | st.text(max_size=3)).map("".join))
# A NUL cannot stand in an environment; everything else can.
ENVIRONMENT = st.dictionaries(
    st.sampled_from(KNOWN) | st.text().map("BLIPEE_OTEL_".__add__), TEXT, max_size=8
)

# `re` warns of sets that a later Python will read differently; upstream compiles them just so.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
thorough = settings(max_examples=200, deadline=None)


@pytest.fixture(scope="module", autouse=True)
def _installed_packages_are_listed_once():
    with pytest.MonkeyPatch.context() as patch:
        for module in (parsing, read):
            patch.setattr(module, "entry_points", cache(entry_points))
        yield


@thorough
@given(ENVIRONMENT)
@example({"OTEL_PYTHON_EXCLUDED_URLS": "(?\x07"})
@example({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "a\u2028b"})
@example({"BLIPEE_OTEL_\n\x1b[31m": "x"})
def test_reading_never_raises_and_each_problem_is_one_printable_line(environment):
    for problem in read_settings(environment).problems:
        assert problem.isprintable()
        assert problem.endswith(".")


@thorough
@given(ENVIRONMENT)
@example({"OTEL_PYTHON_EXCLUDED_URLS": "*,("})
@example({"OTEL_TRACES_SAMPLER": "a,always_on,always_off"})
@example({"OTEL_BSP_MAX_QUEUE_SIZE": "900", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1000"})
def test_a_corrected_environment_reads_the_same_and_has_no_problems(environment):
    first = read_settings(environment)
    corrected = {**environment, **first.corrections}
    second = read_settings({name: text for name, text in corrected.items() if text is not None})
    # The application's own version is not ours to correct.
    assert [line for line in second.problems if not line.startswith(names.APP_VERSION)] == []
    for variable, value in READ.items():
        # Our defaults for other libraries become the variable they read.
        if variable not in {names.EXCLUDED_URLS, names.FASTAPI_EXCLUDED_URLS, names.HEALTH_URLS}:
            assert value(second) == value(first), variable


@thorough
@given(st.sampled_from(["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_ENDPOINT"]), TEXT)
@example("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:@/")
@example("OTEL_EXPORTER_OTLP_ENDPOINT", "http:/me:@host")
@example("OTEL_EXPORTER_OTLP_ENDPOINT", "//me:@host")
def test_no_part_of_a_credential_is_ever_shown(variable, text):
    hidden = "correct-horse-battery"
    text = text.replace("@", f"{hidden}@") if "ENDPOINT" in variable else f"{text}{hidden}"
    assert hidden not in "".join(read_settings({variable: text}).problems)
