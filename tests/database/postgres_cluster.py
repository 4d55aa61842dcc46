"""A Postgres of the tests' own: in a temporary folder, on a free port, not run by root."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.ports import free_ports

# A password is in the addresses to see that none gets out; `trust` accepts any.
USER, PASSWORD, DATABASE = "blipee", "hunter2", "postgres"


@dataclass(frozen=True, slots=True)
class Postgres:
    """Where it listens."""

    host: str
    port: int

    @property
    def dsn(self) -> str:
        return f"postgresql://{self.place}"

    @property
    def place(self) -> str:
        return f"{USER}:{PASSWORD}@{self.host}:{self.port}/{DATABASE}"


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start it, and stop and remove it afterwards."""
    binaries = find_binaries()
    folder = Path(tempfile.mkdtemp(prefix="blipee-postgres-"))
    try:
        as_user: list[str] = []
        if os.geteuid() == 0:  # Postgres refuses to run as root
            users = {user.pw_name: user for user in pwd.getpwall()}
            owner = users.get("postgres") or users["nobody"]
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            as_user = ["runuser", "-u", owner.pw_name, "--"]
            binaries = reachable(binaries, folder)
        (port,) = free_ports(1)

        def run(program: str, *arguments: str) -> None:
            with (folder.parent / f"{folder.name}.out").open("wb") as output:
                done = subprocess.run(
                    [*as_user, str(binaries / program), *arguments],
                    stdout=output,
                    stderr=output,
                    cwd=folder,
                    check=False,
                    timeout=60,
                )
            said = Path(output.name).read_text()
            Path(output.name).unlink()
            assert done.returncode == 0, f"{program} failed:\n{said}"

        data = str(folder / "data")
        trust = ("-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync")
        run("initdb", "-D", data, *trust)
        settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-D", data, "-l", str(folder / "log"), "-w", "-o", settings, "start")
        try:
            yield Postgres("127.0.0.1", port)
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def reachable(binaries: Path, folder: Path) -> Path:
    """Return the binaries where another user may run them: the package's may lie in root's home."""
    if binaries.parent.name != "pginstall":
        return binaries
    package = binaries.parents[1]
    for part in (package / "pginstall", package.with_name("pgserver.libs")):
        target = folder / "program" / part.relative_to(package.parent)
        shutil.copytree(part, target)
    return folder / "program" / package.name / "pginstall" / "bin"


def find_binaries(installed: Path = Path("/usr/lib/postgresql")) -> Path:
    """Return the folder of the newest Postgres that is installed."""
    found = [path.parent for path in installed.glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path is not None and installed == Path("/usr/lib/postgresql"):
        found.append(Path(on_path).resolve().parent)
    packaged = importlib.util.find_spec("pgserver")  # not imported: it does more than be there
    if not found and packaged is not None and packaged.origin is not None:
        return Path(packaged.origin).parent / "pginstall" / "bin"
    if not found:
        pytest.fail(
            f"these tests need a real Postgres, and {installed}/*/bin has none. "
            "Install the PyPI package pgserver, or on Debian: apt install postgresql",
            pytrace=False,
        )
    return max(found, key=lambda path: [int(n) for n in path.parent.name.split(".") if n.isdigit()])
