"""The file of a receipt, and what vouches for it: its checksum, and a signature where there is a key.

plant-7_0007.receipt.json  .sha256  .sha256.minisig          as beside a bundle (docs/signatures.md)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit import checksums
from toolkit.checksums import ChecksumList
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, NotFound
from toolkit.mirror import papers
from toolkit.mirror.receipt import Receipt
from toolkit.operations.companion import LIST, SIGNATURE, beside
from toolkit.operations.signing import sign_list, signed
from toolkit.plumbing.files import make_folder, read_bounded, storing, write_atomically
from toolkit.secretkey import SigningKey
from toolkit.signature import PublicKey

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
        sign_list(beside(path, LIST), listed, key, int(receipt.made.timestamp()))
    return path


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
