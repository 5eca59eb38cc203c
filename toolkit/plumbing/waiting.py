"""Waiting for the other end of a pipe."""

from __future__ import annotations


def until_readable(handle: int) -> None:
    """Wait until there is something to read, or nobody will write any more."""
    _wait(handle, to_write=False)


def until_writable(handle: int) -> None:
    """Wait until there is room, or nobody will read any more."""
    _wait(handle, to_write=True)


def _wait(handle: int, *, to_write: bool) -> None:
    import select

    poll = select.poll()  # select itself knows no descriptor above 1023
    poll.register(handle, select.POLLOUT if to_write else select.POLLIN)
    poll.poll()
