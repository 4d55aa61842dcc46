"""A spool that is shared, taken away, full or damaged: what was in it arrives once, or is counted.

What an endpoint away leaves behind is found by the next process, so ids are counted at the far
side after that.
"""

import os
import shutil
import signal
import subprocess
import textwrap
from contextlib import ExitStack, contextmanager

import pytest
from support.scenarios import of

from otel_distro.delivery import SIGNALS, SpoolSettings
from otel_distro.delivery.encoding import Chunk
from otel_distro.delivery.ledger import Account
from otel_distro.delivery.spool import Spool
from otel_distro.delivery.spool import layout as format_of

pytestmark = pytest.mark.collector

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, and files of another user")


def processes_in(spool):
    return sorted(path for path in spool.glob("*/*-*") if path.parent.name != "quarantine")


def files_in(spool):
    return sorted(spool.glob("*/*-*/*.otlp"))


# --- Shared ---------------------------------------------------------------------------------------

WORKER = """
    prepare()
    name = os.environ["NAME"]
    emit(*(f"{name}-{one}" for one in range(100)))
    say(telemetry.force_flush(3000), "ready")
    time.sleep(60)
"""
LOOK = """
    prepare()
    say(telemetry.force_flush(10_000))
    adopted = {signal: one.adopted for signal, one in telemetry._pipeline.balance().items()}
    say(adopted["traces"], adopted["logs"])
"""


def shared(ground, workers):
    to = ground.nowhere()
    running = [ground.start(WORKER, NAME=f"worker-{n}", **to) for n in range(workers)]
    for one in running:
        one.wait_for("ready")
    dying = running[: workers // 2 + workers % 2]
    living = running[len(dying) :]
    for one in dying:
        one.send(signal.SIGKILL)
        one.end()
    kept = {
        path
        for path in files_in(ground.spool)
        if int(path.parent.name.partition("-")[0]) in {one.process.pid for one in living}
    }
    adopters = [ground.start(LOOK) for _ in range(3 if workers > 2 else 2)]
    adopted = [one.end().out.split() for one in adopters]
    untouched = set(files_in(ground.spool))
    for one in living:
        one.send(signal.SIGKILL)
        one.end()
    first = len(dying) * 100
    ground.deliver()
    return adopted, first, kept, untouched, processes_in(ground.spool)


@of(shared)
@pytest.mark.parametrize("workers", [2, 10])
def test_what_killed_workers_left_is_adopted_exactly_once(workers, happened, arrived):
    adopted, first, kept, untouched, left = happened
    assert [one[0] for one in adopted] == ["True"] * len(adopted)
    assert sum(int(one[1]) for one in adopted) == first
    assert sum(int(one[2]) for one in adopted) == first
    print(f"{workers} workers: adopted {[one[1] for one in adopted]}")
    assert kept
    assert kept <= untouched, "what lives is left alone"
    assert not left
    arrived.exactly_once(f"worker-{n}-{one}" for n in range(workers) for one in range(100))


def many_orphans(ground):
    ended = ground.run(
        """
        import resource
        prepare()
        for number in range(120):
            if not os.fork():
                emit(number)
                telemetry._pipeline.persist(5)
                os._exit(0)
            os.wait()
        """,
        **ground.nowhere(),
    )
    left = len(processes_in(ground.spool))
    # Fewer files than there are orphans.
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))\n"
    ended = ground.run(few + textwrap.dedent(LOOK))
    return ended, left, processes_in(ground.spool)


@of(many_orphans)
def test_more_orphans_than_files_may_be_open_are_adopted_in_turn(happened, arrived):
    ended, before, after = happened
    assert before >= 120
    assert ended.out == "True\n120 120\n", ended.err
    assert not after
    arrived.exactly_once(range(120))


# --- Taken away -----------------------------------------------------------------------------------

FILLING = """
    prepare()
    print("ready", flush=True)
    def go_on(word):
        while not os.path.exists(word):
            time.sleep(0.02)
    emit(*range(200))
    telemetry._pipeline.persist(5)
    say("first")
    go_on("second")
    emit(*range(200, 400))
    telemetry._pipeline.persist(5)
    say("second")
    go_on("third")
    time.sleep(5.5)  # until a disk that failed is tried again
    emit(*range(400, 600))
    telemetry._pipeline.persist(5)
    say("third")
    go_on("end")
    END
"""


@contextmanager
def full(spool):
    spool.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(spool)], check=True)
    (spool / "ballast").write_bytes(bytes(48 * 1024))

    def mend():
        subprocess.run(["mount", "-o", "remount,size=64m", str(spool)], check=True)

    try:
        yield lambda: None, mend
    finally:
        subprocess.run(["umount", "-l", str(spool)], check=True)


@contextmanager
def read_only(spool):
    spool.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(spool)], check=True)

    def remount(how):
        # Busy as long as a file is open for writing.
        done = subprocess.run(["mount", "-o", f"remount,{how}", str(spool)], check=False)
        if done.returncode:
            subprocess.run(["mount", "--bind", str(spool), str(spool)], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", str(spool)], check=True)

    remount("ro")
    try:
        yield lambda: None, lambda: remount("rw")
    finally:
        subprocess.run(["umount", "-l", str(spool)], check=True)


@contextmanager
def a_file_in_its_place(spool):
    spool.parent.mkdir(exist_ok=True)
    spool.write_text("")
    yield lambda: None, spool.unlink


@contextmanager
def a_link(spool):
    elsewhere = spool.with_name("elsewhere")
    elsewhere.mkdir()
    spool.symlink_to(elsewhere)
    yield lambda: None, spool.unlink
    assert not list(elsewhere.iterdir())


@contextmanager
def another_users(spool):
    spool.mkdir()
    os.chown(spool, 12345, 12345)
    yield lambda: None, lambda: os.chown(spool, 0, 0)


@contextmanager
def deleted(spool):
    yield lambda: shutil.rmtree(spool), lambda: None


@contextmanager
def deleted_and_blocked(spool):
    def block():
        shutil.rmtree(spool)
        spool.write_text("")

    yield block, spool.unlink


# How, and whether a line is said.
TAKEN = {
    "full": (full, True),
    "read-only": (read_only, True),
    "a file": (a_file_in_its_place, True),
    "a link": (a_link, True),
    "another user's": (another_users, True),
    "deleted": (deleted, False),
    "deleted and blocked": (deleted_and_blocked, True),
}


def taken_away(ground, how, end):
    with ExitStack() as stack:
        take, mend = stack.enter_context(TAKEN[how][0](ground.spool))
        program = textwrap.dedent(FILLING).replace("END", end)
        running = ground.start(program, **ground.nowhere())
        running.wait_for("first")
        take()
        (ground.folder / "second").touch()
        running.wait_for("second")
        mend()
        (ground.folder / "third").touch()
        running.wait_for("third")
        (ground.folder / "end").touch()
        ended = running.end()
        ground.deliver()
    return ended


ENDS = {"exit": "", "os._exit": "time.sleep(0.5); os._exit(0)"}
ROOT_ONLY = {"full", "read-only", "another user's"}


@of(taken_away)
@pytest.mark.parametrize(
    ("how", "end"),
    [
        pytest.param(how, end, marks=needs_root if how in ROOT_ONLY else (), id=f"{how}-{word}")
        for how in TAKEN
        for word, end in ENDS.items()
        # What was deleted is written anew at the end; there is none.
        if word == "exit" or "deleted" not in how
    ],
)
def test_a_spool_that_cannot_be_written_is_said_once_and_loses_nothing(how, end, happened, arrived):
    assert happened.code == 0, happened.err
    about = [line for line in happened.said if "cannot be written" in line]
    assert len(about) == TAKEN[how][1], happened.said
    assert "were lost" not in happened.err
    arrived.exactly_once(range(600))


# --- Damaged --------------------------------------------------------------------------------------

LEAVING = """
    prepare()
    for part in range(5):
        emit(*range(part * 20, part * 20 + 20))
        telemetry._pipeline.persist(5)
    telemetry.force_flush(500)
    os.kill(os.getpid(), signal.SIGKILL)
"""
HEADER = format_of.FILE.size
RECORD = format_of.RECORD.size


def records_of(file):
    """Return offset and size of each record."""
    data, at, found = file.read_bytes(), HEADER, []
    while at < len(data):
        _, _, _, resource, scopes, *_ = format_of.RECORD.unpack_from(data, at)
        found.append((at, RECORD + resource + scopes))
        at += RECORD + resource + scopes
    return found


def flip(file, at, bit=0):
    data = bytearray(file.read_bytes())
    data[at] ^= 1 << bit
    file.write_bytes(data)


def cut(file, at):
    os.truncate(file, at)


def at_record(number, offset):
    return lambda file: records_of(file)[number][0] + offset


# What is done to the file of the spans, and which fifth of them is lost by it. The whole of it
# where that is all.
ALL = range(5)
DAMAGE = {
    "cut in its header": (lambda file: cut(file, HEADER - 1), ALL),
    "empty": (lambda file: cut(file, 0), ALL),
    "cut after its header": (lambda file: cut(file, HEADER), ()),
    "cut in the head of a record": (lambda file: cut(file, at_record(4, 7)(file)), [4]),
    "cut in the payload of a record": (lambda file: cut(file, at_record(4, RECORD + 9)(file)), [4]),
    "cut before its last byte": (lambda file: cut(file, file.stat().st_size - 1), [4]),
    "no spool file": (lambda file: flip(file, 0), ALL),
    "of a newer version": (lambda file: flip(file, 10, 1), ALL),
    "of another signal": (lambda file: flip(file, 12, 1), ALL),
    "of no signal": (lambda file: flip(file, 12, 6), ALL),
    "a flipped mark": (lambda file: flip(file, at_record(2, 0)(file)), [2]),
    "a flipped state": (lambda file: flip(file, at_record(2, 2)(file), 1), []),
    "a flipped size": (lambda file: flip(file, at_record(2, 8)(file), 4), [2]),
    "a flipped size, another bit": (lambda file: flip(file, at_record(2, 8)(file), 5), [2]),
    "a flipped size, huge": (lambda file: flip(file, at_record(2, 11)(file), 6), [2]),
    "a flipped count": (lambda file: flip(file, at_record(2, 12)(file), 6), [2]),
    "a flipped count, huge": (lambda file: flip(file, at_record(2, 15)(file), 7), [2]),
    "a flipped checksum": (lambda file: flip(file, at_record(2, RECORD - 1)(file)), [2]),
    "a flipped payload": (lambda file: flip(file, at_record(2, RECORD + 30)(file)), [2]),
    "two flipped payloads": (
        lambda file: [flip(file, at_record(one, RECORD + 30)(file)) for one in (1, 3)],
        [1, 3],
    ),
    "a flipped payload at the end": (lambda file: flip(file, file.stat().st_size - 1), [4]),
}
# Where the head of the record still says how many it held.
KNOWN = {
    "cut in the payload of a record",
    "cut before its last byte",
    "a flipped size",
    "a flipped size, another bit",
    "a flipped checksum",
    "a flipped payload",
    "two flipped payloads",
    "a flipped payload at the end",
}
DAMAGED_LOOK = """
    prepare()
    say(telemetry.force_flush(10_000))
    spool, balance = telemetry._pipeline._engine.spool, telemetry._pipeline.balance()
    say(spool.quarantined, balance["traces"].dropped.get("corrupt", 0))
    say(*{one.difference for one in balance.values()})
"""


def damaged(ground, damage):
    # Five records of five parts, unless the writer came in between.
    for _ in range(5):
        ground.run(LEAVING, **ground.nowhere(), BLIPEE_OTEL_SPOOL_WINDOW="60000")
        (spans,) = [file for file in files_in(ground.spool) if file.name.startswith("traces")]
        if len(records_of(spans)) == 5:
            break
        shutil.rmtree(ground.spool)
    DAMAGE[damage][0](spans)
    ended = ground.run(DAMAGED_LOOK)
    again = ground.run(DAMAGED_LOOK)
    return ended, again, sorted((ground.spool / "quarantine").glob("*")), files_in(ground.spool)


@of(damaged)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_put_aside_and_the_rest_delivered(damage, happened, arrived):
    ended, again, aside, left = happened
    lost = DAMAGE[damage][1]
    ids = {str(one) for one in range(100)}
    gone = {str(one) for part in lost for one in range(part * 20, part * 20 + 20)}
    if damage == "cut after its header":
        gone = ids
    assert set(arrived.spans) == ids - gone
    assert set(arrived.logs) == ids, "other files are not concerned"
    assert max([*arrived.spans.values(), *arrived.logs.values()]) == 1
    flushed, (quarantined, corrupt), differences = (
        line.split() if index == 1 else line for index, line in enumerate(ended.out.splitlines())
    )
    assert (flushed, differences) == ("True", "0")
    whole = damage in {"a flipped state", "cut after its header", "empty"}
    assert int(quarantined) == len(aside) == (0 if whole else 1)
    said = [line for line in ended.said if "spool file" in line]
    assert len(said) == len(aside), ended.err
    if aside:
        assert str(aside[0]) in said[0]
    print(f"{damage}: {len(gone)} lost, {corrupt} counted as corrupt; {said}")
    if damage in KNOWN:
        assert int(corrupt) == len(gone)
    assert not left
    assert not [line for line in again.said if "spool" in line], "once"


@needs_root
def test_a_file_of_another_user_is_left_where_it_is(tmp_path):
    said = []
    writing = spool_in(tmp_path, said)
    writing.write("traces", Chunk(b"r", b"scopes", 2), released=True)
    writing.write("logs", Chunk(b"r", b"scopes", 3), released=True)
    writing.abandon()
    (spans,) = (file for file in files_in(tmp_path) if file.name.startswith("traces"))
    os.chown(spans, 12345, 12345)
    before = spans.read_bytes()
    adopting = spool_in(tmp_path, said)
    adopting.adopt(SIGNALS)
    assert [adopting._accounts[signal].adopted for signal in SIGNALS] == [0, 0, 3]
    assert spans.read_bytes() == before
    assert adopting.quarantined == 0
    (line,) = said
    assert str(spans) in line
    assert "another user" in line
    adopting.close()
    assert spans.exists()


def test_a_link_in_the_spool_is_not_followed(tmp_path):
    said = []
    writing = spool_in(tmp_path / "spool", said)
    writing.write("traces", Chunk(b"r", b"scopes", 2), released=True)
    writing.abandon()
    (spans,) = files_in(tmp_path / "spool")
    elsewhere = spans.rename(tmp_path / spans.name)
    spans.symlink_to(elsewhere)
    adopting = spool_in(tmp_path / "spool", said)
    adopting.adopt(SIGNALS)
    assert adopting._accounts["traces"].adopted == 0
    assert elsewhere.exists()
    assert len(said) == 1
    adopting.close()


def test_what_is_put_aside_has_a_bound(tmp_path):
    said = []
    for _ in range(20):
        writing = spool_in(tmp_path, said)
        writing.write("traces", Chunk(b"r", b"scopes", 2), released=True)
        writing.abandon()
        (spans,) = files_in(tmp_path)
        flip(spans, 0)
        adopting = spool_in(tmp_path, said)
        adopting.adopt(SIGNALS)
        assert adopting.quarantined == 1
        adopting.close()
    assert len(list((tmp_path / "quarantine").iterdir())) == 16


def spool_in(root, said):
    settings = SpoolSettings(root=root, service="app")
    return Spool(settings, {one: Account() for one in SIGNALS}, lambda _, text: said.append(text))
