"""The log of the connected side, as media bring it: taken in where it goes on from what is known of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from toolkit.checks import as_finding
from toolkit.errors import CorruptContent, ToolkitError
from toolkit.image import Finding
from toolkit.mirror.closed.closedside import ClosedSide
from toolkit.mirror.records.trail import LIMIT, log_name
from toolkit.operations.signing import signed_file
from toolkit.plumbing.files import read_bounded
from toolkit.report import WARNING
from toolkit.signature import PublicKey

ADVICE = "ask the other side; if that was set up anew, take its new log: --anew"


def take_logs(
    side: ClosedSide,
    folders: Iterable[Path],
    now: datetime,
    keys: Sequence[PublicKey] = (),
    *,
    anew: bool = False,
) -> Iterator[Finding]:
    """Take in the logs that lie on media, the longest counts; yield a warning of each that is not as it was.

    With `anew` one that is not the log that is known stands in its place: the connected side is new.

    One of `keys`, where some are given, has to have signed it: whoever lengthens a log without would make all
    that come after it look changed. The images are proven without it: it keeps nothing out.
    """
    for path in (folder / log_name(side.name) for folder in folders):
        if not os.path.lexists(path):
            continue
        try:
            side.take_log(_read(path, keys), str(path), now, anew=anew)
        except ToolkitError as error:
            yield replace(as_finding(error, ADVICE), severity=WARNING, check="signature")


def _read(path: Path, keys: Sequence[PublicKey]) -> bytes:
    """Read a log, which one of `keys` has to have signed by its name: another site's is not this one's."""
    if not keys:
        return read_bounded(path, LIMIT)
    content, key, found = signed_file(path, LIMIT, path, keys)
    if f"file:{path.name}" not in found.trusted_comment.split("\t"):
        problem = f"was signed by key {key.key_id} under another name: {found.shown_comment}"
        raise CorruptContent(str(path), problem, "it is another site's log")
    return content
