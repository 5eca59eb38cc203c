"""One tar entry, decoded from its header blocks: V7, USTAR, GNU, star and PAX (formats E.2).

Everything here is a value or a function of bytes. Where readers are known to disagree about a header,
it is refused. Errors carry no subject: the iterator that has the stream (`tarball`) adds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from types import MappingProxyType
from typing import TypeVar
from zlib import adler32

from toolkit.errors import CorruptContent, UnsafeArchive, Unsupported
from toolkit.limits import Limits, above
from toolkit.plumbing.pax import LARGEST, parse_records, parse_time, shown, whole_number

BLOCK = 512
LARGEST_SIZE = LARGEST - (BLOCK - 1)  # with its padding, more would overflow in other readers

REGULAR, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = (b"%d" % i for i in range(7))
SPARSE, OLD_REGULAR = b"S", b"\0"
TYPES = frozenset((REGULAR, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO))

FIELDS = Struct("100s8s8s8s12s12s8sc100s6s2s32s32s8s8s155s12s")
CHECKSUM, MAGIC = slice(148, 156), slice(257, 263)
SPACES = 8 * ord(" ")
NO_NUMBER = -(1 << 30)  # far from every sum
NO_XATTRS: Mapping[bytes, bytes] = MappingProxyType({})
XATTR_PREFIX, SPARSE_PREFIX = b"SCHILY.xattr.", b"GNU.sparse."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as its headers state it; names are raw bytes, a trailing slash is kept."""

    name: bytes
    type: bytes  # "0" to "6", or "S" where allowed; a V7 NUL is "0", or "5" where the name ends in a slash
    raw_type: bytes  # the type flag as it stands
    size: int  # bytes of body that follow; links, directories and devices have none
    stated_size: int  # the size that the header states, whatever the type (rule S5, formats A.4)
    mode: int  # raw: old Docker wrote file type bits too (formats A.10)
    uid: int  # as stated; formats E.6 says which are fit to apply
    gid: int
    mtime: int  # seconds since 1970, rounded down
    mtime_ns: int  # what a PAX fraction adds, 0 to 999,999,999
    linkname: bytes
    uname: bytes
    gname: bytes
    major: int
    minor: int
    xattrs: Mapping[bytes, bytes]  # of PAX SCHILY.xattr.*
    sparse: bool
    header_offset: int  # where the first of its headers begins in the stream
    data_offset: int  # where its body begins

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.type == REGULAR

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.type == DIRECTORY

    @property
    def is_symlink(self) -> bool:
        """Whether it is a symbolic link."""
        return self.type == SYMLINK

    @property
    def is_hard_link(self) -> bool:
        """Whether it is another name of an earlier entry."""
        return self.type == HARD_LINK

    @property
    def is_device(self) -> bool:
        """Whether it is a character or block device."""
        return self.type in (CHARACTER, BLOCK_DEVICE)

    @property
    def next_offset(self) -> int:
        """Where the next header begins, after the padding."""
        return self.data_offset + self.size + -self.size % BLOCK


class Extensions:
    """What PAX `x` and GNU `L` and `K` headers say about the one entry that follows them."""

    __slots__ = ("limits", "long_link", "long_name", "pax")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.pax: dict[bytes, bytes] | None = None
        self.long_name: bytes | None = None
        self.long_link: bytes | None = None

    def add(self, kind: bytes, body: bytes) -> None:
        """Take one extension header in; refuses what readers settle in different ways."""
        if kind == b"x":
            self.pax = _only_one(self.pax, parse_records(body), "PAX headers")
        elif kind == b"L":
            self.long_name = _only_one(self.long_name, _c_string(body), "GNU long names")
        else:
            self.long_link = _only_one(self.long_link, _c_string(body), "GNU long link names")
        gnu = self.long_name is not None or self.long_link is not None
        if gnu and self.pax and (b"path" in self.pax or b"linkpath" in self.pax):
            raise UnsafeArchive("", "has both a PAX and a GNU long name, and readers choose differently")


def check_global(body: bytes) -> None:
    """Refuse a global PAX header that would rename or resize entries for some readers only."""
    records = parse_records(body)
    for key in (b"path", b"linkpath", b"size"):
        if key in records:
            raise UnsafeArchive("", f"is a global PAX header with a {shown(key)}, which Docker ignores")
    if any(key.startswith(SPARSE_PREFIX) for key in records):
        raise Unsupported("", "is a global PAX header that makes files sparse")


def is_whole(block: bytes) -> bool:
    """Tell whether a header block's checksum is right, summed unsigned, or signed as old writers did."""
    if (checksum := _stated(block)) == (total := _total(block)):
        return True
    rest = block[: CHECKSUM.start] + block[CHECKSUM.stop :]
    return checksum == total - 256 * sum(byte > 127 for byte in rest)  # noqa: PLR2004 - signed bytes


def was_whole(block: bytes) -> bool:
    """Tell a header that was damaged from what is none: it has the magic, or one changed byte explains it."""
    return block[MAGIC].startswith(b"ustar") or abs(_stated(block) - _total(block)) <= 0xFF  # noqa: PLR2004


def _stated(block: bytes) -> int:
    """Return the checksum that a block states; what no sum is near where it is no number."""
    stated = block[CHECKSUM].strip(b" \0").partition(b"\0")[0]
    return NO_NUMBER if not stated.isdigit() or b"8" in stated or b"9" in stated else int(stated, 8)


def _total(block: bytes) -> int:
    # The low half of Adler-32 is one more than the byte sum, exact below 65,521: 256 bytes at a time.
    total = (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2
    return total + SPACES - sum(block[CHECKSUM])


def is_clean(block: bytes) -> bool:
    """Tell whether the checksum is followed by what a number may be followed by, and nothing else."""
    return block[CHECKSUM].strip(b" \0").isdigit()


@lru_cache(maxsize=4096)
def number(field: bytes) -> int:
    """Read a numeric field: octal with spaces and NULs around it, or base-256; raises CorruptContent."""
    if field and field[0] & 0x80:
        bits = 8 * len(field)
        value = int.from_bytes(field, "big") & ((1 << (bits - 1)) - 1)
        if field[0] & 0x40:
            value -= 1 << (bits - 1)
        if -LARGEST - 1 <= value <= LARGEST:
            return value
        raise CorruptContent("", f"has a number of more than 64 bits, {field!r}")
    digits = field.strip(b" \0").partition(b"\0")[0]
    if not digits:
        return 0
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise CorruptContent("", f"has a field {field!r}, which is no octal number")
    return int(digits, 8)


def decode(
    block: bytes, extensions: Extensions | None, offsets: tuple[int, int], *, allow_sparse: bool = False
) -> Entry:
    """Make one entry of its header block, whose checksum is known to be right.

    `offsets` are those of its first header and its body. Raises CorruptContent, UnsafeArchive (readers
    would disagree) or Unsupported (an unknown type, or a sparse file unless allowed).
    """
    (name, mode, uid, gid, size, mtime, _, type_, linkname, magic, version,
     uname, gname, major, minor, prefix, tail) = FIELDS.unpack(block)  # fmt: skip
    if magic == b"ustar\0":
        name = _joined(prefix[:131] if tail[8:] == b"tar\0" else prefix, name)  # star has times behind it
    elif magic + version == b"ustar  \0":
        name = _joined(_gnu_prefix(prefix), name)
    else:
        name, uname, gname, major, minor = _text(name), b"", b"", b"", b""
    raw = (number(size), number(uid), number(gid), (number(mtime), 0))
    texts = (name, _text(linkname) if linkname[0] else b"", _text(uname), _text(gname))
    xattrs, sparse = NO_XATTRS, type_ == SPARSE
    if extensions is not None:
        texts = _extended(extensions, texts)
        if extensions.pax is not None:
            raw, xattrs = _overridden(extensions.pax, raw), _xattrs(extensions)
            sparse = sparse or any(key.startswith(SPARSE_PREFIX) for key in extensions.pax)
    kind = _kind(type_, texts[0])
    if sparse and not allow_sparse:
        raise Unsupported("", f"{shown(texts[0])!r} is a sparse file", "Docker cannot save it unchanged")
    if kind not in TYPES and not sparse:
        raise Unsupported("", f"{shown(texts[0])!r} is of type {type_!r}, which no engine unpacks")
    if not texts[0]:
        raise CorruptContent("", "has an empty name")
    stated, seconds = raw[0], raw[3]
    if not 0 <= stated <= LARGEST_SIZE:
        raise CorruptContent("", f"{shown(texts[0])!r} has a size of {stated}")
    return Entry(
        texts[0], kind, type_, stated if kind in (REGULAR, SPARSE) else 0, stated, number(mode),
        raw[1], raw[2], *seconds, *texts[1:], number(major), number(minor), xattrs, sparse, *offsets,
    )  # fmt: skip


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _joined(prefix: bytes, name: bytes) -> bytes:
    return _text(prefix) + b"/" + _text(name) if prefix[0] else _text(name)


def _gnu_prefix(field: bytes) -> bytes:
    """Return the prefix that Go before 1.8 put into GNU headers; GNU itself keeps two times there."""
    try:
        if field[0]:
            number(field[:12])
        if field[12]:
            number(field[12:24])
    except CorruptContent:
        return field if _text(field).isascii() else b"\0"
    return b"\0"


def _kind(type_: bytes, name: bytes) -> bytes:
    if type_ == OLD_REGULAR:
        return DIRECTORY if name.endswith(b"/") else REGULAR
    return type_


def _extended(
    extensions: Extensions, texts: tuple[bytes, bytes, bytes, bytes]
) -> tuple[bytes, bytes, bytes, bytes]:
    name, linkname, uname, gname = texts
    pax, limits = extensions.pax or {}, extensions.limits
    name = pax.get(b"GNU.sparse.name") or pax.get(b"path") or extensions.long_name or name
    linkname = pax.get(b"linkpath") or extensions.long_link or linkname
    for what, text, limit in (("path", name, limits.path), ("link target", linkname, limits.link)):
        if len(text) > limit:
            raise above("", f"has a {what} of {len(text)} bytes", limit)
    return name, linkname, pax.get(b"uname", uname), pax.get(b"gname", gname)


def _overridden(
    pax: Mapping[bytes, bytes], raw: tuple[int, int, int, tuple[int, int]]
) -> tuple[int, int, int, tuple[int, int]]:
    size, uid, gid, mtime = raw
    for key in (b"atime", b"ctime"):
        if key in pax:
            parse_time(pax[key], shown(key))
    return (
        whole_number(pax[b"size"], "size") if b"size" in pax else size,
        whole_number(pax[b"uid"], "uid") if b"uid" in pax else uid,
        whole_number(pax[b"gid"], "gid") if b"gid" in pax else gid,
        parse_time(pax[b"mtime"], "mtime") if b"mtime" in pax else mtime,
    )


def _xattrs(extensions: Extensions) -> Mapping[bytes, bytes]:
    pax, limits = extensions.pax or {}, extensions.limits
    found = {key[len(XATTR_PREFIX) :]: value for key, value in pax.items() if key.startswith(XATTR_PREFIX)}
    if len(found) > limits.xattrs:
        raise above("", f"has {len(found)} xattrs", limits.xattrs)
    for key, value in found.items():
        if len(value) > limits.xattr:
            raise above("", f"has an xattr {shown(key)!r} of {len(value)} bytes", limits.xattr)
    return found or NO_XATTRS


def _only_one(before: T | None, value: T, what: str) -> T:
    if before is not None:
        raise UnsafeArchive("", f"has two {what} for one entry, and readers choose differently")
    return value


def _c_string(body: bytes) -> bytes:
    text, _, rest = body.partition(b"\0")
    if rest.strip(b"\0"):
        raise UnsafeArchive("", "has a GNU long name with a NUL inside")
    if not text:
        raise CorruptContent("", "has an empty GNU long name")
    return text
