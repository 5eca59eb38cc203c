"""tarsum: what Docker 0.6 to 1.5 knew a layer by, a sum over some fields and the bodies of its entries.

It does not say that two tars are the same: the order of entries, padding and, since v1, times are left out.
Where a path stands twice, versions of Docker differ. Source: formats D.11, A.5.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from toolkit.digest import HEX_DIGITS, Hash, new_hash
from toolkit.plumbing.pathtable import FILE, PathTable, key
from toolkit.plumbing.tarheader import Entry

LABEL = re.compile(r"tarsum(?P<version>|\.v1|\.dev)\+(?P<algorithm>sha256|sha512):(?P<hex>[0-9a-f]{64,128})")
MOST = 500_000  # entries; each costs forty bytes, and a hundred more while they are sorted
FEW = 12  # entries that Go sorts by inserting one after the other


@dataclass(frozen=True, slots=True)
class Label:
    """A recorded tarsum, written `tarsum.v1+sha256:<hex>`."""

    version: str  # "", .v1 or .dev, which is the same as .v1
    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a label; None for other text."""
        found = LABEL.fullmatch(text)
        if found is None or len(found["hex"]) != HEX_DIGITS[found["algorithm"]]:
            return None
        return cls(found["version"], found["algorithm"], found["hex"])

    def __str__(self) -> str:
        return f"tarsum{self.version}+{self.algorithm}:{self.hex}"


class TarSum:
    """The tarsum of one layer, in a label's version.

    Of each entry in order a hash is `begun`, given the body, and its digest is added; then ask.
    """

    def __init__(self, label: Label) -> None:
        self.label = label  # what was recorded
        self._sums, self._names = bytearray(), array("q")  # of each entry, in order
        self._seen, self._is_known = PathTable(), True
        self._has_twice = False

    def begun(self, entry: Entry) -> Hash:
        """Return the running digest of one entry, which is to be given its body."""
        return new_hash(self.label.algorithm, b"".join(self._fields(entry)))

    def add(self, entry: Entry, digest: bytes) -> None:
        """Take the digest of one entry."""
        if entry.sparse or len(self._names) == MOST:  # Docker hashed sparse files as they are expanded
            self._is_known = False
        if not self._is_known:
            return
        name = entry.name.removeprefix(b"./").removesuffix(b"/")
        self._has_twice = bool(self._seen.mark(name, FILE)) or self._has_twice
        self._names.append(key(name))
        self._sums += digest

    @property
    def depends(self) -> bool:
        """Tell whether it depends on how Go sorts, of more entries than it inserts one by one."""
        return self._has_twice and len(self._names) > FEW

    def labels(self, extra: bytes = b"") -> list[Label]:
        """Return what versions of Docker make of it, `extra` before it; none where that is not known."""
        if not self._is_known:
            return []
        hexes = dict.fromkeys(self._total(sums, extra) for sums in self._orders())
        return [Label(self.label.version, self.label.algorithm, hex_) for hex_ in hexes]

    def _fields(self, entry: Entry) -> Iterator[bytes]:
        """Yield what of a header counts: each key with its value, nothing between them."""
        yield b"name%bmode%duid%dgid%dsize%d" % (
            entry.name, entry.mode, entry.uid, entry.gid, entry.stated_size,
        )  # fmt: skip
        if not self.label.version:
            yield b"mtime%d" % entry.mtime
        yield b"typeflag%blinkname%buname%bgname%b" % (
            entry.raw_type, entry.linkname, entry.uname, entry.gname,
        )  # fmt: skip
        yield b"devmajor%ddevminor%d" % (entry.major, entry.minor)
        if self.label.version:
            yield from (name + entry.xattrs[name] for name in sorted(entry.xattrs))

    def _orders(self) -> Iterator[list[bytes]]:
        """Yield the entries' sums in the orders that versions of Docker put them in."""
        size = HEX_DIGITS[self.label.algorithm] // 2
        sums = [bytes(self._sums[at : at + size]) for at in range(0, len(self._sums), size)]
        yield sorted(sums)  # 0.6, and all where no path stands twice
        if self._has_twice:
            yield sorted(dict(zip(self._names, sums, strict=True)).values())  # to 1.2: the last of a path
            if len(sums) <= FEW:
                yield self._inserted(sums)

    def _inserted(self, sums: list[bytes]) -> list[bytes]:
        """Sort as 1.3 and later do: of one path by position, else by sum, which is no consistent order."""
        done: list[int] = []
        for number in range(len(sums)):
            at = number
            while at and self._is_less(sums, number, done[at - 1]):
                at -= 1
            done.insert(at, number)
        return [sums[number] for number in done]

    def _is_less(self, sums: list[bytes], one: int, other: int) -> bool:
        return one < other if self._names[one] == self._names[other] else sums[one] < sums[other]

    def _total(self, sums: list[bytes], extra: bytes) -> str:
        hash_ = new_hash(self.label.algorithm, extra)
        for each in sums:
            hash_.update(each.hex().encode())
        return hash_.hexdigest()
