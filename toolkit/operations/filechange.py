"""One path at which two images differ, and in what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.plumbing.filefacts import FILE, FOLDER, FileFacts, Row

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
TYPE, SIZE, CONTENT, SPARSE = "type", "size", "content", "sparse"
MODE, TARGET, XATTRS, MTIME, DEVICE = "mode", "target", "xattrs", "mtime", "device"
PLAIN = (MODE, "uid", "gid", TARGET, XATTRS)  # facts that are compared as they stand

UNDESCRIBED = FileFacts(FOLDER, 0, 0, 0, 0, 0, 0, b"", 0, 0, b"", sparse=False, body=0)


@dataclass(frozen=True, slots=True)
class FileChange:
    """A path, and what lies there on each side; None where nothing does.

    `differ` names the facts that differ: type, size, content, mode, uid, gid, target, xattrs, mtime, device.
    `sparse` says that the contents could not be compared: a sparse file stands in tars in several ways.
    """

    path: bytes
    left: FileFacts | None
    right: FileFacts | None
    differ: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """Say what became of the path from left to right."""
        if self.left is None:
            return ADDED
        return CHANGED if self.right else REMOVED


def file_change(path: bytes, left: Row | None, right: Row | None) -> FileChange | None:
    """Compare a path of two images by what they show there; None where it is the same."""
    if _is_one(left, right):
        return None
    ours, theirs = _known(left, right), _known(right, left)
    if ours and theirs and left and right:
        differ = tuple(_differ(ours, theirs, (left.digest, right.digest)))
        return FileChange(path, ours, theirs, differ) if differ else None
    return FileChange(path, ours, theirs) if ours or theirs else None


def wanted(left: Row | None, right: Row | None) -> Iterator[tuple[int, int]]:
    """Yield the layer and number of each content that must be read to compare the two."""
    if _is_one(left, right) or not (left and left.facts and right and right.facts):
        return
    if _may_be_same_content(left.facts, right.facts):
        yield from ((row.layer, row.facts.body) for row in (left, right) if row.facts and not row.digest)


def _is_one(left: Row | None, right: Row | None) -> bool:
    """Tell whether both images show what one layer says; also that neither shows anything."""
    return left is right or (left is not None and right is not None and left.layer == right.layer)


def _known(row: Row | None, other: Row | None) -> FileFacts | None:
    """Return the facts of what lies at a path; a folder no layer describes is told by what lies in it."""
    if row is None or row.facts:
        return row.facts if row else None
    if other is None or other.facts is None or other.facts.kind == FOLDER:
        return other.facts if other else None
    return UNDESCRIBED


def _differ(left: FileFacts, right: FileFacts, digests: tuple[bytes | None, bytes | None]) -> Iterator[str]:
    if left.kind != right.kind:
        yield TYPE
        return
    if left.kind == FILE:
        yield from _differ_in_content(left, right, digests)
    for fact in PLAIN:
        if getattr(left, fact) != getattr(right, fact):
            yield fact
    if (left.mtime, left.mtime_ns) != (right.mtime, right.mtime_ns):
        yield MTIME
    if (left.major, left.minor) != (right.major, right.minor):
        yield DEVICE


def _differ_in_content(
    left: FileFacts, right: FileFacts, digests: tuple[bytes | None, bytes | None]
) -> Iterator[str]:
    if left.sparse or right.sparse:
        yield SPARSE
    elif left.size != right.size:
        yield SIZE
        yield CONTENT
    elif left.size and (None in digests or digests[0] != digests[1]):
        yield CONTENT


def _may_be_same_content(left: FileFacts, right: FileFacts) -> bool:
    both_files = left.kind == right.kind == FILE
    return both_files and left.size == right.size > 0 and not (left.sparse or right.sparse)
