"""Reads variables one by one, and keeps what was wrong with them."""

from collections.abc import Mapping
from typing import TypeVar

from otel_distro.settings.parsing import Invalid, Parser, printable, shown

T = TypeVar("T")


class Reader:
    """Reads an environment; a refused value becomes a line and the default, never an error.

    Attributes:
        problems: A line for each refused value.
        corrections: Variable → what it should have held, None for nothing.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._refused: set[str] = set()
        self.problems: list[str] = []
        self.corrections: dict[str, str | None] = {}

    def text(self, name: str) -> str | None:
        """Return the value, None for an empty one: the specification treats both as unset."""
        return self._environ.get(name, "").strip() or None

    def unknown(self, prefix: str, known: tuple[str, ...]) -> list[str]:
        """Return the variables that start with `prefix` and are not among the known."""
        return sorted(
            name
            for name in self._environ
            if name.startswith(prefix) and name not in known and self.text(name) is not None
        )

    def get(self, name: str, parser: Parser[T], default: T, *, instead: str | None = None) -> T:
        """Parse a variable.

        Args:
            name: Of the variable.
            parser: Returns the value or raises `Invalid`.
            default: Used where the variable is unset or refused.
            instead: How the line names the default, where its text is not clear by itself.
        """
        raw = self.text(name)
        if raw is None:
            if name in self._environ:
                # Parts of the SDK read a blank as a number, and raise.
                self.corrections[name] = None
            return default
        try:
            return parser(raw)
        except Invalid as invalid:
            kept = default
            if invalid.kept is not None:
                try:
                    kept = parser(invalid.kept)
                except Invalid:  # what is left is not good for itself either
                    invalid.kept = None
            if invalid.kept is not None:
                used = "using the rest" if invalid.secret else f"using {shown(invalid.kept)}"
            elif instead is not None:
                used = f"using {instead}"
            else:
                used = f"using {_plain(default)}"
            self.refuse(name, invalid, used)
            return kept

    def refuse(self, name: str, invalid: Invalid, used: str) -> None:
        """Note a refused value: `used` says what happens instead. One line for each variable."""
        if name in self._refused:
            return
        self._refused.add(name)
        raw = self.text(name) or ""
        value = name if invalid.secret else f"{name}={shown(raw)}"
        self.problems.append(printable(f"{value} {invalid.problem}; {used}. Use {invalid.fix}."))
        self.corrections[name] = invalid.kept


def _plain(value: object) -> str:
    match value:
        case None | ():
            return "none"
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(str(item) for item in value)
        case _:
            return str(value)
