"""One run of the benchmarks: who is there, where they send to, how long it may take."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.overhead.arrivals import FarSide
from benchmarks.overhead.child import Child, ChildFailed, command, environment
from benchmarks.overhead.contestants import Contestant


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: Of each contestant, in turns.
        requests: Of a round in process.
        closed: Of a round over uvicorn, one after another on each connection.
        rate: A second, of the open loop.
        open_s: Seconds that it takes.
        starts: Processes started of each contestant.
        calls: Of each kind of call and of encoded record, in a round.
    """

    rounds: int = 5
    requests: int = 2000
    closed: int = 3040  # with warm-up and open loop 20,000 requests of a server
    rate: int = 300
    open_s: float = 3
    starts: int = 7
    calls: int = 5000


# Fewer requests make more of what a flush costs: it is a round's, and not a request's.
QUICK = Effort(rounds=4, requests=1500, closed=600, open_s=1, starts=5, calls=2000)


@dataclass(frozen=True)
class Session:
    """What all measures need.

    Attributes:
        environments: The programs of each contestant that could be installed.
    """

    environments: Mapping[Contestant, Path]
    far_side: FarSide
    folder: Path
    effort: Effort
    began: float = field(default_factory=time.monotonic)

    def tell(self, text: str) -> None:
        """Say how far it is."""
        elapsed = time.monotonic() - self.began
        print(f"{elapsed:5.0f} s  {text}", file=sys.stderr, flush=True)

    def variables(self, contestant: Contestant, **more: str) -> dict[str, str]:
        """Return those of a process of a contestant's."""
        where = {**self.far_side.where(contestant.name), "folder": str(self.place(contestant))}
        if not contestant.speaks_otlp:
            more = {name: one for name, one in more.items() if not name.startswith("OTEL_")}
        return environment(contestant, self.environments[contestant], where, **more)

    def command(self, contestant: Contestant, script: str, *words: str) -> list[str]:
        """Return the command that runs a script instrumented."""
        return command(contestant, self.environments[contestant], script, *words)

    def place(self, contestant: Contestant) -> Path:
        """Return a folder of a contestant's, which exists."""
        place = self.folder / contestant.name
        place.mkdir(parents=True, exist_ok=True)
        return place

    def said(self, name: str) -> str:
        """Return the end of what a contestant's processes have printed."""
        files = sorted((self.folder / name).glob("*.txt"))
        lines = [line for file in files for line in file.read_text(errors="replace").splitlines()]
        return "\n".join(lines[-20:]) or "nothing"

    @contextmanager
    def children(
        self, script: str, **more: str
    ) -> Iterator[tuple[dict[str, Child], dict[str, str]]]:
        """Run a script in each environment: all start at once, and end at the end.

        Yields those that answered, with what they said, and why the others did not.
        """
        running = {
            one.name: Child(
                self.command(one, script),
                self.variables(one, **more),
                self.place(one) / f"{Path(script).stem}.txt",
            )
            for one in self.environments
        }
        problems: dict[str, str] = {}
        try:
            for name, child in running.items():
                try:
                    child.said = child.wait()
                except ChildFailed as failure:
                    problems[name] = str(failure)
            yield {name: one for name, one in running.items() if name not in problems}, problems
        finally:
            for child in running.values():
                child.release()
            for child in running.values():
                child.stop()


@contextmanager
def failing(name: str, problems: dict[str, str]) -> Iterator[None]:
    """Note a contestant that fails, and go on with the others."""
    try:
        yield
    except ChildFailed as failure:
        problems[name] = str(failure)
