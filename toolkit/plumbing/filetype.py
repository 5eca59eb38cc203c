"""What a foreign file is, in words for a message: "FILE is a Word document, not an image bundle".

Our own look comes first. libmagic is asked only about what that does not know, and may be missing.
"""

from __future__ import annotations

import codecs
import importlib
import os
import stat

from toolkit.plumbing.compression import sniff
from toolkit.plumbing.tarheader import BLOCK, is_whole
from toolkit.printable import printable

LOOK = 4096  # bytes
LONGEST = 80  # characters of what libmagic says
BEGINNINGS = (
    (b"\x7fELF", "an ELF program or library"),
    (b"hsqs", "a squashfs image"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF-", "a PDF document"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"!<arch>\ndebian-binary", "a Debian package"),
    (b"QFI\xfb", "a QEMU disk image"),
    (b"\x04\x22\x4d\x18", "lz4-compressed data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"#!", "a script"),
)
INSIDE_ZIP = (
    (b"word/", "a Microsoft Word document"),
    (b"xl/", "a Microsoft Excel workbook"),
    (b"ppt/", "a Microsoft PowerPoint presentation"),
    (b"opendocument", "an OpenDocument file"),
    (b"META-INF/", "a Java archive"),
)
COMPRESSED = {name: f"{name}-compressed data" for name in ("gzip", "xz", "bzip2", "zstd")}
KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a block device"),
)
PYLIBMAGIC_SETS = ("LD_LIBRARY_PATH", "LIBRARY_PATH", "MAGIC")


def describe_file(what: str | bytes) -> str:
    """Return a phrase for a file, or for its first bytes, such as "a SQLite database". Never raises."""
    if isinstance(what, bytes):
        return _described(what[:LOOK])
    try:
        facts = os.stat(what)
        for is_kind, phrase in KINDS:
            if is_kind(facts.st_mode):
                return phrase
        with open(what, "rb", buffering=0) as stream:
            return _described(stream.read(LOOK) or b"")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is not one"
        return f"unreadable ({reason.lower()})"


def _described(first: bytes) -> str:
    return _by_our_look(first) or _by_libmagic(first) or _by_guess(first)


def _by_our_look(first: bytes) -> str:
    return "an empty file" if not first else _by_structure(first) or _by_beginning(first)


def _by_structure(first: bytes) -> str:
    if len(first) >= BLOCK and is_whole(first[:BLOCK]):
        return "a tar archive"
    if compression := sniff(first):
        return COMPRESSED[compression]
    if not first.strip(b"\0"):
        return "nothing but zero bytes" if len(first) < LOOK else "a file that begins with zero bytes"
    return ""


def _by_beginning(first: bytes) -> str:
    if first.startswith(b"PK\x03\x04"):
        return next((phrase for mark, phrase in INSIDE_ZIP if mark in first), "a zip archive")
    for beginning, phrase in BEGINNINGS:
        if first.startswith(beginning):
            return phrase
    if first.lstrip()[:1] in (b"{", b"[") and _is_text(first):
        return "a JSON document"
    return ""


def libmagic_says(first: bytes) -> str:
    """Ask libmagic, the system's or pylibmagic's; empty where there is none or it does not know."""
    try:
        said = printable(_asked(first))
    except Exception:  # noqa: BLE001 - a missing or broken libmagic must not hide what it is asked about
        return ""
    return "" if said == "data" else said


def _by_libmagic(first: bytes) -> str:
    return libmagic_says(first).partition(",")[0].strip()[:LONGEST]


def _asked(first: bytes) -> str:
    try:
        import magic
    except ImportError:
        _load_pylibmagic()
        import magic
    return str(magic.from_buffer(first))


def _load_pylibmagic() -> None:
    """Import pylibmagic and undo what it does to the environment of all our children and to ctypes."""
    import ctypes

    before = {name: os.environ.get(name) for name in PYLIBMAGIC_SETS}
    loader = ctypes.CDLL.__init__
    try:
        importlib.import_module("pylibmagic")  # makes libmagic loadable, for the next import only
        importlib.import_module("magic").from_buffer(b"-")  # finds its database while MAGIC is set
    finally:
        ctypes.CDLL.__init__ = loader  # type: ignore[method-assign]
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _by_guess(first: bytes) -> str:
    if first.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "a Microsoft Office document"
    return "a text file" if _is_text(first) else "a file of an unknown kind"


def _is_text(first: bytes) -> bool:
    """Tell text in UTF-8, its last character perhaps cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first)
    except UnicodeDecodeError:
        return False
    return b"\0" not in first
