"""Shows what arrived: a table, and the last trace through all services as a tree."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from examples.demo.arrivals import Arrivals, Counts, Span
from examples.demo.ports import SERVICES

COLORS = {"api": "cyan", "agents": "magenta", "ml": "yellow", "database": "green"}


def render(arrivals: Arrivals, title: str) -> RenderableType:
    """Return the table and, once there is one, the tree."""
    parts: list[RenderableType] = [_table(arrivals, title)]
    trace = arrivals.last_trace_through(SERVICES)
    if trace is not None:
        parts.append(_tree(trace, arrivals.logs_of_trace.get(trace[0].trace_id, 0)))
    return Group(*parts)


def one_line(arrivals: Arrivals) -> str:
    """Return the counts for a log."""
    return "  ".join(
        f"{name} {c.spans} spans {c.points} points {c.logs} logs"
        for name in SERVICES
        for c in (arrivals.counts.get(name, Counts()),)
    )


def _table(arrivals: Arrivals, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("service")
    for heading in ("spans", "metrics", "data points", "logs", "logs in a trace"):
        table.add_column(heading, justify="right")
    for name in SERVICES:
        counts = arrivals.counts.get(name, Counts())
        cells = (
            counts.spans,
            len(counts.metrics),
            counts.points,
            counts.logs,
            counts.logs_in_traces,
        )
        table.add_row(
            Text(name, style=COLORS[name]),
            *(Text(str(cell), style="" if cell else "bold red") for cell in cells),
        )
    return table


def _tree(spans: list[Span], logs: int) -> Tree:
    first = min(span.start for span in spans)
    known = {span.span_id for span in spans}
    root = Tree(Text(f"trace {spans[0].trace_id}  {len(spans)} spans, {logs} log records"))
    nodes: dict[str, Tree] = {}
    # Parents start before their children, but for clocks of other machines: there are none here.
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        above = nodes.get(span.parent_id, root) if span.parent_id in known else root
        nodes[span.span_id] = above.add(_label(span, first))
    return root


def _label(span: Span, first: int) -> Text:
    label = Text()
    label.append(f"{span.service} ", style=COLORS.get(span.service, ""))
    label.append(span.name, style="bold red" if span.failed else "")
    label.append(
        f"  {(span.end - span.start) / 1e6:.1f} ms (at {(span.start - first) / 1e6:.1f})",
        style="dim",
    )
    return label
