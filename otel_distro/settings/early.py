"""Corrects the two variables that make importing the OpenTelemetry API raise.

`opentelemetry.propagate` and `opentelemetry.context` load what `OTEL_PROPAGATORS` and
`OTEL_PYTHON_CONTEXT` name when they are imported, and raise where that is not installed, or a
propagator fails. Under `opentelemetry-instrument` this happens before any distribution is asked,
and the application does not start. `blipee_otel.pth` calls `correct()` when the interpreter
starts, if one of them is set and the process was started for instrumentation.
"""

import logging
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Final

from otel_distro.notices import describe, notice
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
    leave_out_failing_propagators()


_PROPAGATE: Final = "opentelemetry.propagate"


def leave_out_failing_propagators() -> None:
    """Let `opentelemetry.propagate` be imported also where a propagator raises.

    Such a one is taken out of the environment, and named once. To try them here would be too
    early: the interpreter does not know yet where everything is.
    """
    if _PROPAGATE not in sys.modules and not any(isinstance(one, _Finder) for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _PROPAGATE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        logger, failed = logging.getLogger(_PROPAGATE), list[str]()

        def keep_name(record: logging.LogRecord) -> bool:
            # Upstream says the name only here, with a traceback.
            if record.exc_info and isinstance(record.args, tuple) and record.args:
                failed.append(str(record.args[0]))
            return not record.exc_info

        logger.addFilter(keep_name)
        try:
            self._execute(module, failed)
        finally:
            logger.removeFilter(keep_name)

    def _execute(self, module: ModuleType, failed: list[str]) -> None:
        while True:
            try:
                return super().exec_module(module)
            except Exception as error:
                asked = parsing.listed(os.environ.get(names.PROPAGATORS, ""))
                kept = [name for name in asked if name not in failed]
                if len(kept) == len(asked):
                    raise  # no propagator's fault
                what = f"opentelemetry_propagator {failed[-1]}"
                notice(
                    what,
                    f"opentelemetry_propagator {failed[-1]!r} failed ({describe(error)}); "
                    "doing without.",
                )
                if kept:
                    os.environ[names.PROPAGATORS] = ",".join(kept)
                else:
                    del os.environ[names.PROPAGATORS]
