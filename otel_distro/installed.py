"""Parts that installed packages declare as entry points, found in one scan."""

import sys
from importlib import metadata
from importlib.metadata import EntryPoint

_Groups = dict[str, tuple[EntryPoint, ...]]
_known: tuple[list[str], _Groups] | None = None


def entry_points(*, group: str, name: str | None = None) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group that are installed, or those of one name.

    A scan opens a file of every installed package: it costs 2 ms of start-up for fifty of them,
    20 for hundreds. OpenTelemetry's API has made one when it is imported; it is shared. Another
    is made only where `sys.path` has changed since.
    """
    global _known  # noqa: PLW0603 - what is installed is the process's
    known = _known
    if known is None or known[0] != sys.path:
        found = _of_the_api() if known is None else _scan()
        grouped: dict[str, list[EntryPoint]] = {}
        for point in found:
            grouped.setdefault(point.group, []).append(point)
        groups = {group: tuple(points) for group, points in grouped.items()}
        known = _known = (list(sys.path), groups)
    points = known[1].get(group, ())
    return points if name is None else tuple(point for point in points if point.name == name)


def _of_the_api() -> tuple[EntryPoint, ...]:
    """Return what OpenTelemetry's API has found. Private to OpenTelemetry's own packages."""
    from opentelemetry.util._importlib_metadata import entry_points as shared

    return tuple(shared())


def _scan() -> list[EntryPoint]:
    found = metadata.entry_points()
    # Not a list before Python 3.12.
    return [point for group in found.groups for point in found.select(group=group)]
