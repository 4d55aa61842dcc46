"""What was measured, as JSON and as the part of the documentation that is made by the command."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.overhead import ratios, tables
from benchmarks.overhead.bars import svg
from benchmarks.overhead.contestants import Contestant
from benchmarks.overhead.figures import Line
from benchmarks.overhead.machine import machine
from benchmarks.overhead.session import Effort

_BEGIN, _END = "<!-- made by: make bench -->", "<!-- end -->"


@dataclass(frozen=True)
class Report:
    """One run.

    Attributes:
        versions: What was installed in each environment, by contestant.
        command: That makes it again.
    """

    lines: Sequence[Line]
    contestants: Sequence[Contestant]
    versions: Mapping[str, Sequence[str]]
    effort: Effort
    command: str

    def text(self) -> str:
        """Return it for a terminal."""
        parts = [tables.tables(self.lines)]
        if compared := ratios.written(self.lines):
            parts += [compared, ""]
        return "\n".join(parts)

    def json(self) -> str:
        """Return it with every round."""
        return json.dumps(
            {
                "date": _today(),
                "command": self.command,
                "machine": machine(),
                "effort": vars(self.effort),
                "versions": {name: list(pins) for name, pins in self.versions.items()},
                "lines": [
                    {
                        "measure": line.measure,
                        "row": line.row,
                        "contestant": line.contestant,
                        "arrived": line.arrived,
                        "problem": line.problem,
                        "figures": {
                            name: {
                                "median": one.median,
                                "minimum": one.minimum,
                                "spread": one.spread,
                                "rounds": list(one.rounds),
                            }
                            for name, one in line.figures.items()
                        },
                    }
                    for line in self.lines
                ],
            },
            indent=1,
            ensure_ascii=False,
        )

    def write(self, file: Path) -> None:
        """Replace what lies between the marks of a documentation page, and draw its picture."""
        picture = file.with_suffix(".svg")
        picture.write_text(svg(self.lines))
        text = file.read_text()
        pattern = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
        assert pattern.search(text), f"{file} has no {_BEGIN} … {_END}"
        made = f"{_BEGIN}\n\n{self._page(picture.name)}\n\n{_END}"
        file.write_text(pattern.sub(lambda _found: made, text))

    def _page(self, picture: str) -> str:
        on = ", ".join(f"{name} {what}" for name, what in machine().items())
        return "\n\n".join(
            [
                f"Measured on {_today()} with `{self.command}`: {on}.",
                "### Ratios",
                ratios.written(self.lines),
                f"![CPU of a request over bare FastAPI]({picture})",
                "### In process, all conditions",
                tables.overview(self.lines),
                tables.tables(self.lines).strip(),
                "### Versions",
                self._versions(),
            ]
        )

    def _versions(self) -> str:
        rows = []
        for one in self.contestants:
            pins = [pin for pin in self.versions.get(one.name, ()) if _named(pin, one)]
            rows.append(f"| {one.name} | {one.what} | {', '.join(pins)} |")
        return "\n".join(["| | what | versions |", "|---|---|---|", *rows])


def _named(pin: str, contestant: Contestant) -> bool:
    """Say whether a version is worth its place: what was asked for, and what it rests on."""
    name = pin.partition("==")[0]
    asked = {one.partition("==")[0].partition("[")[0] for one in contestant.requires}
    return name in asked | {"fastapi", "starlette", "uvicorn", "opentelemetry-sdk"}


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())
