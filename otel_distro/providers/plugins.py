"""Parts that are found by name among what is installed."""

from typing import Any

from otel_distro.installed import entry_points
from otel_distro.notices import describe, notice


def load_plugin(group: str, name: str) -> Any:  # noqa: ANN401 - whatever the plugin is
    """Load an entry point. Raises `LookupError` where none has that name."""
    for point in entry_points(group=group, name=name):
        return point.load()
    raise LookupError(f"no {group} named {name!r} is installed")


def make_plugin(kind: type, group: str, name: str, *arguments: object) -> object | None:
    """Load and call an entry point; None, and one line, where it fails or makes no `kind`."""
    try:
        part: object = load_plugin(group, name)(*arguments)
        if not isinstance(part, kind):
            raise TypeError(f"it is no {kind.__name__}")  # noqa: TRY301 - a failure like the others
    except Exception as error:  # noqa: BLE001 - a plugin's
        notice(f"{group} {name}", f"{group} {name!r} failed ({describe(error)}); doing without.")
        return None
    return part
