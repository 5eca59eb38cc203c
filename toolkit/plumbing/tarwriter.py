"""Tar header blocks, the same bytes every time: USTAR where it fits, else PAX with sorted keys (F.6).

The layout is that of Go's archive/tar, as Docker's own layers have it (formats A.10, E.10).
"""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.errors import UnsafeArchive, Unsupported
from toolkit.plumbing.pax import format_records, format_time
from toolkit.plumbing.tarheader import BLOCK, FIELDS, NO_XATTRS, XATTR_PREFIX

END = bytes(2 * BLOCK)
TYPES = {"file": b"0", "hardlink": b"1", "symlink": b"2", "directory": b"5"}
MODES = {"file": 0o644, "hardlink": 0o644, "symlink": 0o777, "directory": 0o755}
NAME, PREFIX, OWNER = 100, 155, 32  # bytes of the fields
MAX_EXTENSION = 1 << 20  # bytes of a PAX header


def header(
    name: str | bytes,
    kind: str,
    size: int = 0,
    *,
    mode: int | None = None,
    mtime: int = 0,
    linkname: str | bytes = "",
    owner: str = "",
) -> bytes:
    """Return the header blocks of a member of our own archives, owned by 0:0, by name by `owner`.

    `kind` is file, directory, symlink or hardlink; directories get their final slash. Raises
    UnsafeArchive where the name cannot stand in a tar.
    """
    raw_name = _encoded(name)
    if kind == "directory":
        raw_name = raw_name.rstrip(b"/") + b"/"
    return entry_header(
        raw_name,
        TYPES[kind],
        size=size,
        mode=MODES[kind] if mode is None else mode,
        mtime=mtime,
        linkname=_encoded(linkname),
        uname=_encoded(owner),
        gname=_encoded(owner),
    )


def padding(size: int) -> bytes:
    """Return the zeros after a body of `size` bytes."""
    return bytes(-size % BLOCK)


def entry_header(
    name: bytes,
    type_: bytes,
    *,
    size: int = 0,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    mtime: int = 0,
    mtime_ns: int = 0,
    linkname: bytes = b"",
    uname: bytes = b"",
    gname: bytes = b"",
    major: int = 0,
    minor: int = 0,
    xattrs: Mapping[bytes, bytes] = NO_XATTRS,
) -> bytes:
    """Return the header blocks of any entry, a PAX header before it where USTAR cannot hold the facts.

    Raises UnsafeArchive for an empty name or a NUL in one, Unsupported for what no tar can hold.
    """
    if not name or any(b"\0" in text for text in (name, linkname, uname, gname)):
        raise UnsafeArchive(_shown(name), "is empty or holds a NUL, and cannot be a name in a tar")
    _refuse_beyond(name, {"mode": mode, "major device number": major, "minor device number": minor})
    owners = {b"uid": (uid, 8), b"gid": (gid, 8), b"size": (size, 12)}
    texts = {b"linkpath": (linkname, NAME), b"uname": (uname, OWNER), b"gname": (gname, OWNER)}
    pax = {key: b"%d" % value for key, (value, width) in owners.items() if not _octal(value, width)}
    pax |= {key: text for key, (text, width) in texts.items() if not _fits(text, width)}
    pax |= {_xattr_key(key, name): value for key, value in xattrs.items()}
    if mtime_ns or not _octal(mtime, 12):
        pax[b"mtime"] = format_time(mtime, mtime_ns)
    split = _split(name)
    if split is None or (pax and not _fits(name, NAME)):
        pax[b"path"], split = name, (b"", name)
    devices = _octal(major, 8) + _octal(minor, 8)
    block = _block(split, type_, (mode, uid, gid, size, mtime), (linkname, uname, gname), devices)
    return _pax_header(name, pax) + block if pax else block


def _pax_header(name: bytes, pax: Mapping[bytes, bytes]) -> bytes:
    body = format_records(pax)
    if len(body) > MAX_EXTENSION:
        problem = f"needs a PAX header of {len(body)} bytes, and Go reads {MAX_EXTENSION}"
        raise Unsupported(_shown(name), problem)
    folder, slash, file = name.rpartition(b"/")
    pax_name = folder + slash + b"PaxHeaders.0" + (b"/" + file if file else b"")
    return _block((b"", pax_name), b"x", (0, 0, 0, len(body), 0)) + body + padding(len(body))


def _block(
    split: tuple[bytes, bytes],
    type_: bytes,
    numbers: tuple[int, int, int, int, int],
    texts: tuple[bytes, bytes, bytes] = (b"", b"", b""),
    devices: bytes = bytes(16),
) -> bytes:
    """Lay out one header block. What does not fit stands in the PAX header: here it is cut, or zero."""
    prefix, name = split
    mode, uid, gid, size, mtime = numbers
    linkname, uname, gname = texts
    block = FIELDS.pack(
        _cut(name, NAME), _field(mode, 8), _field(uid, 8), _field(gid, 8), _field(size, 12),
        _field(mtime, 12), b" " * 8, type_, _cut(linkname, NAME), b"ustar\0", b"00", _cut(uname, OWNER),
        _cut(gname, OWNER), devices[:8], devices[8:], prefix, b"",
    )  # fmt: skip
    return b"%b%06o\0 %b" % (block[:148], sum(block), block[156:])


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Return prefix and name as USTAR has them, cut at the last slash that will do; None if none does."""
    if not name.isascii():
        return None
    if len(name) <= NAME:
        return b"", name
    cut = name.rfind(b"/", 0, min(PREFIX + 1, len(name) - 1))
    if cut <= 0 or len(name) - cut - 1 > NAME:
        return None
    return name[:cut], name[cut + 1 :]


def _fits(text: bytes, width: int) -> bool:
    return len(text) <= width and text.isascii()


def _octal(value: int, width: int) -> bytes:
    """Return an octal field, or nothing where the number has no place in it."""
    return b"%0*o\0" % (width - 1, value) if 0 <= value < 8 ** (width - 1) else b""


def _field(value: int, width: int) -> bytes:
    return _octal(value, width) or _octal(0, width)


def _refuse_beyond(name: bytes, numbers: Mapping[str, int]) -> None:
    """Refuse numbers for which PAX has no key."""
    for what, number in numbers.items():
        if not _octal(number, 8):
            raise Unsupported(_shown(name), f"has a {what} of {number}, which no tar of this kind can hold")


def _xattr_key(key: bytes, name: bytes) -> bytes:
    if not key or b"=" in key or b"\0" in key:
        raise Unsupported(_shown(name), f"has an xattr named {key!r}, which no tar can hold")
    return XATTR_PREFIX + key


def _cut(text: bytes, width: int) -> bytes:
    """Keep the ASCII of a text as far as it fits, for readers without PAX, as Go does."""
    text = text if text.isascii() else bytes(byte for byte in text if byte < 128)  # noqa: PLR2004 - ASCII
    return text if len(text) <= width else text[:width].rstrip(b"/")


def _encoded(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise UnsafeArchive(repr(text[:200]), "has half a character, which no tar can hold") from error


def _shown(name: bytes) -> str:
    return repr(name[:200].decode(errors="backslashreplace"))
