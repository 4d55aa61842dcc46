"""A bar for each contestant: what a request costs over bare. Readable on light and on dark."""

from collections.abc import Sequence
from html import escape

from benchmarks.overhead import inprocess
from benchmarks.overhead.figures import Line

_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.ours { fill: #1f883d } .other { fill: #6e7781 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .ours { fill: #3fb950 } .other { fill: #8b949e }
}"""
_ROWS = (inprocess.ROWS["all"].what, inprocess.ROWS["unsampled"].what)
_NAMES, _BARS, _STEP = 90, 520, 22
_HEIGHT = 'height="16"'


def svg(lines: Sequence[Line]) -> str:
    """Draw the medians in process, one block for sampled and one for unsampled requests."""
    drawn: list[str] = []
    top = 0
    costs = {row: _costs(lines, row) for row in _ROWS}
    most = max((cost for of in costs.values() for _, cost in of), default=1)
    for row, of in costs.items():
        top += _STEP + 6
        drawn.append(f'<text class="title" x="0" y="{top}">{escape(row)}: µs over bare</text>')
        for name, cost in of:
            top += _STEP
            width = max(cost, 0) / most * _BARS
            kind = "ours" if name == "ours" else "other"
            drawn += [
                f'<text x="{_NAMES - 8}" y="{top}" text-anchor="end">{escape(name)}</text>',
                f'<rect class="{kind}" x="{_NAMES}" y="{top - 13}" width="{width:.0f}" {_HEIGHT}/>',
                f'<text x="{_NAMES + width + 6:.0f}" y="{top}">{cost:.0f}</text>',
            ]
        top += 14
    body = "\n".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_NAMES + _BARS + 60}" height="{top}" '
        f'role="img" aria-label="CPU of a request over bare FastAPI">\n'
        f"<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


def _costs(lines: Sequence[Line], row: str) -> list[tuple[str, float]]:
    return sorted(
        (
            (line.contestant, line.figures[inprocess.OVER].median)
            for line in lines
            if line.measure == inprocess.MEASURE
            and line.row == row
            and inprocess.OVER in line.figures
            and line.is_complete
        ),
        key=lambda one: one[1],
    )
