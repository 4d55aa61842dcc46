"""`blipee-otel catalogue`: every instrument, for people and for machines."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from otel_distro.catalogue import CATALOGUE, Instrument, prom_name, series
from otel_distro.cli.prometheus_api import PrometheusError, query
from otel_distro.notices import notice

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse names it so


def add_commands(commands: "Commands") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "catalogue",
        help="list every instrument",
        description="Every instrument: name, kind, unit, attributes and its name in Prometheus.",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON, with buckets and descriptions")
    form.add_argument("--md", action="store_true", help="as a Markdown table")
    form.add_argument("--prometheus", action="store_true", help="names of Prometheus series only")
    parser.add_argument(
        "--found-in",
        metavar="URL",
        help="look each instrument up in a Prometheus, e.g. http://localhost:9090; "
        "exit 1 if one is missing",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    for problem in CATALOGUE.load_entry_points():
        notice(problem, problem)
    entries = sorted(CATALOGUE, key=lambda entry: (entry.component, entry.name))
    if arguments.found_in:
        return _look_up(arguments.found_in, entries, as_json=arguments.json)
    if arguments.json:
        print(json.dumps([_as_json(entry) for entry in entries], indent=2))
    elif arguments.prometheus:
        print("\n".join(name for entry in entries for name in series(entry)))
    elif arguments.md:
        print("\n".join(markdown(entries)))
    else:
        _print_columns([_cells(entry) for entry in entries])
    return 0


def _look_up(url: str, entries: list[Instrument], *, as_json: bool) -> int:
    """Print each instrument with its name and value in a Prometheus, and what is missing."""
    try:
        found = [(entry, *_value(url, entry)) for entry in entries]
    except PrometheusError as error:
        print(f"blipee-otel: {error}", file=sys.stderr)
        return 1
    missing = [entry.name for entry, _, samples in found if not samples]
    if as_json:
        rows = [
            {"name": entry.name, "prometheus": name, "series": len(samples), "value": sum(samples)}
            for entry, name, samples in found
        ]
        print(json.dumps({"missing": missing, "instruments": rows}, indent=2))
    else:
        _print_columns(
            [
                [entry.name, name, f"{len(samples)} series", f"{sum(samples):g}"]
                if samples
                else [entry.name, name, "missing", ""]
                for entry, name, samples in found
            ]
        )
        print(f"{len(found) - len(missing)} of {len(found)} found; values are sums over series")
    return 1 if missing else 0


def _value(url: str, entry: Instrument) -> tuple[str, list[float]]:
    # A histogram is there when its count is; native ones have no such series.
    name = series(entry)[-1]
    return name, [sample.value for sample in query(url, f'{{__name__="{name}"}}')]


def _print_columns(rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def markdown(entries: list[Instrument]) -> list[str]:
    """Return the rows of a Markdown table."""
    return [
        "| instrument | kind | unit | attributes | in Prometheus |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(_cells(entry))} |" for entry in entries),
    ]


def _cells(entry: Instrument) -> list[str]:
    attributes = ", ".join(attribute.name for attribute in entry.attributes)
    name = prom_name(entry.name, entry.kind, entry.unit)
    return [entry.name, entry.kind.value, entry.unit or "-", attributes or "-", name]


def _as_json(entry: Instrument) -> dict[str, object]:
    attributes = [attribute._asdict() for attribute in entry.attributes]
    return {
        **entry._asdict(),
        "kind": entry.kind.value,
        "attributes": attributes,
        "prometheus": list(series(entry)),
    }
