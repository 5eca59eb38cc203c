"""The files of a page: what they say is elsewhere too, so what keeps one from being written ends nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from toolkit.errors import ToolkitError
from toolkit.image import Finding
from toolkit.plumbing.files import make_folder, write_atomically
from toolkit.report import WARNING

PAGES = "pages"  # the folder of a site's pages


def write_page(page: bytes, paths: Iterable[Path]) -> list[Finding]:
    """Write a page to each of these; return what could not be written."""
    findings = []
    for path in paths:
        try:
            make_folder(path.parent)
            write_atomically(path, page)
        except ToolkitError as error:
            findings.append(unwritten(path, error))
    return findings


def unwritten(path: Path, error: ToolkitError) -> Finding:
    """Say that a page is not there."""
    return Finding(str(path), f"the page of the run could not be written: {error}", WARNING)
