"""Runs the scenarios and prints the table; --write puts it into the documentation.

PYTHONPATH=tests python -m benchmarks.reliability [SCENARIO …] [--write docs/reliability.md]
"""

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.reliability.scenarios import SCENARIOS, Row

_BEGIN, _END = "<!-- made by: make reliability -->", "<!-- end -->"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "scenarios",
        nargs="*",
        choices=[[], *SCENARIOS],
        metavar="SCENARIO",
        help=f"of {', '.join(SCENARIOS)} (default: all, about five minutes)",
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the table in FILE")
    arguments = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.scenarios or SCENARIOS:
            began = time.monotonic()
            print(f"{name}: {SCENARIOS[name].__doc__} …", file=sys.stderr, flush=True)
            place = Path(folder, name)
            place.mkdir()
            rows += SCENARIOS[name](place)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    table = "\n".join(
        [
            "| | ours | upstream |",
            "|---|---|---|",
            *(f"| {row.what} | {row.ours} | {row.upstream} |" for row in rows),
        ]
    )
    print(table)
    if arguments.write:
        text = arguments.write.read_text()
        pattern = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
        arguments.write.write_text(pattern.sub(f"{_BEGIN}\n\n{table}\n\n{_END}", text))


if __name__ == "__main__":
    main()
