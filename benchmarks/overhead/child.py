"""A process in a contestant's environment that takes orders and answers."""

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.overhead.contestants import INSIDE, Contestant

# All that a child inherits: nobody's settings but those of its contestant.
_INHERITED = ("HOME", "LANG", "TMPDIR", "TZ", "XDG_CACHE_HOME")


class ChildFailed(Exception):  # noqa: N818 - it is said in the table
    """It ended, or did not answer; the text is the end of what it printed."""


def environment(
    contestant: Contestant, programs: Path, where: Mapping[str, str], **more: str
) -> dict[str, str]:
    """Return the variables of a process of a contestant's: those of the file, and `more`."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {
        **inherited,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONHASHSEED": "0",  # one layout of dictionaries for all
        "BENCH_CONTESTANT": contestant.name,
        **{name: value.format_map(where) for name, value in contestant.environment.items()},
        **more,
    }


def command(contestant: Contestant, programs: Path, script: str, *words: str) -> list[str]:
    """Return the command that runs one of the scripts of `inside`, instrumented."""
    launch = [str(programs / contestant.launch)] if contestant.launch else []
    return [*launch, str(programs / "python"), str(INSIDE / script), *words]


class Child:
    """A running one; `ask` gives an order and returns its answer.

    Attributes:
        said: What it said when it was ready.
    """

    said: Mapping[str, Any] = {}

    def __init__(self, command: list[str], variables: Mapping[str, str], log: Path) -> None:
        self._log = log
        answers, theirs = os.pipe()
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                command,
                env={**variables, "BENCH_ANSWERS": str(theirs)},
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                pass_fds=[theirs],
                cwd=log.parent,
            )
        os.close(theirs)
        assert self.process.stdin is not None
        self._orders = self.process.stdin
        self._answers = os.fdopen(answers, "rb", buffering=0)
        self._read = b""

    def ask(self, *order: object, seconds: float = 120) -> dict[str, Any]:
        """Give an order and return its answer.

        Raises:
            ChildFailed: There is none.
        """
        try:
            self._orders.write(f"{' '.join(map(str, order))}\n".encode())
            self._orders.flush()
        except OSError:
            raise self._failed("ended") from None
        return self.wait(seconds)

    def wait(self, seconds: float = 120) -> dict[str, Any]:
        """Return the next answer.

        Raises:
            ChildFailed: There is none.
        """
        deadline = time.monotonic() + seconds
        while b"\n" not in self._read:
            left = max(deadline - time.monotonic(), 0)
            ready, _, _ = select.select([self._answers], [], [], left)
            if not ready:
                raise self._failed(f"did not answer within {seconds:.0f} s")
            if not (more := self._answers.read(65536)):
                raise self._failed("ended")
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        answered: dict[str, Any] = json.loads(line)
        return answered

    def release(self) -> None:
        """Let it end: there are no more orders."""
        with suppress(OSError):
            self._orders.close()

    def stop(self) -> None:
        """Wait until it has ended."""
        self.release()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self._answers.close()

    def _failed(self, how: str) -> ChildFailed:
        said = self._log.read_text(errors="replace").strip().splitlines()
        return ChildFailed(f"it {how}: {said[-1][:200] if said else 'it said nothing'}")
