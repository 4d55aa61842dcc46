"""Corrects the two variables that make importing the OpenTelemetry API raise.

`opentelemetry.propagate` and `opentelemetry.context` load what `OTEL_PROPAGATORS` and
`OTEL_PYTHON_CONTEXT` name when they are imported, and raise where that is not installed. Under
`opentelemetry-instrument` this happens before any distribution is asked, and the application does
not start. `blipee_otel.pth` calls `correct()` when the interpreter starts, if one of them is set
and the process was started for instrumentation.
"""

import os

from otel_distro.notices import notice
from otel_distro.settings import names, parsing
from otel_distro.settings.read import read_context, read_propagators
from otel_distro.settings.reader import Reader


def correct() -> None:
    """Take refused values out of the environment, and say so unless the SDK is disabled."""
    reader = Reader(os.environ)
    read_propagators(reader)
    read_context(reader)
    # A disabled SDK does not complain; the API raises at import all the same.
    if not Reader(os.environ).get(names.SDK_DISABLED, parsing.boolean, default=False):
        for problem in reader.problems:
            notice(problem, problem)
    for name, value in reader.corrections.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
