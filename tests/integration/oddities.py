"""An image with everything that a store may keep in a form of its own, made of literal tars.

Whiteouts, an opaque folder, devices, a capability, hard links, odd names and owners, a file replaced by a
folder: a store that kept the trees gives these very tars back, or it did not keep the image.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.archives import sha256

NAME = "odd.example/things:1"
TIME = 1_436_480_000  # seconds
PIECE = 1 << 20  # bytes of a large file

# vfs_cap_data of linux/capability.h, revision 2: cap_net_raw, permitted and effective
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


@dataclass(frozen=True)
class OddImage:
    """The archive, and what every store must give back."""

    path: Path
    image_id: str
    diff_ids: tuple[str, ...]  # base first
    sizes: tuple[int, ...]  # bytes of each tar


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **facts: object
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, len(content), TIME
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for fact, value in facts.items():
        setattr(info, fact, value)
    return info, content


def base(megabytes: int) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield the base layer: files of all kinds, and that many megabytes of noise."""
    for folder in ("bin", "dev", "etc", "gone", "opaque", "opaque/deep", "usr", "usr/lib", "var"):
        yield entry(folder, tarfile.DIRTYPE)
    yield entry(
        "bin/ping",
        content=b"\x7fELF ping",
        mode=0o755,
        pax_headers={"SCHILY.xattr.security.capability": CAPABILITY.decode("utf-8", "surrogateescape")},
    )
    yield entry("bin/su", content=b"\x7fELF su", mode=0o4755)
    yield entry("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
    yield entry("dev/loop0", tarfile.BLKTYPE, devmajor=7, devminor=0, mode=0o660)
    yield entry("dev/pipe", tarfile.FIFOTYPE)
    yield entry("etc/one", content=b"one\n", mtime=0)
    yield entry("etc/two", tarfile.LNKTYPE, linkname="etc/one", mtime=0)
    yield entry("etc/becomes-a-folder", content=b"file")
    yield entry("etc/shadow", content=b"secret", mode=0o000)
    yield entry("etc/owned", content=b"x", uid=4_000_000, gid=4_000_001)
    yield entry("etc/ümläut and space", content=b"x")
    yield entry("usr/lib/" + "long" * 40, content=b"x")
    yield entry("usr/lib/dangling", tarfile.SYMTYPE, linkname="/nowhere/at/all")
    yield entry("gone/file", content=b"gone")
    yield entry("opaque/old", content=b"old")
    yield entry("opaque/deep/old", content=b"old")
    noise = random.Random(1)
    for number in range(megabytes):
        yield entry(f"var/noise-{number:04}", content=noise.randbytes(PIECE))


def middle(megabytes: int) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield the layer above: what deletes, hides, replaces."""
    yield entry("etc", tarfile.DIRTYPE)
    yield entry("etc/.wh.two")
    yield entry("etc/becomes-a-folder", tarfile.DIRTYPE)
    yield entry("etc/becomes-a-folder/file", content=b"now below")
    yield entry("etc/one", content=b"changed\n")
    yield entry("opaque", tarfile.DIRTYPE, mode=0o711)
    yield entry("opaque/.wh..wh..opq")
    yield entry("opaque/new", content=b"new")
    yield entry(".wh.gone")
    noise = random.Random(2)
    for number in range(megabytes):
        yield entry(f"var/more-{number:04}", content=noise.randbytes(PIECE))


def top() -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield a small layer that brings back what was deleted."""
    yield entry("gone", tarfile.DIRTYPE)
    yield entry("gone/again", content=b"again")


def write_tar(path: Path, entries: Iterator[tuple[tarfile.TarInfo, bytes]]) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content) if content else None)


def odd_image(folder: Path, megabytes: int = 4) -> OddImage:
    """Write a docker archive, of layers of about this many megabytes, and an empty one on top."""
    tars = [folder / f"layer-{number}.tar" for number in range(4)]
    for path, entries in zip(tars, (base(megabytes), middle(megabytes), top(), iter(())), strict=True):
        write_tar(path, entries)
    diff_ids = []
    for path in tars:
        with path.open("rb") as stream:
            diff_ids.append("sha256:" + hashlib.file_digest(stream, "sha256").hexdigest())
    history = [
        {"created": "2024-01-02T03:04:05Z", "created_by": f"RUN {number}"} for number in range(len(tars))
    ]
    config = json.dumps(
        {
            "architecture": "amd64",
            "config": {"Cmd": ["/bin/ping"]},
            "created": "2024-01-02T03:04:05Z",
            "history": history,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
    ).encode()
    image_id = sha256(config)
    config_name = image_id.removeprefix("sha256:") + ".json"
    manifest = [{"Config": config_name, "RepoTags": [NAME], "Layers": [path.name for path in tars]}]
    out = folder / "odd.tar"
    with tarfile.open(out, "w") as archive:
        for path in tars:
            archive.add(path, path.name)
        for name, content in ((config_name, config), ("manifest.json", json.dumps(manifest).encode())):
            archive.addfile(*_file(name, content))
    sizes = tuple(path.stat().st_size for path in tars)
    for path in tars:
        path.unlink()
    return OddImage(out, image_id, tuple(diff_ids), sizes)


def _file(name: str, content: bytes) -> tuple[tarfile.TarInfo, io.BytesIO]:
    info, _ = entry(name, content=content)
    return info, io.BytesIO(content)
