"""The list of all instruments, and how more are added."""

from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from otel_distro.catalogue.instrument import Instrument
from otel_distro.catalogue.prometheus import series
from otel_distro.catalogue.seed import SEED
from otel_distro.catalogue.semconv import SEMCONV
from otel_distro.catalogue.telemetry import TELEMETRY

ENTRY_POINTS: Final = "blipee_otel_catalogue"


class CatalogueError(Exception):
    """An entry cannot be added; the message names the instrument, the problem and the fix."""


class Catalogue:
    """Instruments by name; names that would meet in Prometheus are refused."""

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self._by_name: dict[str, Instrument] = {}
        self._by_series: dict[str, Instrument] = {}
        self.register(*instruments)

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def get(self, name: str) -> Instrument | None:
        """Return the entry of that name."""
        return self._by_name.get(name)

    def __getitem__(self, name: str) -> Instrument:
        return self._by_name[name]

    def register(self, *instruments: Instrument) -> None:
        """Add instruments: all of them, or none.

        Raises:
            CatalogueError: An entry is not valid, differs from the one of its name, or becomes
                the same Prometheus series as another.
        """
        by_name, by_series = dict(self._by_name), dict(self._by_series)
        for instrument in instruments:
            if not isinstance(instrument, Instrument):
                raise CatalogueError(f"{instrument!r:.80} is no Instrument; give Instrument(...)")
            problem = instrument.problem()
            if problem is not None:
                raise CatalogueError(problem)
            if by_name.get(instrument.name, instrument) != instrument:
                raise CatalogueError(
                    f"{instrument.name} is registered already, differently; change its name"
                )
            by_name[instrument.name] = instrument
            for name in series(instrument):
                other = by_series.setdefault(name, instrument)
                if other != instrument:
                    raise CatalogueError(
                        f"{instrument.name} and {other.name} both become {name} in Prometheus; "
                        "change a name or a unit"
                    )
        for instrument in instruments:
            for other_name in (instrument.capacity, instrument.twin):
                if other_name is not None and other_name not in by_name:
                    raise CatalogueError(
                        f"{instrument.name} refers to {other_name}, which is not registered; "
                        "register both together"
                    )
        self._by_name, self._by_series = by_name, by_series

    def load_entry_points(self, points: Iterable[EntryPoint] | None = None) -> list[str]:
        """Add what installed packages declare in the entry point group `blipee_otel_catalogue`.

        Each entry point is an iterable of `Instrument`.

        Args:
            points: Those of the group, where they are known; looked for by default.

        Returns:
            A line for each entry point that could not be used. Does not raise.
        """
        problems: list[str] = []
        for point in entry_points(group=ENTRY_POINTS) if points is None else points:
            try:
                self.register(*point.load())
            except Exception as error:  # noqa: BLE001 - another project's
                problems.append(" ".join(f"{ENTRY_POINTS} {point.name}: {error}".split()))
        return problems


CATALOGUE: Final = Catalogue((*SEED, *SEMCONV, *TELEMETRY))


def register(*instruments: Instrument) -> None:
    """Add instruments to the process's catalogue. Raises `CatalogueError`."""
    CATALOGUE.register(*instruments)
