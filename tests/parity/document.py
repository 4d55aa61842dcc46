"""Writes `docs/differences-from-upstream.md` from the list and from what differs.

PYTHONPATH=tests python -m parity.document
"""

import textwrap
from functools import partial
from pathlib import Path
from typing import Any

from parity.cases import CASES
from parity.comparison import ABSENT
from parity.differences import DIFFERENCES, IN_EVERY_REQUEST
from parity.wanted import Difference, explained, found

PATH = Path(__file__).parents[2] / "docs" / "differences-from-upstream.md"
_COMMAND = "PYTHONPATH=tests python -m parity.document"
_HEAD = (
    "# Differences from upstream\n\n"
    "<!-- Written by `{command}`; `tests/parity` checks that it is current. -->\n\n"
    "What our server instrumentation reports is what `opentelemetry-instrumentation-fastapi` and "
    "`-asgi` report under the\nstable conventions, but for this list. {count} requests are asked "
    "of the bare application, of upstream's instrumentation\nand of ours, and all that they report "
    "is compared: spans with their names, kinds, parents, statuses, attributes, events\nand ends; "
    "metrics with their units, attributes, counts, sizes and exemplars; which span is current in "
    "handlers,\ndependencies, middlewares and background tasks. What the client gets is the same "
    "to the byte.\n`BLIPEE_OTEL_INSTRUMENTATION=upstream` goes back.\n\n"
    "## In every request\n"
)
_LONGEST = 60
_fill = partial(textwrap.fill, width=120, break_long_words=False, break_on_hyphens=False)


def document() -> str:
    """Return the document as it should be."""
    parts = [_HEAD.format(command=_COMMAND, count=len(CASES))]
    parts += [_fill(one, initial_indent="- ", subsequent_indent="  ") for one in IN_EVERY_REQUEST]
    for wanted in DIFFERENCES:
        parts += ["", f"## {wanted.title}", "", _fill(wanted.reason), "", *_table(wanted)]
    return "\n".join(parts) + "\n"


def _table(wanted: Difference) -> list[str]:
    """Return the rows: one for all requests and all facts that differ in the same way."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for case in CASES:
        differs = found(case)
        by_values: dict[tuple[str, str], list[str]] = {}
        for fact, explanation in explained(differs, case.name, DIFFERENCES):
            if explanation is wanted:
                values = (_cell(differs[fact][0]), _cell(differs[fact][1]))
                by_values.setdefault(("…", "…") if wanted.varies else values, []).append(
                    _named(fact)
                )
        for values, facts in by_values.items():
            rows.setdefault((", ".join(dict.fromkeys(facts)), *values), []).append(case.name)
    return [
        "| request | what | upstream | ours |",
        "|---|---|---|---|",
        *(" | ".join((f"| {'; '.join(cases)}", *cells)) + " |" for cells, cases in rows.items()),
    ]


def _named(fact: str) -> str:
    return "`" + fact.replace("server http.", "http.").replace("http.server.", "…") + "`"


def _cell(value: Any) -> str:
    if value in {ABSENT, "reported"}:
        return str(value)
    text = _events(value) if value and isinstance(value, tuple) else repr(value)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return "`" + text.replace("|", "\\|").replace("`", "'") + "`"


def _events(value: tuple[Any, ...]) -> str:
    """Return a short text of a status, or of the exceptions of a span."""
    if all(isinstance(one, tuple) and one[0] == "exception" for one in value):
        return ", ".join(dict(one[1])["exception.type"] for one in value)
    return repr(value)


if __name__ == "__main__":
    PATH.write_text(document())
    print(f"Wrote {PATH}")
