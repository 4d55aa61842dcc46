"""What it comes to: ours beside the others in a few lines, from the medians."""

from collections.abc import Sequence

from benchmarks.overhead import begun, inprocess, parts, served
from benchmarks.overhead.figures import Line

_REQUEST, _SAMPLED = inprocess.MEASURE, inprocess.ROWS["all"].what
_UNSAMPLED, _OFF = inprocess.ROWS["unsampled"].what, inprocess.ROWS["off"].what
_START = "the application"
# What is compared in words, its measure, the beginning of its row, and the column.
_COMPARED = (
    ("a request, everything on, sampled: CPU over bare", _REQUEST, _SAMPLED, inprocess.OVER),
    ("a request, unsampled, metrics on: CPU over bare", _REQUEST, _UNSAMPLED, inprocess.OVER),
    ("a request, unsampled, metrics off: CPU over bare", _REQUEST, _OFF, inprocess.OVER),
    ("a request over uvicorn, closed loop: CPU over bare", served.CLOSED, "", served.CPU_OVER),
    ("start and exit: wall over bare", begun.MEASURE, _START, begun.WALL_OVER),
    ("start and exit: CPU over bare", begun.MEASURE, _START, begun.CPU_OVER),
    ("memory at start over bare", served.MEMORY, "", served.AT_START_OVER),
    ("memory at the end over bare", served.MEMORY, "", served.AT_END_OVER),
    ("a span encoded", parts.ENCODER, "a span", parts.COST),
    ("a log record encoded", parts.ENCODER, "a log record", parts.COST),
    ("a metric point encoded", parts.ENCODER, "a metric point", parts.COST),
)
_OTHERS = ("upstream", "ddtrace")


def ratios(lines: Sequence[Line]) -> list[tuple[str, str, float, float]]:
    """Return what was compared, with whom, our figure and theirs."""
    found = []
    for what, measure, row, column in _COMPARED:
        figures = {
            line.contestant: line.figures[column].median
            for line in lines
            if line.measure == measure
            and line.row.startswith(row)
            and column in line.figures
            and line.is_complete
        }
        found += [
            (what, other, figures["ours"], figures[other])
            for other in _OTHERS
            if "ours" in figures and other in figures
        ]
    return found


def written(lines: Sequence[Line]) -> str:
    """Return the ratios as a table; nothing where there is nobody to compare with."""
    rows = [
        f"| {what} | {other} | {_ratio(ours, theirs)} | {ours:.1f} | {theirs:.1f} |"
        for what, other, ours, theirs in ratios(lines)
    ]
    if not rows:
        return ""
    return "\n".join(["| ours to … | | ratio | ours | theirs |", "|---|---|---|---|---|", *rows])


def _ratio(ours: float, theirs: float) -> str:
    if theirs <= 0 or ours <= 0:
        return ""
    if ours < theirs:
        return f"**1/{theirs / ours:.1f}**"
    return f"**{ours / theirs:.1f}**"
