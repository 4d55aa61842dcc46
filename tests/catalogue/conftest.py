"""The command that lists the catalogue, as a person runs it."""

import subprocess
import sys

import pytest
from support.instrumented import clean_environment


@pytest.fixture
def catalogue_command():
    def run(*options, **variables):
        return subprocess.run(
            [sys.executable, "-m", "otel_distro.cli.main", "catalogue", *options],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=clean_environment(**variables),
        )

    return run
