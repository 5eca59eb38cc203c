"""The gate: which bundles may be brought in, where `[lading] require_signature` asks for a signature.

A bundle is hashed as a whole before anything of it is looked at. What is read of it afterwards counts while
it is still the file that was hashed, by inode, size, mtime and ctime: that is asked when all is read, before
anything gets a name. A change through a memory mapping that was written to before is not noticed so: bundles
belong where nobody else may write.

Where bundles are opened (toolkit.places) they pass it, unless they are only looked at.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from weakref import ref

from toolkit.checks import as_finding
from toolkit.errors import CorruptContent, ToolkitError
from toolkit.image import Finding
from toolkit.operations.companion import stamped_sum
from toolkit.operations.signing import Signed, signed
from toolkit.place import STANDARD_STREAM, Place
from toolkit.plumbing.files import Stamp, storing
from toolkit.ports import Closes, OfFile, Source
from toolkit.report import NOTE
from toolkit.signature import PublicKey
from toolkit.voucher import Vouched

SUMS: dict[Path, tuple[str, Stamp]] = {}  # of this run, and its children
SIGNATURE = "signature"  # what findings tell of
ADVICE = "put it into a file, its .sha256 and .sha256.minisig beside it"


@dataclass(frozen=True, slots=True)
class Admission:
    """A bundle that one of the keys signed, and how its file stood when that was proven."""

    signed: Signed
    stamp: Stamp | None  # None where nobody knows, which no file is

    @classmethod
    def of(cls, found: Signed, sha256: str, stamp: Stamp | None) -> Self:
        """Let in the file that had this sum when it stood so; raises Mismatch where another was signed."""
        found.compare(sha256)
        return cls(found, stamp)

    def must_cover(self, source: Source) -> None:
        """Raise CorruptContent where what was read from `source` is not that file as it stood."""
        found = source.file_stamp() if isinstance(source, OfFile) else None
        if found is None or found != self.stamp:
            problem = f"is not the file any more that key {self.signed.key.key_id} signed"
            raise CorruptContent(str(self.signed.bundle), problem, "it was changed while it was read")

    @property
    def note(self) -> Finding:
        """Say who signed it."""
        return Finding(str(self.signed.bundle), str(self.signed), NOTE, check=SIGNATURE)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A bundle that was let in, as it is read; a Voucher."""

    admission: Admission
    source: ref[Source]  # which has this, and is let go when nobody else has it

    def must_stand(self) -> None:
        """Raise CorruptContent where what was read is not the file that was let in."""
        if (source := self.source()) is not None:
            self.admission.must_cover(source)

    @property
    def mark(self) -> str:
        """Return the sum that was signed."""
        return self.admission.signed.sha256


def vouched(source: Source, admission: Admission) -> Source:
    """Return what was opened of a bundle that was let in, so that it is held to that until all is read.

    Raises CorruptContent, and lets it go, where another file is open than was let in.
    """
    admitted = Admitted(admission, ref(source))
    try:
        admitted.must_stand()
    except BaseException:
        if isinstance(source, Closes):
            source.close()
        raise
    if isinstance(source, Vouched):
        source.vouchers = (*source.vouchers, admitted)
    return source


def admit(place: str, keys: Sequence[PublicKey]) -> Admission:
    """Let a bundle in, before anything of it is looked at.

    Raises CorruptContent where none of the keys signed it, and for what cannot be signed: a pipe, a folder.
    """
    found = _signed(place, keys)
    return Admission.of(found, *_sum_of(found.bundle))


def check_signature(
    place: str, source: Source | None, keys: Sequence[PublicKey]
) -> tuple[Signed | None, Finding]:
    """Return who signed a bundle, and the note of it; else None, and why not.

    It was read as `source`, which is None where it could not be opened.
    """
    try:
        admission = admit(place, keys)
        if source is not None:
            admission.must_cover(source)
    except ToolkitError as error:
        return None, replace(as_finding(error), check=SIGNATURE)
    return admission.signed, admission.note


def check_list(place: str, keys: Sequence[PublicKey]) -> Finding:
    """Return who signed the list beside a bundle that nobody reads, or why none of the keys did."""
    try:
        found = _signed(place, keys)
    except ToolkitError as error:
        return replace(as_finding(error), check=SIGNATURE)
    problem = f"its list {found}; whether this is the file was not looked at"
    return Finding(str(found.bundle), problem, NOTE, check=SIGNATURE)


def _sum_of(bundle: Path) -> tuple[str, Stamp]:
    """Return the sum of a file as it stands, and that: hashed once in a run, which may open it many times."""
    known = SUMS.get(bundle)
    if known is None or Stamp.of(bundle) != known[1]:
        known = SUMS[bundle] = stamped_sum(bundle)
    return known


def _signed(place: str, keys: Sequence[PublicKey]) -> Signed:
    if place == STANDARD_STREAM:
        raise CorruptContent("standard input", "can have no signature, and one is required", ADVICE)
    bundle = Path(Place.parse(place).path)
    with storing(bundle):
        if stat.S_ISDIR(os.stat(bundle).st_mode):
            problem = "is a folder, which can have no signature, and one is required"
            raise CorruptContent(str(bundle), problem, ADVICE)
    return signed(bundle, keys)
