"""What one layer's tar says of the files of an image, entry by entry, into a table (formats E.3 to E.8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from toolkit.digest import new_hash
from toolkit.errors import ToolkitError, UnsafeArchive
from toolkit.plumbing import nodes
from toolkit.plumbing.application import shown
from toolkit.plumbing.filefacts import FILE, FOLDER, HARD_LINK, SYMLINK, FileFacts, key_of
from toolkit.plumbing.filefacts import OPAQUE as IS_OPAQUE
from toolkit.plumbing.filefacts import WHITEOUT as IS_WHITEOUT
from toolkit.plumbing.filetable import FileTable
from toolkit.plumbing.odd import Odd
from toolkit.plumbing.pax import format_records
from toolkit.plumbing.profile import PERMISSIONS
from toolkit.plumbing.tarball import Entries
from toolkit.plumbing.tarheader import Entry
from toolkit.plumbing.tree import components
from toolkit.plumbing.whiteouts import AUFS_OWN, BAD_WHITEOUTS, OPAQUE, WHITEOUT
from toolkit.ports import Block

KINDS = {
    b"0": FILE, b"1": HARD_LINK, b"2": SYMLINK, b"3": "character device", b"4": "block device", b"5": FOLDER,
    b"6": "fifo", b"S": FILE,
}  # fmt: skip
SHA256 = "sha256"


def list_files(entries: Entries, layer: int, table: FileTable, subject: str, *, hashed: bool) -> Odd:
    """Note every entry of a layer in the table, its content's digest too if `hashed`.

    Returns the hard links whose target the layer does not hold before them; any other takes its
    target's facts. Raises UnsafeArchive for a path that leads out or stands twice, a whiteout of nothing, and
    what acts as a whiteout in some engines only; and as `Entries` does.
    """
    listing = _Listing(layer, table)
    for number, entry in enumerate(entries):
        try:
            nodes.check(entry)
            body = entries.body() if hashed and entry.size else None
            listing.take(entry, number, body)
        except ToolkitError as error:
            error.subject = error.subject or f"{subject}: {shown(entry.name)}"
            raise
    return listing.odd


def hash_files(entries: Entries, layer: int, table: FileTable, wanted: Iterable[int]) -> None:
    """Note the digests of the contents of those entries whose numbers are wanted; the rest is passed over.

    `wanted` is sorted; a number may stand in it twice.
    """
    numbers = iter(wanted)
    number = next(numbers, None)
    for here, _ in enumerate(entries):
        if number == here:
            table.put_digest(layer, here, _digest(entries.body()))
        while number is not None and number <= here:
            number = next(numbers, None)


class _Listing:
    """One layer on its way into the table."""

    def __init__(self, layer: int, table: FileTable) -> None:
        self.odd = Odd()
        self._layer, self._table = layer, table
        self._last_folder: list[bytes] = []

    def take(self, entry: Entry, number: int, body: Iterator[Block] | None) -> None:
        """Note one entry."""
        parts = _parts(entry.name)
        if not parts:
            if not entry.is_directory:
                raise UnsafeArchive("", "would replace the root folder")  # CVE-2021-29136
            return  # engines disagree whether it counts (formats E.4)
        if parts[:-1] != self._last_folder:
            self._last_folder = parts[:-1]
            self._table.imply(self._layer, parts[:-1])
        if not self._is_whiteout(parts):
            self._add(entry, key_of(parts), number, body)

    def _is_whiteout(self, parts: list[bytes]) -> bool:
        """Note a whiteout; readers look at its name alone, whatever it is (formats E.5)."""
        name = parts[-1]
        if name in BAD_WHITEOUTS:
            raise UnsafeArchive("", "is a whiteout of nothing")
        if name == OPAQUE:
            self._table.mark(self._layer, key_of(parts[:-1]), IS_OPAQUE)
        elif name.startswith(WHITEOUT) and not parts[0].startswith(AUFS_OWN):
            hidden = name.removeprefix(WHITEOUT)
            self._table.mark(self._layer, key_of([*parts[:-1], hidden]), IS_WHITEOUT)
        else:
            return False
        return True

    def _add(self, entry: Entry, key: bytes, number: int, body: Iterator[Block] | None) -> None:
        facts, digest = _facts(entry, number), None
        if entry.is_hard_link:
            facts, digest = self._target(entry) or (facts, digest)
        elif body is not None:
            digest = _digest(body)
        if not self._table.add(self._layer, key, facts, digest):
            raise UnsafeArchive("", "stands twice in the layer, and engines choose differently")

    def _target(self, entry: Entry) -> tuple[FileFacts, bytes | None] | None:
        """Return what a hard link leads to; None where the layer does not hold it so far."""
        found = self._table.found(self._layer, key_of(_parts(entry.linkname)))
        if found is None or found[0].kind == FOLDER:
            self.odd.add(entry.name)
            return None
        return found


def _parts(name: bytes) -> list[bytes]:
    return components(name.lstrip(b"/"), "")


def _facts(entry: Entry, number: int) -> FileFacts:
    major, minor = (entry.major, entry.minor) if entry.is_device else (0, 0)
    mode = 0 if entry.is_symlink else entry.mode & PERMISSIONS
    target = entry.linkname if entry.is_symlink or entry.is_hard_link else b""
    return FileFacts(
        KINDS[entry.type], entry.size, mode, entry.uid, entry.gid, entry.mtime, entry.mtime_ns, target,
        major, minor, _xattrs(entry), entry.sparse, number,
    )  # fmt: skip


def _xattrs(entry: Entry) -> bytes:
    return bytes.fromhex(new_hash(SHA256, format_records(entry.xattrs)).hexdigest()) if entry.xattrs else b""


def _digest(body: Iterator[Block]) -> bytes:
    hash_ = new_hash(SHA256)
    for block in body:
        hash_.update(block)
    return bytes.fromhex(hash_.hexdigest())
