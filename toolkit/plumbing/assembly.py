"""The exact tar of a layer, put together from its tar-split and the files of its tree (formats F.3).

A layer may have hundreds of thousands of small files, so each one costs four calls and no copy: it is
read to where it stands in the block.
"""

from __future__ import annotations

import binascii
import os
import stat
from collections.abc import Iterator

from fastcrc import crc64

from toolkit.errors import CorruptContent, InvalidDocument, Mismatch, UnsafeArchive
from toolkit.plumbing.duplicates import NameSet
from toolkit.plumbing.tarsplit import TarSplit
from toolkit.plumbing.tree import FILE, Tree, components
from toolkit.ports import Block

SMALL = 512 << 10  # bytes; smaller files are joined into one block
ROOM = 1 << 20  # bytes of a block
NAME_LIMIT = 64 << 10  # bytes; a path has 4096, written out with `./` and `//` more


def assemble(split: TarSplit, tree: Tree, *, check: bool = True) -> Iterator[Block]:
    """Yield the exact tar, its file contents out of `tree`, each compared with its CRC.

    Without `check` the contents are not compared: a digest of the whole tar proves more, and costs less
    alone. A block is valid until the next one is asked for. Raises Mismatch naming the file whose content
    changed, MissingMember, or UnsafeArchive.
    """
    return _Assembly(split, tree, check=check).blocks()


class _Assembly:
    def __init__(self, split: TarSplit, tree: Tree, *, check: bool) -> None:
        self._split, self._tree, self._check = split, tree, check
        self._names = NameSet(split.subject)
        self._folder = b"/"  # the raw text of the last entry's folder; none begins so
        self._clean, self._handle = b"", tree.handle  # that folder's name and handle

    def blocks(self) -> Iterator[Block]:
        view, at = memoryview(bytearray(ROOM)), 0
        for payload, name, size, crc in self._split.lines():
            if payload:
                raw = self._split.decoded(payload)
                if at + len(raw) > ROOM:
                    yield view[:at]
                    at = 0
                if len(raw) > ROOM:
                    yield raw
                else:
                    view[at : at + len(raw)] = raw
                    at += len(raw)
            if name is None:
                continue
            base = self._enter(name)
            if 0 < size <= SMALL:
                if at + size >= ROOM:
                    yield view[:at]
                    at = 0
                self._small(name, base, view[at : at + size + 1], crc)
                at += size
            elif size:
                yield view[:at]
                at = 0
                yield from self._large(name, base, size, view, crc)
        self._names.check()
        yield view[:at]

    def _enter(self, name: bytes) -> bytes:
        """Note an entry's name and return its last part; entries of one folder stand together."""
        folder, slash, base = name.rpartition(b"/")
        if folder + slash != self._folder or base in {b"", b".", b".."} or b"\0" in base:
            if len(name) > NAME_LIMIT:  # one of millions of folders takes hundreds of megabytes apart
                problem = f"has a name of {len(name)} bytes, expected at most {NAME_LIMIT}"
                raise UnsafeArchive(self._split.subject, problem)
            parts = components(name.lstrip(b"/"), self._split.subject)
            base = parts[-1] if parts else b""
            self._clean = b"".join(part + b"/" for part in parts[:-1])
            self._folder, self._handle = (folder + slash, -1) if name.endswith(base) else (b"/", -1)
        self._names.add(self._clean + base)
        return base

    def _open(self, name: bytes, base: bytes) -> int:
        components(name, self._tree.subject) if name.startswith(b"/") else None
        if not base:
            raise UnsafeArchive(self._tree.subject, f"name {name!r} is no file name")
        if self._handle < 0:
            self._handle = self._tree.folder(self._clean.split(b"/")[:-1])
        try:
            return os.open(base, FILE, dir_fd=self._handle)
        except OSError as error:
            raise self._tree.explained(error, name) from error

    def _small(self, name: bytes, base: bytes, room: memoryview, crc: bytes | None) -> None:
        """Read a whole file into `room`, which is a byte larger: a file that grew shows."""
        handle, size = self._open(name, base), len(room) - 1
        try:
            count = os.readv(handle, [room])
            while 0 < count < size and (more := os.readv(handle, [room[count:]])):
                count += more
            if count != size:
                raise self._changed(name, "size", self._size_of(handle, name, count), size)
        except OSError as error:
            self._size_of(handle, name, 0)
            raise self._tree.explained(error, name) from error
        finally:
            os.close(handle)
        if self._check:
            self._compare(name, crc64.go_iso(room[:size]), crc)

    def _large(
        self, name: bytes, base: bytes, size: int, view: memoryview, crc: bytes | None
    ) -> Iterator[Block]:
        """Read a file through the one block: a new one for each would cost more than the reading."""
        handle, done, found = self._open(name, base), 0, None
        try:
            if (actual := self._size_of(handle, name, 0)) != size:
                raise self._changed(name, "size", actual, size)
            while done < size:
                count = os.readv(handle, [view[: size - done]])
                if not count:
                    raise self._changed(name, "size", done, size)
                if self._check:
                    found = crc64.go_iso(view[:count], found)
                done += count
                yield view[:count]
        except OSError as error:
            raise self._tree.explained(error, name) from error
        finally:
            os.close(handle)
        if self._check:
            self._compare(name, found or 0, crc)

    def _size_of(self, handle: int, name: bytes, count: int) -> int:
        """Return a file's size, or what was read of it; raises CorruptContent where it is no file."""
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise CorruptContent(f"{self._tree.subject}/{_shown(name)}", "is not a regular file any more")
        return max(facts.st_size, count)

    def _compare(self, name: bytes, found: int, crc: bytes | None) -> None:
        if crc is None:  # only for an empty file (formats F.2): nothing would vouch for this one
            raise InvalidDocument(f"{self._split.subject}: file {_shown(name)}", "has content and no CRC-64")
        if found.to_bytes(8, "big") != binascii.a2b_base64(crc):
            expected = self._split.decoded(crc).hex()
            raise self._changed(name, "CRC-64", f"{found:016x}", expected)

    def _changed(self, name: bytes, fact: str, actual: object, expected: object) -> Mismatch:
        advice = "the file was changed after the layer was stored"
        return Mismatch(f"{self._split.subject}: file {_shown(name)}", fact, advice, actual, expected)


def _shown(name: bytes) -> str:
    return name.decode(errors="backslashreplace")
