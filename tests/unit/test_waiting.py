"""Pipes are waited for, whatever their descriptors' numbers are."""

from __future__ import annotations

import fcntl
import os
import resource
import threading

import pytest

from toolkit.plumbing.waiting import until_readable, until_writable


def high(handle: int) -> int:
    """Return the same pipe under a number that select does not know."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1100:
        pytest.skip("needs 1,100 descriptors, and this machine allows fewer")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1100), hard))
    moved = fcntl.fcntl(handle, fcntl.F_DUPFD, 1050)
    os.close(handle)
    return moved


def test_a_pipe_is_waited_for_until_somebody_writes_or_reads() -> None:
    reader, writer = map(high, os.pipe())
    until_writable(writer)
    late = threading.Timer(0.05, os.write, (writer, b"x"))
    late.start()
    until_readable(reader)
    assert os.read(reader, 1) == b"x"
    late.join()
    os.close(writer)
    until_readable(reader)
    assert os.read(reader, 1) == b""
    os.close(reader)
