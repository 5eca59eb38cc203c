"""Layer tars as literals, written by Python's own writer."""

from __future__ import annotations

import io
import tarfile
from typing import Any

SOME_TIME = 1_436_480_000


def layer(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return a tar of these members, in this order, however odd they are."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def member(
    name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **facts: Any
) -> tuple[tarfile.TarInfo, bytes]:
    """Return any member; `facts` are attributes of TarInfo, `xattrs` a dict."""
    info = tarfile.TarInfo(name)
    info.type, info.mtime, info.mode, info.size = kind, SOME_TIME, 0o644, len(content)
    xattrs: dict[str, bytes] = facts.pop("xattrs", {})
    info.pax_headers = {
        f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape") for key, value in xattrs.items()
    }
    for key, value in facts.items():
        setattr(info, key, value)
    return info, content


def file(name: str, content: bytes = b"content", **facts: Any) -> tuple[tarfile.TarInfo, bytes]:
    """Return a regular file."""
    return member(name, content=content, **facts)


def folder(name: str, mode: int = 0o755, **facts: Any) -> tuple[tarfile.TarInfo, bytes]:
    """Return a folder."""
    return member(name, tarfile.DIRTYPE, mode=mode, **facts)


def symlink(name: str, target: str, **facts: Any) -> tuple[tarfile.TarInfo, bytes]:
    """Return a symbolic link."""
    return member(name, tarfile.SYMTYPE, linkname=target, mode=0o777, **facts)


def hard_link(name: str, target: str, **facts: Any) -> tuple[tarfile.TarInfo, bytes]:
    """Return another name of an earlier member."""
    return member(name, tarfile.LNKTYPE, linkname=target, **facts)


def device(name: str, major: int, minor: int, kind: bytes = tarfile.CHRTYPE) -> tuple[tarfile.TarInfo, bytes]:
    """Return a device node."""
    return member(name, kind, devmajor=major, devminor=minor)


def patched(tar: bytes, at: int, field: bytes, header: int = 0) -> bytes:
    """Return a tar with other bytes at a place in one of its headers, whose checksum is right again."""
    block = bytearray(tar[header : header + 512])
    block[at : at + len(field)] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return tar[:header] + bytes(block) + tar[header + 512 :]
