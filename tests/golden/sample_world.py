"""What is in the image of the sample store, layer by layer; all of it written or computed here.

A base with something of everything a layer may hold, a layer that removes and hides, one that edits a
file and puts a link in a file's place, and an empty one (which `make_sample` adds).
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from dataclasses import dataclass

FILE, HARD_LINK, SYMLINK, FOLDER, FIFO = "0", "1", "2", "5", "6"
SPRING = 1397721600  # 2014-04-17 08:00:00 UTC
LARGE = 2_000_000  # an owner number, near the largest that USTAR can state


@dataclass(frozen=True)
class Entry:
    """One entry of a tar; `content` is a file's bytes, or where a link points."""

    name: str
    content: bytes = b""
    type: str = FILE
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = SPRING

    @property
    def body(self) -> bytes:
        """The bytes behind the header."""
        return self.content if self.type == FILE else b""


def folder(name: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(name + "/", type=FOLDER, mode=mode, uid=uid, gid=gid)


def link(name: str, target: str, type_: str = SYMLINK) -> Entry:
    return Entry(name, target.encode(), type_, 0o777 if type_ == SYMLINK else 0o755)


def greeting() -> bytes:
    """A static x86-64 Linux program: write(1, text); exit(0)."""
    text = b"Hello from the Lading sample: every byte of this image was carried and checked.\n"
    start, code_size = 64 + 56, 35
    code = b"".join(
        (
            b"\xb8\x01\x00\x00\x00",  # mov eax, 1        write
            b"\xbf\x01\x00\x00\x00",  # mov edi, 1        to standard output
            b"\x48\x8d\x35" + struct.pack("<i", code_size - 17),  # lea rsi, [rip + …]
            b"\xba" + struct.pack("<I", len(text)),  # mov edx, the text's length
            b"\x0f\x05",  # syscall
            b"\xb8\x3c\x00\x00\x00",  # mov eax, 60       exit
            b"\x31\xff",  # xor edi, edi
            b"\x0f\x05",  # syscall
            b"\x90" * 2,  # nop
        )
    )
    assert len(code) == code_size, len(code)
    address, size = 0x400000, start + len(code) + len(text)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, address + start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, address, address, size, size, 0x1000)
    return identity + header + segment + code + text


def noise(size: int) -> bytes:
    """Bytes that no compressor makes smaller: SHA-256 of a counter."""
    blocks = (hashlib.sha256(b"lading sample %d" % number).digest() for number in range(size // 32))
    return b"".join(blocks)


def primes(limit: int) -> bytes:
    """The primes below `limit`, one a line."""
    sieve = bytearray([1]) * limit
    for number in range(2, int(limit**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, limit, number)))
    return b"".join(b"%d\n" % number for number in range(2, limit) if sieve[number])


def squares(count: int) -> bytes:
    return b"".join(b"%d squared is %d\n" % (number, number * number) for number in range(count))


OS_RELEASE = b"""NAME="Lading sample"
ID=lading-sample
PRETTY_NAME="Lading sample (in the shape of Ubuntu 14.04)"
VERSION_ID="14.04"
"""
SOURCES = b"""# where the sample would fetch things from, if it had anything to fetch
list main
# list universe
"""
SEED = "usr/share/sample/"
DEEP = list(itertools.accumulate((f"/folder-{depth}-of-a-long-path" for depth in "123"), initial="srv"))[1:]

BASE = [
    folder("bin"),
    Entry("bin/hello", greeting(), mode=0o755),
    link("bin/hi", "bin/hello", HARD_LINK),
    folder("dev"),
    folder("etc"),
    Entry("etc/group", b"root:x:0:\nsample:x:1000:\n"),
    Entry("etc/lading.list", SOURCES),
    Entry("etc/motd", b"Welcome to the Lading sample.\n"),
    Entry("etc/os-release", OS_RELEASE),
    Entry("etc/passwd", b"root:x:0:0:root:/root:/bin/hello\nsample:x:1000:1000::/home/sample:/bin/hello\n"),
    folder("home"),
    folder("home/zoë", 0o750, uid=LARGE, gid=LARGE + 1),
    Entry("home/zoë/grüße.txt", "Grüße aus der Ladung\n".encode(), uid=LARGE, gid=LARGE + 1),
    folder("root", 0o700),
    folder("run"),
    Entry("run/events", type=FIFO, mode=0o600),
    folder("srv"),
    *(folder(path) for path in DEEP),
    Entry(f"{DEEP[-1]}/its-name-is-split-in-two.txt", b"USTAR keeps a long path in two fields.\n"),
    Entry("srv/" + "n" * 120, b"This name fits neither field, and stands in a PAX header.\n"),
    folder("tmp", 0o1777),
    folder("usr"),
    folder("usr/bin"),
    Entry("usr/bin/borrow", b"#!/bin/hello\n", mode=0o4755),
    folder("usr/lib"),
    link("usr/lib/libsample.so", "libsample.so.1"),
    Entry("usr/lib/libsample.so.1", noise(1024), mode=0o755),
    folder("usr/share"),
    folder("usr/share/sample"),
    Entry(SEED + "empty"),
    Entry(SEED + "noise", noise(64 << 10)),
    Entry(SEED + "primes", primes(100_000), mtime=0),
    Entry(SEED + "retired", b"The second layer removes this file.\n"),
    Entry(SEED + "zeros", bytes(16 << 10)),
    folder("var"),
    folder("var/cache"),
    folder("var/cache/sample"),
    Entry("var/cache/sample/stale", b"The second layer hides this file: it makes the folder opaque.\n"),
    folder("var/mail", 0o2775, gid=8),
]
CHANGES = [
    folder("etc"),
    Entry("etc/motd", b"Welcome to the second layer of the Lading sample.\n"),
    folder("usr"),
    folder("usr/share"),
    folder("usr/share/sample"),
    Entry(SEED + ".wh.retired"),
    Entry(SEED + "squares", squares(1500)),
    folder("var"),
    folder("var/cache"),
    folder("var/cache/sample"),
    Entry("var/cache/sample/.wh..wh..opq"),
    Entry("var/cache/sample/fresh", b"The folder begins anew here.\n"),
]
SED = [
    folder("etc"),
    Entry("etc/lading.list", SOURCES.replace(b"# list", b"list")),
    link("etc/os-release", "../usr/lib/os-release"),
    folder("usr"),
    folder("usr/lib"),
    Entry("usr/lib/os-release", OS_RELEASE),
]
COMMANDS = (
    "#(nop) ADD dir:{digest} in /",
    "echo 'Welcome to the second layer of the Lading sample.' > /etc/motd && rm /usr/share/sample/retired",
    r"sed -i 's/^# *\(list .*\)$/\1/' /etc/lading.list",
    '#(nop) CMD ["/bin/hello"]',
)
