"""Puts the services where `uvicorn --app-dir examples/services` finds them: at the top level."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "services"))
