"""A spool that cannot be read now is read later: what is in it is neither lost nor deleted."""

import errno
import os

import pytest
from core_parts import items, spool_files


@pytest.mark.parametrize("code", [errno.EIO, errno.EMFILE], ids=errno.errorcode.get)
def test_what_cannot_be_read_now_is_read_later(parts, tmp_path, monkeypatch, code):
    process = parts(max_export_batch_size=2)
    numbers = process.write(items(9))
    process.fail_once()
    files = spool_files(tmp_path)
    assert files

    def refuse(*_arguments):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as failing:
        failing.setattr(os, "pread", refuse)
        process.time_passes()
        assert process.sender.send_due() is False
        # It is not tried again and again meanwhile.
        assert process.routes["logs"].next_try > 0
        process.adds_up()
    assert spool_files(tmp_path) == files
    process.send()
    assert sorted(process.sent["logs"].arrived) == sorted(numbers)
    assert process.balance().lost == 0
    process.adds_up()
