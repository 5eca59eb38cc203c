"""Which sets the connected side needs no more, and the files that they lie in."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from toolkit.digest import Digest
from toolkit.errors import Mismatch
from toolkit.image import Finding
from toolkit.mirror.records import papers
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.setrecord import LOST, SENT, SetRecord
from toolkit.mirror.review import SET, Old
from toolkit.plumbing.files import fsync_folder, storing

BESIDE = (".sha256", ".sha256.minisig")  # of a set: its list of checksums, and the signature of that


def old_sets(
    records: Sequence[SetRecord], receipt: Receipt | None, keep: int
) -> tuple[list[Old], list[Finding]]:
    """Return the sets beyond the `keep` newest that nobody waits for, and notes on those that stay.

    Nobody waits for a set that a receipt names, that was given up, or after which one was sent that requires
    nothing. Where `keep` is 0, all stay.
    """
    sent = [record for record in records if record.status == SENT]
    newest = {record.number for record in sorted(sent, key=lambda each: each.number)[-keep:]}
    old, notes = list[Old](), list[Finding]()
    for record in records if keep else ():
        if record.status not in {SENT, LOST} or record.number in newest:
            continue
        if why := _why(record, sent, receipt):
            old.append(Old(SET, record.increment.name, fingerprint(record), why))
        else:
            problem = (
                f"is not among the {keep} newest, and stays: no receipt names it, and later ones need it"
            )
            notes.append(Finding(f"set {record.increment.name}", problem, "note"))
    return old, notes


def fingerprint(record: SetRecord) -> Digest:
    """Return the digest of a set's list of checksums, as its record has it."""
    lines = (f"{volume.sha256}  {volume.name}\n" for volume in record.volumes)
    return Digest.of("".join(lines).encode())


def files_of(record: SetRecord, folder: Path) -> Iterator[Path]:
    """Yield the files of a set that lie in a folder.

    Raises Mismatch where a volume has another size than was written: then it is something else.
    """
    for volume in record.volumes:
        if (size := _size(path := folder / volume.name)) is not None:
            if size != volume.size:
                raise Mismatch(str(path), "size", "it was written over: move it away", size, volume.size)
            yield path
    yield from (path for end in BESIDE if _size(path := folder / f"{record.increment.name}{end}") is not None)


def remove(record: SetRecord, folder: Path) -> int:
    """Remove the files of a set, its list last; return their bytes."""
    paths = list(files_of(record, folder))
    with storing(folder):
        total = sum(path.stat().st_size for path in paths)
        for path in paths:
            path.unlink()
        if paths:
            fsync_folder(folder)
    return total


def _why(record: SetRecord, sent: Sequence[SetRecord], receipt: Receipt | None) -> str:
    if record.status == LOST:
        return "was given up"
    if receipt and record.number in receipt.sets:
        return f"arrived, by the receipt of {papers.as_moment(receipt.made)}"
    whole = (each for each in sent if each.number > record.number and each.increment.is_whole)
    later = next(whole, None)
    return f"superseded by {later.increment.name}, which requires nothing" if later else ""


def _size(path: Path) -> int | None:
    """Return the bytes of a regular file; None for anything else."""
    try:
        facts = os.stat(path, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None
