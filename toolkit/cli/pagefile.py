"""The page that a command leaves beside what it prints, also where it fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toolkit.cli.output import Output
from toolkit.errors import StoreError, ToolkitError, UsageError
from toolkit.image import Finding
from toolkit.place import STANDARD_STREAM
from toolkit.report import WARNING, error_json

BEGINNING = b"<!doctype html>"
Show = Callable[[Mapping[str, Any]], object]


@contextmanager
def page_beside(text: str | None, place: str, output: Output) -> Iterator[Show]:
    """Yield what takes the document that is printed, and write its page when the block ends.

    Where the block fails the page shows what it was given, else the error. Raises UsageError, NotFound or
    StoreError at once where there is no place for a page.
    """
    if text is None:
        yield lambda document: None  # noqa: ARG005 - there is no page
        return
    path = page_path(text)
    documents: list[Mapping[str, Any]] = []
    try:
        yield documents.append
    except UsageError:
        raise
    except ToolkitError as error:
        documents.append(error_json(error))
        try:
            _write(path, documents[0], place, output)
        except ToolkitError as other:  # the graver news is why it failed
            output.findings([Finding(other.subject, other.problem, WARNING)])
        raise
    _write(path, documents[0], place, output)


def page_path(text: str) -> Path:
    """Return where a page may be written; raises UsageError, NotFound or StoreError.

    An older page is replaced; any other file may be the bundle that somebody meant to read.
    """
    from toolkit.cli.targets import file
    from toolkit.plumbing.files import ADVICE, storing

    if text == STANDARD_STREAM:
        raise UsageError(f"--html {text}", "is no file", "name a file")
    if text.endswith(os.sep) or os.path.isdir(text):
        raise UsageError(text, "is a folder", "name a file in it")
    path = file(text)
    with storing(path):
        if path.exists() and not _is_page(path):
            raise UsageError(text, "is no page, and would be replaced by one", "name another file")
    if not os.access(path.parent, os.W_OK, effective_ids=True):
        raise StoreError(str(path), "permission denied", ADVICE[errno.EACCES])
    return path


def _is_page(path: Path) -> bool:
    """Tell whether a file begins as ours do, or is empty."""
    with path.open("rb") as stream:
        return stream.read(len(BEGINNING)).lower() in {BEGINNING, b""}


def _write(path: Path, document: Mapping[str, Any], place: str, output: Output) -> None:
    from toolkit.pages.verification import verification_page
    from toolkit.plumbing.files import write_atomically

    write_atomically(path, verification_page(document, place))
    if not output.json:
        output.say(f"wrote {path}")
