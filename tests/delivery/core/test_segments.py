"""One file of the spool: what was written is read, by whomever, whatever the clocks do."""

import errno
import os
import struct
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_distro.delivery.encoding import Chunk
from otel_distro.delivery.signal import SIGNALS
from otel_distro.delivery.spool import NEW, TRIED
from otel_distro.delivery.spool.layout import DONE, UnreadableSegmentError
from otel_distro.delivery.spool.segment import Segment

# Bytes that look like the mark of a record are as good as others.
_PAYLOADS = st.one_of(st.binary(max_size=300), st.just(b"\xb1\x5e" * 40))


@st.composite
def chunks(draw):
    scopes = draw(_PAYLOADS)
    count = draw(st.integers(0, len(scopes) // 2))
    return Chunk(draw(_PAYLOADS), scopes, count, draw(st.booleans()))


@pytest.fixture
def clock(monkeypatch):
    """Clocks that are set: of the day, and since this machine was started."""

    class Clock:
        day = 1_700_000_000.0
        boot = 5000.0

        def passes(self, seconds):
            self.day += seconds
            self.boot += seconds

    clock = Clock()
    monkeypatch.setattr(time, "time", lambda: clock.day)
    monkeypatch.setattr(time, "clock_gettime", lambda _: clock.boot)
    return clock


@pytest.fixture
def segment(tmp_path):
    made = Segment.create(tmp_path / "logs-00000001.otlp", "logs")
    yield made
    made.close()


def chunk(size=50, *, errors=False, count=3):
    return Chunk(b"\x0a\x00", b"s" * size, count, errors)


def of(opened):
    return [(opened.read(place), place.state) for place in opened.places(opened.start)]


@settings(deadline=None)
@given(
    signal=st.sampled_from(SIGNALS),
    written=st.lists(st.tuples(chunks(), st.sampled_from([NEW, TRIED, DONE])), max_size=12),
)
def test_what_was_written_is_read_by_the_next_process(tmp_path_factory, signal, written):
    path = tmp_path_factory.mktemp("segment") / f"{signal}-00000001.otlp"
    mine = Segment.create(path, signal)
    for one, state in written:
        offset = mine.append(one)
        if state == DONE:
            mine.settle(offset, one.count)
        else:
            mine.mark(offset, state)
    waiting = [(one, state) for one, state in written if state != DONE]
    assert of(mine) == waiting
    mine.close()
    theirs = Segment.open(path)
    try:
        assert theirs.signal == signal
        assert theirs.is_foreign
        assert not theirs.damaged
        assert theirs.size == path.stat().st_size
        assert theirs.pending == mine.pending == sum(one.count for one, _ in waiting)
        assert of(theirs) == waiting
    finally:
        theirs.close()


def test_the_format_is_the_one_described(segment):
    """By its description, not by its code: an older version's files are read by a newer one."""
    offset = segment.append(chunk(errors=True))
    data = segment.path.read_bytes()
    magic, version, signal, reserved = struct.unpack_from("<10sHBB", data)
    assert (magic, version, SIGNALS[signal], reserved) == (b"BLIPEEOTEL", 1, "logs", 0)
    assert offset == segment.start == 30
    record = data[offset:]
    head = struct.Struct("<2sBBIIIddI")
    mark, state, flags, resource, scopes, count, wall, _, checksum = head.unpack_from(record)
    assert (mark, state, flags, resource, scopes, count) == (b"\xb1\x5e", 0, 1, 2, 50, 3)
    assert abs(wall - time.time()) < 60
    assert checksum == zlib.crc32(record[3 : head.size - 4] + record[head.size :])
    assert record[head.size :] == b"\x0a\x00" + b"s" * 50


@pytest.mark.parametrize("cut", [1, 30, 60, 87])
def test_of_a_file_that_was_cut_what_is_whole_is_read(segment, cut):
    for _ in range(3):
        segment.append(chunk())
    size = segment.path.stat().st_size
    os.truncate(segment.path, size - cut)
    theirs = Segment.open(segment.path)
    assert [one for one, _ in of(theirs)] == [chunk()] * 2
    theirs.close()


def test_a_flipped_bit_costs_no_more_than_its_chunk(segment):
    offsets = [segment.append(chunk(size)) for size in (50, 60, 70)]
    with segment.path.open("r+b") as file:
        file.seek(offsets[1] + 70)
        file.write(b"\0")
    theirs = Segment.open(segment.path)
    assert [one for one, _ in of(theirs) if one] == [chunk(50), chunk(70)]
    theirs.close()


def test_a_file_that_is_none_of_ours_is_said_to_be(tmp_path):
    for data in (
        b"",
        b"BLIPEE",
        b"x" * 100,
        struct.pack("<10sHBB16s", b"BLIPEEOTEL", 9, 2, 0, b""),
    ):
        path = tmp_path / "logs-00000001.otlp"
        path.write_bytes(data)
        with pytest.raises(UnreadableSegmentError):
            Segment.open(path)


def test_what_the_disk_refuses_is_not_in_the_file(segment, disk):
    segment.append(chunk(50))
    size = segment.path.stat().st_size
    disk.is_full = True
    with pytest.raises(OSError, match="space"):
        segment.append(chunk(5000))
    disk.is_full = False
    assert segment.path.stat().st_size == segment.size == size
    assert segment.pending == 3
    segment.append(chunk(60))
    assert [one for one, _ in of(segment)] == [chunk(50), chunk(60)]


def test_what_the_disk_does_not_confirm_is_not_in_the_file(segment, monkeypatch):
    segment.append(chunk(50), fsync=True)

    def refuse(_):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "fdatasync", refuse)
    with pytest.raises(OSError, match="input"):
        segment.append(chunk(60), fsync=True)
    assert [one for one, _ in of(segment)] == [chunk(50)]
    assert segment.pending == 3


def test_a_write_that_is_cut_short_goes_on(segment, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:7], at))
    segment.append(chunk(500))
    assert of(segment) == [(chunk(500), NEW)]


def ages(path):
    opened = Segment.open(path)
    try:
        return [place.age_s for place in opened.places(opened.start)]
    finally:
        opened.close()


@pytest.mark.parametrize("jump", [-1e9, -3600.0, 0.0, 3600.0, 1e8])
def test_a_clock_that_is_set_makes_nothing_older(tmp_path, clock, jump):
    segment = Segment.create(tmp_path / "logs-00000001.otlp", "logs")
    segment.append(chunk())
    clock.passes(100)
    clock.day += jump
    segment.append(chunk())
    clock.passes(10)
    assert ages(segment.path) == [110, 10]
    assert segment.unwritten_for_s == 10
    segment.close()


@pytest.mark.parametrize(("jump", "age"), [(0.0, 500.0), (3600.0, 4100.0), (-3600.0, 0.0)])
def test_after_a_restart_of_the_machine_age_is_by_the_time_of_day(
    tmp_path, clock, jump, age, monkeypatch
):
    segment = Segment.create(tmp_path / "logs-00000001.otlp", "logs")
    segment.append(chunk())
    segment.close()
    clock.day += 500 + jump
    clock.boot = 20.0
    with segment.path.open("r+b") as file:
        file.seek(14)
        file.write(b"of another boot!")
    assert ages(segment.path) == [age]
    opened = Segment.open(segment.path)
    assert opened.unwritten_for_s == age
    opened.close()
