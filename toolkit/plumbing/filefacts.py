"""What a layer says of one path, as far as images are compared by it.

A key is a path whose slashes became NULs, which no name in a tar can hold: in the order of keys a folder
stands right before all that is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WHITEOUT, OPAQUE = 1, 2  # marks: of a path that a whiteout takes away, of an opaque folder
IMPLIED = 4  # of a folder that has something in it
FOLDER, FILE, SYMLINK, HARD_LINK = "folder", "file", "symlink", "hard link"


class FileFacts(NamedTuple):
    """One entry as far as it is compared; what its kind does not have is 0 or empty."""

    kind: str  # FOLDER, FILE, …; HARD_LINK only where the layer does not hold what it leads to
    size: int  # bytes of a file
    mode: int  # permissions, setuid, setgid, sticky; 0 of a symlink, which has none
    uid: int
    gid: int
    mtime: int  # seconds
    mtime_ns: int
    target: bytes  # of a link
    major: int
    minor: int
    xattrs: bytes  # a digest over all of them
    sparse: bool  # its size and body are not those of the file
    body: int  # the number of the entry in its layer that has the content


class Row(NamedTuple):
    """What one layer says of one path."""

    key: bytes
    layer: int
    marks: int
    digest: bytes | None  # sha256 of the content, where it was read
    facts: FileFacts | None  # None where the layer has no entry for the path itself


def key_of(parts: Sequence[bytes]) -> bytes:
    """Return the key of a path."""
    return b"\0".join(parts)


def path_of(key: bytes) -> bytes:
    """Return the path of a key."""
    return key.replace(b"\0", b"/")
