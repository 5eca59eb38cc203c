"""The log of the connected side, which travels beside the volumes: `plant-7.trail.jsonl`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from toolkit.checks import as_finding
from toolkit.errors import NotFound, ToolkitError
from toolkit.image import Finding
from toolkit.mirror.closedside import ClosedSide
from toolkit.mirror.site import Site
from toolkit.mirror.trail import LIMIT
from toolkit.plumbing.files import read_bounded, write_atomically
from toolkit.report import WARNING


def log_name(site: str) -> str:
    """Return what the log of a site is called on a medium."""
    return f"{site}.trail.jsonl"


def carry_log(site: Site, folder: Path) -> None:
    """Put the log as it stands beside the volumes, for the closed side; nothing once they left."""
    if folder.is_dir():
        write_atomically(folder / log_name(site.name), site.trail.raw())


def take_logs(side: ClosedSide, folders: Iterable[Path], now: datetime) -> Iterator[Finding]:
    """Take in the logs that lie on media, the longest counts; yield a warning of each that is not as it was.

    The images are proven without it: a log that was changed keeps nothing out, and is told.
    """
    for path in (folder / log_name(side.name) for folder in folders):
        try:
            side.take_log(read_bounded(path, LIMIT), str(path), now)
        except NotFound:
            continue
        except ToolkitError as error:
            yield replace(as_finding(error, "ask the other side"), severity=WARNING, check="signature")
