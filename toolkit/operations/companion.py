"""The `.sha256` beside a bundle: what `sha256sum -c` would say of it."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import replace
from pathlib import Path

from toolkit.checks import as_finding
from toolkit.checksums import LIMIT, ChecksumList
from toolkit.errors import CorruptContent, InvalidDocument, Mismatch, NotFound, StoreError, ToolkitError
from toolkit.image import Finding
from toolkit.plumbing.files import Stamp, read_bounded, storing
from toolkit.plumbing.streams import Extent, digest_of
from toolkit.report import WARNING

LIST, REPORT, SIGNATURE = ".sha256", ".json", ".minisig"
SUFFIXES = (LIST, REPORT, LIST + SIGNATURE)  # what stands beside a bundle

TICK = 20_000_000  # ns; files are stamped with a clock that goes on every 10 ms, or more often


def beside(file: Path, suffix: str) -> Path:
    """Return the file that stands beside another one, and has its name with something behind it."""
    return file.with_name(file.name + suffix)


def companions(bundle: Path) -> list[Path]:
    """Return the files that stand, or may stand, beside a bundle and speak of it."""
    return [beside(bundle, suffix) for suffix in SUFFIXES]


def has_list(bundle: Path) -> bool:
    """Tell whether there is a `.sha256` beside a bundle; what it says is for `check_companion`."""
    return os.path.lexists(beside(bundle, LIST))


def check_companion(bundle: Path, sha256: str = "", *, is_read: bool = True) -> list[Finding]:
    """Compare a bundle with the `.sha256` beside it, where there is one; `sha256` if it is known.

    A bundle that is not read is looked for in it by its name alone.
    """
    sums = beside(bundle, LIST)
    try:
        expected = ChecksumList.parse(read_bounded(sums, LIMIT), str(sums)).sums.get(bundle.name)
    except NotFound:
        return []
    except ToolkitError as error:
        return [_unreadable(error)]
    if expected is None:
        return [Finding(str(sums), f"does not speak of {bundle.name}", WARNING, check="companion")]
    if not is_read:
        return []
    actual = sha256 or stamped_sum(bundle)[0]
    if actual == expected:
        return []
    advice = f"it is not the file that {sums.name} was written for"
    return [as_finding(Mismatch(str(bundle), "sha256", advice, actual, expected))]


def _unreadable(error: ToolkitError) -> Finding:
    """Say of a list why it cannot be read; one that is none says nothing against the bundle."""
    if not isinstance(error, InvalidDocument):
        return as_finding(error)
    return replace(as_finding(error, "nothing was compared with it"), severity=WARNING, check="companion")


def companion_warnings(bundle: Path, *, strict: bool = False) -> list[Finding]:
    """Return what `check_companion` finds, as warnings: what is in a bundle is held against its own digests.

    Raises CorruptContent where `strict`.
    """
    found = [replace(finding, severity=WARNING) for finding in check_companion(bundle)]
    if strict and found:
        advice = "; ".join(filter(None, (found[0].advice, "--strict makes warnings errors")))
        raise CorruptContent(found[0].subject, found[0].problem, advice)
    return found


def stamped_sum(file: Path) -> tuple[str, Stamp]:
    """Hash a file, and say which file that was, and how it stood while it was read.

    One that was changed just now is waited for: a change of the same tick would leave the stamp as it is.
    Raises NotFound, and StoreError for what is no regular file, or was changed meanwhile.
    """
    with storing(file):
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise StoreError(str(file), "is no regular file")
        if time.time_ns() - facts.st_ctime_ns < TICK:
            time.sleep(TICK / 1e9)
        sha256 = digest_of(Extent(handle, 0, facts.st_size, str(file)).blocks()).hex
        if Stamp.of(handle) != (stamp := Stamp.of_facts(facts)):
            raise StoreError(str(file), "was changed while it was read", "run again")
        return sha256, stamp
    finally:
        os.close(handle)
