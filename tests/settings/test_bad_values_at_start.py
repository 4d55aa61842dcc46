"""Every refused value in a real process: the application runs, and one line says what was wrong."""

from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from bad_values import BAD, HIDDEN, Bad
from support.instrumented import NO_EXPORT, run_python

from otel_distro.settings import SIGNALS, names

PREFIX = "blipee-otel: "
# The exporters look into the environment for these themselves.
READ_BY_EXPORTERS = (
    "_HEADERS",
    "_TIMEOUT",
    "_COMPRESSION",
    "_CERTIFICATE",
    "_CLIENT_KEY",
    names.TEMPORALITY,
    names.HISTOGRAM_AGGREGATION,
)


def start(case: Bad):
    variables = {
        "OTEL_SERVICE_NAME": "app",
        # Importing every library takes longer than all the rest.
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*",
        **NO_EXPORT,
    }
    if case.variable.startswith(names.OTLP_PREFIX) and case.variable.endswith(READ_BY_EXPORTERS):
        signal = next((s for s in SIGNALS if s.upper() in case.variable), "traces")
        variables[names.EXPORTERS[signal]] = "otlp"
    return run_python("print('ran')", **variables | case.environment)


@pytest.fixture(scope="module")
def started(request):
    """Starts the processes of all selected cases, four at a time."""
    with ThreadPoolExecutor(4) as pool:
        futures: dict[str, Future] = {
            item.name: pool.submit(start, item.callspec.params["case"])
            for item in request.session.items
            if item.fspath == request.fspath
        }
        yield futures
        for future in futures.values():
            future.cancel()


@pytest.mark.parametrize("case", BAD, ids=str)
def test_the_application_runs_and_one_line_names_the_variable(case, request, started):
    done = started[request.node.name].result()
    assert (done.stdout, done.returncode) == ("ran\n", 0), done.stderr
    assert "Traceback" not in done.stderr
    # The process reports itself where metrics are exported, to a Collector that is not there: it
    # says at its end that these wait in the spool.
    (line,) = [
        said
        for said in done.stderr.splitlines()
        if said.startswith(PREFIX) and " could not be delivered " not in said
    ]
    assert line.startswith(PREFIX + case.variable)
    assert HIDDEN not in line
    for words in case.says:
        assert words in line
