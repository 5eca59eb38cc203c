"""The `.sha256` beside a bundle: what `sha256sum -c` would say of it."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from toolkit.errors import CorruptContent, Mismatch, NotFound, ToolkitError
from toolkit.image import Finding
from toolkit.limits import limits
from toolkit.operations.verify import as_finding
from toolkit.plumbing.files import read_bounded
from toolkit.plumbing.streams import digest_of, opened
from toolkit.report import WARNING

SUFFIXES = (".sha256", ".json")  # what the pipeline leaves beside a bundle
LINE = re.compile(r"(?P<digest>[0-9a-fA-F]{64}) [ *](?P<name>[^\n]+)\n?")  # coreutils, sha256sum(1)


def companions(bundle: Path) -> list[Path]:
    """Return the files that stand, or may stand, beside a bundle and speak of it."""
    return [bundle.with_name(bundle.name + suffix) for suffix in SUFFIXES]


def check_companion(bundle: Path, sha256: str = "") -> list[Finding]:
    """Compare a bundle with the `.sha256` beside it, where there is one; `sha256` if it is known."""
    sums = companions(bundle)[0]
    try:
        line = LINE.fullmatch(os.fsdecode(read_bounded(sums, limits().text)))
    except NotFound:
        return []
    except ToolkitError as error:
        return [as_finding(error)]
    if line is None or line["name"] != bundle.name:
        return [Finding(str(sums), f"does not speak of {bundle.name}", WARNING)]
    actual = sha256 or _sha256(bundle)
    if actual == line["digest"].lower():
        return []
    advice = f"it is not the file that {sums.name} was written for"
    return [as_finding(Mismatch(str(bundle), "sha256", advice, actual, line["digest"]))]


def companion_warnings(bundle: Path, *, strict: bool = False) -> list[Finding]:
    """Return what `check_companion` finds, as warnings: what is in a bundle is held against its own digests.

    Raises CorruptContent where `strict`.
    """
    found = [replace(finding, severity=WARNING) for finding in check_companion(bundle)]
    if strict and found:
        raise CorruptContent(found[0].subject, found[0].problem, "--strict makes warnings errors")
    return found


def _sha256(bundle: Path) -> str:
    with opened(str(bundle), str(bundle)) as content:
        return digest_of(content.blocks()).hex
