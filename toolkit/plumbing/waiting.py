"""Waiting for the other end of a pipe."""

from __future__ import annotations

import select


def until_readable(handle: int) -> None:
    """Wait until there is something to read, or nobody will write any more."""
    _wait(handle, select.POLLIN)


def until_writable(handle: int) -> None:
    """Wait until there is room, or nobody will read any more."""
    _wait(handle, select.POLLOUT)


def _wait(handle: int, event: int) -> None:
    poll = select.poll()  # select itself knows no descriptor above 1023
    poll.register(handle, event)
    poll.poll()
