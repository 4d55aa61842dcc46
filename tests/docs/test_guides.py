"""Each guide's Python runs as it stands, from top to bottom."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.instrumented import NO_EXPORT, clean_environment, run_python

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = sorted(page for page in DOCS.glob("*.md") if "```python" in page.read_text())


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_the_code_of_a_guide_runs(guide, tmp_path):
    code = "\n".join(re.findall(r"```python\n(.*?)```", guide.read_text(), re.DOTALL))
    # A guide that configures by itself does not need the command to.
    done = run_python(
        code,
        instrumented="configure(" not in code,
        cwd=tmp_path,
        OTEL_SERVICE_NAME="guide",
        **NO_EXPORT,
    )
    assert done.returncode == 0, done.stderr
    assert "blipee-otel:" not in done.stderr


def test_the_test_of_the_guide_passes_with_the_plugin(tmp_path):
    guide = (DOCS / "adding-an-instrument.md").read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", guide, re.DOTALL))
    (tmp_path / "test_guide.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_guide.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=clean_environment(),
    )
    assert "1 passed" in done.stdout, done.stdout
