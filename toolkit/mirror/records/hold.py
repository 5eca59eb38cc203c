"""One run at a time: a lock that says who holds it, and since when."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from toolkit.errors import ToolkitError, TryAgain, UsageError
from toolkit.mirror.records import papers
from toolkit.plumbing.filelock import locked
from toolkit.plumbing.files import make_folder, read_bounded, storing, sweep, write_all

LOCK = "run.lock"
TEXT_LIMIT = 4 << 10  # bytes


@contextmanager
def held(folder: Path, subject: str, what: str, now: datetime, apart: str = "") -> Iterator[None]:
    """Hold a folder, and remove what killed runs left half-made in it; raises TryAgain.

    The lock ends with the process that holds it, however that ends. Raises UsageError where `apart` is in the
    folder, records of the other side of the gap: each side would take its own word for the other's.
    """
    if apart and os.path.isdir(folder / apart):
        problem = f"is kept here for the other side of the gap, as {folder / apart} shows"
        raise UsageError(subject, problem, "use a home of this side's own: LADING_HOME")
    make_folder(folder)
    path = folder / LOCK
    with ExitStack() as stack:
        try:
            with storing(path):
                handle = stack.enter_context(locked(path, wait=0))
        except TryAgain as error:
            raise TryAgain(subject, _holder(path), "wait for it to end, or end it") from error
        with storing(path):
            os.ftruncate(handle, 0)
            write_all(handle, _sign(what, now))
        for place in (folder, *(each for each in folder.iterdir() if each.is_dir())):
            sweep(place)
        yield


def _sign(what: str, now: datetime) -> bytes:
    body = {"pid": os.getpid(), "host": os.uname().nodename, "since": papers.as_moment(now), "what": what}
    return papers.written("hold", body)


def _holder(path: Path) -> str:
    with suppress(ToolkitError):  # it may not have signed yet
        node = papers.opened(read_bounded(path, TEXT_LIMIT), str(path), "hold")
        who = f"process {papers.count(node, 'pid')} on {papers.text(node, 'host', 255)}"
        what, since = papers.text(node, "what", 200), papers.as_moment(papers.moment(node, "since"))
        return f"is held by {what}, {who}, since {since}"
    return "is held by another run"
