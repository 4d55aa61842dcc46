"""Lines as tables: of Markdown, whose columns also stand below one another on a terminal."""

from collections.abc import Sequence

from benchmarks.overhead import begun, inprocess, parts, served
from benchmarks.overhead.figures import Figure, Line

# Of each measure, the column by which contestants are compared with upstream.
COMPARED = {
    inprocess.MEASURE: inprocess.OVER,
    served.CLOSED: served.CPU_OVER,
    served.OPEN: served.CPU_OVER,
    served.MEMORY: served.AT_END_OVER,
    begun.MEASURE: begun.WALL_OVER,
    parts.ENCODER: parts.COST,
    parts.CALLS: parts.WHOLE,
}
_RATIO, _ARRIVED = "to upstream", "arrived"


def tables(lines: Sequence[Line], level: str = "###") -> str:
    """Return a headline and a table for each condition, in the order they were measured."""
    written = []
    for measure, row in dict.fromkeys((line.measure, line.row) for line in lines):
        group = [line for line in lines if (line.measure, line.row) == (measure, row)]
        written += [f"{level} {measure}: {row}", "", table(group), ""]
    return "\n".join(written)


def overview(lines: Sequence[Line]) -> str:
    """Return what requests in process cost over bare: contestants down, conditions across."""
    group = [line for line in lines if line.measure == inprocess.MEASURE]
    rows = list(dict.fromkeys(line.row for line in group))
    names = [name for name in dict.fromkeys(line.contestant for line in group) if name != "bare"]
    cells = {
        (line.contestant, line.row): line.figures[inprocess.OVER]
        for line in group
        if inprocess.OVER in line.figures and line.is_complete
    }
    return _aligned(
        [
            ["µs over bare", *rows],
            *(
                [
                    name,
                    *(
                        f"{cells[name, row].median:.0f}" if (name, row) in cells else ""
                        for row in rows
                    ),
                ]
                for name in names
            ),
        ]
    )


def table(group: Sequence[Line]) -> str:
    """Return the table of one condition: medians, with the minimum and the spread of rounds."""
    columns = list(dict.fromkeys(column for line in group for column in line.figures))
    compared = COMPARED[group[0].measure]
    arrived = any(line.arrived for line in group)
    written = [["", *columns, _RATIO, *([_ARRIVED] if arrived else [])]]
    for line in group:
        if line.problem:
            cells = [""] * (len(columns) + 1)
            arrived = True
        else:
            cells = [_cell(line.figures.get(column)) for column in columns]
            cells.append(ratio(group, line, compared))
        written.append(
            [line.contestant, *cells, *([line.problem or line.arrived] if arrived else [])]
        )
    width = max(map(len, written))
    written[0] += [_ARRIVED] * (width - len(written[0]))
    return _aligned([row + [""] * (width - len(row)) for row in written])


def ratio(group: Sequence[Line], line: Line, column: str) -> str:
    """Return how a contestant's figure compares with upstream's of the same condition."""
    upstream = next((one for one in group if one.contestant == "upstream"), None)
    if upstream is None or column not in upstream.figures or column not in line.figures:
        return ""
    if not (line.is_complete and upstream.is_complete):
        return ""
    theirs = upstream.figures[column].median
    return f"{line.figures[column].median / theirs:.2f}" if theirs > 0 else ""


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    places = 0 if abs(figure.median) >= 100 else 1 if abs(figure.median) >= 10 else 2
    if len(figure.rounds) == 1:
        return f"{figure.median:.{places}f}"
    least = f"{figure.minimum:.{places}f}"
    return f"**{figure.median:.{places}f}** ({least} ±{figure.spread:.{places}f})"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *body = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return "\n".join([head, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *body])
