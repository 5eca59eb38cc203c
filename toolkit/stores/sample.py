"""`sample:` — a small legacy store that comes with the package, unpacked on first use.

`toolkit/sample/aufs.tar.gz` holds the root of a Docker 1.9.1 (`tests/golden/make_sample.py` makes it).
Unpacking needs no root: the owners, times and special files that a layer has stand in its tar-split.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Self

from toolkit.digest import Digest
from toolkit.errors import ToolkitError
from toolkit.plumbing.compression import decompressed
from toolkit.plumbing.files import (
    make_folder,
    read_bounded,
    read_handle,
    storing,
    sweep,
    write_all,
    write_atomically,
)
from toolkit.plumbing.stagedfolder import staged_folder
from toolkit.plumbing.tarball import Entry, StreamReader, entries
from toolkit.plumbing.tree import Tree, components
from toolkit.plumbing.turns import turn, turn_name
from toolkit.stores.graph.store import GraphStore

PACKED = "sample/aufs.tar.gz"
STAMP = "sample.digest"  # in the unpacked store: the digest of the package's file
LIMIT = 4 << 20  # bytes, unpacked
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def sample_store(home: Path) -> GraphStore:
    """Return the sample store, unpacked under `home`; raises StoreError where that cannot be written.

    What is there already is compared with the package, byte for byte (it is small), and unpacked again
    where it is damaged or of another version. Two processes at once do it once.
    """
    path, sample = home / "sample", Sample.packed()
    if turn_name(path).exists() or not sample.is_whole(path):  # a turn and whole: killed as it ended
        make_folder(home)
        with turn(path):
            sweep(home)
            if not sample.is_whole(path):  # while we waited, another process did it
                sample.unpack(path)
    return GraphStore(path, place="sample:")


@dataclass(frozen=True, slots=True)
class Sample:
    """The package's file, unpacked in memory."""

    digest: Digest
    members: tuple[tuple[Entry, bytes], ...]

    @classmethod
    def packed(cls) -> Self:
        """Read the file that came with the package; raises NotFound where an installation lost it."""
        with storing(f"toolkit/{PACKED}"):
            raw = resources.files("toolkit").joinpath(*PACKED.split("/")).read_bytes()
        return cls(Digest.of(raw), tuple(_members(raw)))

    def is_whole(self, path: Path) -> bool:
        """Tell whether every member is at `path`, as it is here."""
        try:
            with storing(path), Tree(path) as tree:
                return read_bounded(path / STAMP, LIMIT) == self._stamp and all(
                    _is_same(tree, entry, content) for entry, content in self.members
                )
        except ToolkitError:
            return False

    def unpack(self, path: Path) -> None:
        """Put every member below `path`, which appears whole.

        Nothing is fsynced: a file that a power cut takes away is noticed at the next opening.
        """
        with staged_folder(path) as part:
            root = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                for entry, content in self.members:
                    _put(root, entry, content)
            finally:
                os.close(root)
            write_atomically(part / STAMP, self._stamp)

    @property
    def _stamp(self) -> bytes:
        return f"{self.digest}\n".encode()


def _members(raw: bytes) -> Iterator[tuple[Entry, bytes]]:
    subject = f"toolkit/{PACKED}"
    packed = entries(StreamReader(decompressed(iter([raw]), "gzip", subject, limit=LIMIT)), subject)
    for entry in packed:
        components(entry.name, subject)  # refuses a name that leads out
        yield entry, b"".join(map(bytes, packed.body()))


def _put(root: int, entry: Entry, content: bytes) -> None:
    name = entry.name.rstrip(b"/")
    if entry.is_directory:
        os.mkdir(name, dir_fd=root)
        os.chmod(name, entry.mode, dir_fd=root)
    elif entry.is_symlink:
        os.symlink(entry.linkname, name, dir_fd=root)
    elif entry.is_hard_link:
        os.link(entry.linkname, name, src_dir_fd=root, dst_dir_fd=root, follow_symlinks=False)
    else:
        handle = os.open(name, NEW_FILE, 0o600, dir_fd=root)
        try:
            write_all(handle, content)
            os.fchmod(handle, entry.mode)
        finally:
            os.close(handle)


def _is_same(tree: Tree, entry: Entry, content: bytes) -> bool:
    facts = tree.lstat(entry.name)
    if facts is None:
        return False
    if entry.is_directory:
        return stat.S_ISDIR(facts.st_mode)
    if entry.is_symlink:
        return stat.S_ISLNK(facts.st_mode) and _target(tree, entry.name) == entry.linkname
    if entry.is_hard_link:
        first = tree.lstat(entry.linkname)
        return first is not None and first.st_ino == facts.st_ino
    handle, _ = tree.open_file(entry.name)
    try:
        return read_handle(handle, tree.subject, len(content) + 1) == content
    finally:
        os.close(handle)


def _target(tree: Tree, name: bytes) -> bytes:
    *folders, last = components(name, tree.subject)
    return os.readlink(last, dir_fd=tree.folder(folders))
