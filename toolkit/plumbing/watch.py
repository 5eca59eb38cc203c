"""What engines would make different things of in a layer, looked for while its bytes pass (formats E, G.5).

A layer is carried as it is and never unpacked on its way. So that no engine on the other side is tricked,
what leads out of it, or acts in some file systems only, is refused here already. A plain header costs a
microsecond; only the first, and what is odd, is decoded.
"""

from __future__ import annotations

from collections.abc import Callable

from toolkit.errors import ToolkitError, UnsafeArchive
from toolkit.limits import above, limits, more_than
from toolkit.plumbing import tarheader
from toolkit.plumbing.tarball import MORE_MAP, MORE_MAP_NEXT, TYPE, ZERO_BLOCK, Entries
from toolkit.plumbing.tarheader import BLOCK, Entry
from toolkit.plumbing.tarreader import StreamReader
from toolkit.ports import Block

PLAIN, FILE = frozenset(b"0125"), ord("0")  # files, links and folders that one header describes
EXTENSIONS, SPARSE = frozenset(b"xgLK"), ord("S")
SPARSE_FILE = "holds a sparse file, which Docker loads and cannot save again"
UID, GID, SIZE, TARGET = 108, 116, slice(124, 136), 157  # where they begin
SYMLINK, BASE_256 = ord("2"), 0x80
ROOT = frozenset(b"\0./")  # characters of a name that may stand for the root
MANY = 4  # extensions of the largest size that one entry may have
ONE_ZERO = "has one zero block in its tar and more after it; podman, containerd and Docker refuse it"
NO_TAR = "is no tar, or a broken one; no engine unpacks it"


class Watch:
    """Takes the blocks of one layer's tar, in order; raises UnsafeArchive at the first entry that is unsafe.

    What is odd and no danger is in `notes` afterwards: a tar that is broken is all the same what its maker
    made, as its bytes are proven.
    """

    def __init__(self, subject: str) -> None:
        self.notes: list[str] = []
        self._subject, self._count, self._done = subject, 0, False
        self._most, self._largest = limits().entry, limits().extension
        self._longest = MANY * (self._largest + 2 * BLOCK)  # bytes of the headers of one entry
        self._position = self._next = 0  # of the block; of the bytes that are wanted
        self._wanted, self._held = BLOCK, bytearray()  # how many more, and those that have come
        self._headers = bytearray()  # of an entry that has several, or is odd
        self._begin = self._end = 0  # where they begin, and where what was taken last ends
        # Takes what is wanted, and returns how much to pass over after it.
        self._what: Callable[[bytes], int] = self._header

    def __call__(self, block: Block) -> None:
        """Look at one more block."""
        if not self._done:
            try:
                self._look(memoryview(block))
            except UnsafeArchive:
                raise
            except ToolkitError as error:
                self._stop(f"{NO_TAR}: {error}")
        self._position += len(block)

    def _look(self, view: memoryview) -> None:
        at, length = self._next - self._position, len(view)
        while at < length and not self._done:
            piece = view[at : at + self._wanted]
            at += len(piece)
            if self._held or len(piece) < self._wanted:
                self._held += piece
                self._wanted -= len(piece)
                if self._wanted:
                    break
                piece, self._held = memoryview(self._held), bytearray()
            self._wanted, self._end = BLOCK, self._position + at
            at += self._what(bytes(piece))
        self._next = self._position + at

    def _header(self, block: bytes) -> int:
        kind = block[TYPE]
        if kind in PLAIN and self._count and not self._headers and _is_harmless(block):
            self._counted()
            size = tarheader.number(block[SIZE]) if kind == FILE else 0
            return size + -size % BLOCK
        if block == ZERO_BLOCK:
            self._what = self._after_zero
            return 0
        if not tarheader.is_whole(block):
            self._stop(NO_TAR)
            return 0
        self._begin = self._begin if self._headers else self._end - BLOCK
        self._headers += block
        if kind in EXTENSIONS:
            return self._extension(tarheader.number(block[SIZE]))
        if kind == SPARSE and block[MORE_MAP]:
            self._what = self._map
            return 0
        return self._entry()

    def _after_zero(self, block: bytes) -> int:
        """Look at the block after the first zero block, where there is one: the end is two of them."""
        self._stop("" if block == ZERO_BLOCK else ONE_ZERO)
        return 0

    def _extension(self, size: int) -> int:
        if not 0 <= size <= self._largest:
            raise above(self._subject, f"has an extension header of {size} bytes", self._largest)
        if len(self._headers) > self._longest:
            raise UnsafeArchive(self._subject, "has an entry of too many headers")
        if size:
            self._wanted, self._what = size + -size % BLOCK, self._body
        return 0

    def _body(self, body: bytes) -> int:
        self._headers += body
        self._what = self._header
        return 0

    def _map(self, block: bytes) -> int:
        self._headers += block
        if len(self._headers) > self._longest:
            raise UnsafeArchive(self._subject, "has a sparse file of too many pieces")
        if block[MORE_MAP_NEXT]:
            return 0
        self._what = self._header
        return self._entry()

    def _entry(self) -> int:
        """Decode the entry whose headers are all here, and judge it."""
        self._counted()
        reader = StreamReader(iter([bytes(self._headers)]))
        self._headers.clear()
        reader.position = self._begin
        entry = next(Entries(reader, self._subject, allow_sparse=True))
        if entry.sparse and SPARSE_FILE not in self.notes:
            self.notes.append(SPARSE_FILE)
        try:
            _judge(entry)
        except UnsafeArchive as error:
            error.subject = f"{self._subject}: {entry.name[:200].decode(errors='backslashreplace')}"
            raise
        return entry.size + -entry.size % BLOCK

    def _counted(self) -> None:
        self._count += 1
        if self._count > self._most:
            raise more_than(self._subject, "has more than {} entries", self._most)

    def _stop(self, note: str) -> None:
        self.notes += [note] if note else []
        self._done = True


def _is_harmless(block: bytes) -> bool:
    """Tell a header in which nothing can be odd: most are so."""
    has_no_target = block[TYPE] == SYMLINK and not block[TARGET]
    may_be_the_root = block[0] in ROOT and block[2] in ROOT
    if has_no_target or may_be_the_root or b".wh." in block or b".." in block:
        return False
    return block[UID] | block[GID] | block[SIZE.start] < BASE_256


def _judge(entry: Entry) -> None:
    """Raise UnsafeArchive for what no two engines make the same of."""
    from toolkit.plumbing import nodes
    from toolkit.plumbing.tree import components

    nodes.check(entry)
    nodes.check_path(entry, components(entry.name.lstrip(b"/"), ""))
