"""The file of a receipt, and what vouches for it: its checksum, and a signature where there is a key.

plant-7_0007.receipt.json  .sha256  .sha256.minisig          as beside a bundle (docs/signatures.md)
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from toolkit import checksums
from toolkit.checksums import ChecksumList
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, NotFound, UsageError
from toolkit.mirror.records import papers
from toolkit.mirror.records.receipt import Receipt
from toolkit.operations.companion import LIST, SIGNATURE, beside
from toolkit.operations.signing import sign_file, signed
from toolkit.pages.room import first_of
from toolkit.plumbing.files import make_folder, read_bounded, storing, write_atomically
from toolkit.secretkey import SigningKey
from toolkit.signature import PublicKey

CALLED = re.compile(rf"(?P<site>{papers.SITE.pattern})_(?P<number>[0-9]{{4,9}})\.receipt\.json")
SHOWN = 3  # sites
EDITED = "the receipt was changed after it was made: carry it again as it was"


def write_receipt(folder: Path, receipt: Receipt, key: SigningKey | None = None) -> Path:
    """Write a receipt, its checksum and its signature; return the first. Each is whole or not there."""
    path = folder / receipt.file_name
    content = bytes(receipt)
    listed = bytes(ChecksumList({path.name: Digest.of(content).hex}))
    make_folder(folder)
    with storing(path):
        beside(beside(path, LIST), SIGNATURE).unlink(missing_ok=True)  # of an earlier receipt of this set
    write_atomically(path, content)
    write_atomically(beside(path, LIST), listed)
    if key:
        sign_file(beside(path, LIST), listed, key, int(receipt.made.timestamp()))
    return path


def newest_in(folder: Path, site: str | None = None) -> Path:
    """Return the receipt in a folder that names the highest set, of one site; raises NotFound, UsageError."""
    with storing(folder):
        found = [match for name in os.listdir(folder) if (match := CALLED.fullmatch(name))]
    found = [match for match in found if site in {None, match["site"]}]
    if not found:
        of = f" of {site}" if site else ""
        raise NotFound(str(folder), f"has no receipt{of} in it", "it is called NAME.receipt.json")
    if len(sites := sorted({match["site"] for match in found})) > 1:
        problem = f"has receipts of {len(sites)} sites, {first_of(sites, SHOWN)}"
        raise UsageError(str(folder), problem, "say which: --site NAME")
    return folder / max(found, key=lambda match: int(match["number"]))[0]


def read_receipt(path: Path, keys: Sequence[PublicKey] = ()) -> Receipt:
    """Read a receipt, signed by one of `keys` where some are given.

    Raises CorruptContent where it was changed, where it has no checksum, or no signature that is asked for;
    Mismatch for a signature by another key, InvalidDocument.
    """
    content = read_bounded(path, papers.LIMIT)
    actual = Digest.of(content).hex
    if keys:
        found = signed(path, keys)
        expected = found.sha256
    else:
        expected = _listed(path)
    if actual != expected:
        raise Mismatch(str(path), "sha256", EDITED, actual, expected)
    return Receipt.parse(content, str(path))


def _listed(path: Path) -> str:
    """Return the checksum that stands beside a receipt."""
    sums = beside(path, LIST)
    try:
        listed = ChecksumList.parse(read_bounded(sums, checksums.LIMIT), str(sums)).sums
    except NotFound as error:
        advice = "carry both files back"
        raise CorruptContent(str(path), f"has no {sums.name} beside it", advice) from error
    if path.name not in listed:
        problem = f"speaks of {next(iter(listed))}, not of {path.name}"
        raise CorruptContent(str(sums), problem, "give the receipt the name that it was made with")
    return listed[path.name]
