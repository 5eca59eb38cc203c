"""Make `toolkit/sample/aufs.tar.gz`, the legacy store behind `sample:`; prints what is in it.

    python -m tests.golden.make_sample [FILE]

The result is the root of a Docker 1.9.1 with the aufs driver, holding one image of four layers under
two names, packed as one tar. Everything in it is our own: the texts are written or computed in
`sample_world.py`, and `bin/hello` is assembled there. Nothing depends on the machine, the clock or a random
number, and every run gives the same tar. (The gzip around it depends on zlib's version besides; no
identity in the store does.)

How the parts came to be:

- The tars of the layers are as Go's archive/tar writes them: USTAR, PAX where a name demands it, sorted,
  no entry for the root, 1024 zero bytes at the end. They are not stored; `tar-data.json.gz` (tar-split)
  and the files of `aufs/diff` give them back.
- A layer's ID is the SHA-256 of its json without the `id`. Docker drew random numbers.
- `layersize` is what the aufs driver counted: the sizes of all that is no folder, each inode once, a link
  as long as its target.
- Files on disk are readable by their owner and carry no setuid bit, whatever the tar says: the store is
  unpacked by anyone. The fifo is in the tar only, for the same reason.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.golden.sample_world import (
    BASE,
    CHANGES,
    COMMANDS,
    FIFO,
    FILE,
    FOLDER,
    HARD_LINK,
    SED,
    SYMLINK,
    Entry,
    folder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKED = Path(__file__).parents[2] / "toolkit" / "sample" / "aufs.tar.gz"
BLOCK, END = 512, bytes(1024)


# ── a tar, as Go writes one ───────────────────────────────────────────────────────────────────────


def tar(entries: list[Entry]) -> Iterator[tuple[bytes, Entry | None]]:
    """Yield what stands before each body, with its entry; last what is behind them all."""
    padding = b""
    for entry in sorted(entries, key=lambda entry: entry.name.rstrip("/").encode()):
        yield padding + headers(entry), entry
        padding = bytes(-len(entry.body) % BLOCK)
    yield padding + END, None


def headers(entry: Entry) -> bytes:
    """A header block, with a PAX one before it where the name is not ASCII or too long to split."""
    name = entry.name.encode()
    split = _split(name) if name.isascii() else None
    if split is not None:
        return _block(entry, *split)
    ascii_name = bytes(byte for byte in name if byte < 128)
    where, _, last = ascii_name.rstrip(b"/").rpartition(b"/")
    pax = b"/".join((where, b"PaxHeaders.0", last)).lstrip(b"/")[:100]
    record = _record(b"path", name)
    first = Entry("", record, type="x", mode=0, mtime=0)
    body = record + bytes(-len(record) % BLOCK)
    return _block(first, b"", pax) + body + _block(entry, b"", ascii_name[:100])


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Cut a name for the fields prefix and name, at the last slash that both allow."""
    if len(name) <= 100:
        return b"", name
    cut = name[:156].rstrip(b"/").rfind(b"/")
    return (name[:cut], name[cut + 1 :]) if cut > 0 and len(name) - cut - 1 <= 100 else None


def _record(key: bytes, value: bytes) -> bytes:
    """A PAX record: its length counts itself."""
    rest = b" " + key + b"=" + value + b"\n"
    size = len(rest) + len(str(len(rest)))
    size = len(rest) + len(str(size))
    return b"%d%b" % (size, rest)


def _block(entry: Entry, prefix: bytes, name: bytes) -> bytes:
    target = entry.content if entry.type in (HARD_LINK, SYMLINK) else b""
    size = len(entry.content) if entry.type in (FILE, "x") else 0
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (entry.mode, entry.uid, entry.gid, size, entry.mtime)
    block = b"".join(
        (name.ljust(100, b"\0"), numbers, b" " * 8, entry.type.encode(), target.ljust(100, b"\0"),
         b"ustar\x0000".ljust(72, b"\0"), b"%07o\0%07o\0" % (0, 0), prefix.ljust(155, b"\0"), bytes(12))
    )  # fmt: skip
    assert len(block) == BLOCK, entry
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def whole(entries: list[Entry]) -> bytes:
    return b"".join(before + (entry.body if entry else b"") for before, entry in tar(entries))


def gzip(content: bytes) -> bytes:
    """The header is Go's: no time, no name, system unknown."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    end = struct.pack("<II", zlib.crc32(content), len(content))
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + deflate.compress(content) + deflate.flush() + end


# ── a layer, as Docker 1.9.1 kept it ──────────────────────────────────────────────────────────────


def crc64(content: bytes) -> bytes:
    """CRC-64/GO-ISO, as tar-split has it."""
    crc = (1 << 64) - 1
    for byte in content:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return struct.pack(">Q", crc ^ ((1 << 64) - 1))


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0xD800000000000000 if byte & 1 else 0)
    return byte


CRC_TABLE = [_crc_of(byte) for byte in range(256)]


def tar_split(entries: list[Entry]) -> bytes:
    """The layer's tar without its bodies."""
    lines: list[dict[str, Any]] = []
    for before, entry in tar(entries):
        lines.append({"type": 2, "payload": base64.b64encode(before).decode()})
        if entry is not None:
            size = {"size": len(entry.body)} if entry.body else {}
            crc = base64.b64encode(crc64(entry.body)).decode() if entry.body else None
            lines.append({"type": 1, "name": entry.name, **size, "payload": crc})
    lines.append({"type": 2, "payload": ""})
    return gzip(b"".join(go_json({**line, "position": at}) + b"\n" for at, line in enumerate(lines)))


def layersize(entries: list[Entry]) -> int:
    return sum(len(entry.content) for entry in entries if entry.type in (FILE, SYMLINK))


def go_json(value: object) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026").encode()


def v1_json(number: int, entries: list[Entry], parent: str) -> tuple[str, bytes]:
    """The layer's ID and its json, in the order of Docker 1.9.1's struct; built by 1.6.2, says it."""
    container = hashlib.sha256(f"container {number} of the lading sample".encode()).hexdigest()
    command = COMMANDS[number].format(digest=hashlib.sha256(whole(entries)).hexdigest())
    last = number == len(COMMANDS) - 1
    document = {
        **({"parent": parent} if parent else {}),
        "created": f"2014-04-17T0{8 + number // 2}:{number * 13:02}:21.{104729 * (number + 1)}5Z",
        "container": container,
        "container_config": _config(container, ["/bin/sh", "-c", command], parent),
        "docker_version": "1.6.2",
        "config": _config(container, ["/bin/hello"] if last else None, parent),
        "architecture": "amd64",
        "os": "linux",
    }
    layer_id = hashlib.sha256(go_json(document)).hexdigest()
    return layer_id, go_json({"id": layer_id, **document})


def _config(container: str, command: list[str] | None, parent: str) -> dict[str, Any]:
    return {
        "Hostname": container[:12], "Domainname": "", "User": "",
        "AttachStdin": False, "AttachStdout": False, "AttachStderr": False,
        "Tty": False, "OpenStdin": False, "StdinOnce": False,
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "Cmd": command, "Image": parent, "Volumes": None, "WorkingDir": "",
        "Entrypoint": None, "OnBuild": None, "Labels": {},
    }  # fmt: skip


# ── the store ─────────────────────────────────────────────────────────────────────────────────────


def layers() -> list[tuple[str, bytes, list[Entry]]]:
    """ID, json and entries of each layer, base first."""
    made: list[tuple[str, bytes, list[Entry]]] = []
    for number, entries in enumerate((BASE, CHANGES, SED, [])):
        made.append((*v1_json(number, entries, made[-1][0] if made else ""), entries))
    return made


def store() -> list[Entry]:
    """The files of the Docker root."""
    chain = layers()
    ids = [layer_id for layer_id, _, _ in chain]
    names = {"Repositories": {"ubuntu": {"14.04": ids[-1], "trusty": ids[-1]}}}
    files = [folder(name) for name in ("aufs", "aufs/diff", "aufs/layers", "aufs/mnt")]
    files += [folder(name, 0o700) for name in ("graph", "graph/_tmp")]
    files.append(Entry("repositories-aufs", go_json(names), mode=0o600))
    for number, (layer_id, document, entries) in enumerate(chain):
        ancestors = "".join(f"{other}\n" for other in reversed(ids[:number])).encode()
        files += [
            folder(f"aufs/mnt/{layer_id}"),
            Entry(f"aufs/layers/{layer_id}", ancestors),
            folder(f"graph/{layer_id}", 0o700),
            Entry(f"graph/{layer_id}/json", document, mode=0o600),
            Entry(f"graph/{layer_id}/layersize", b"%d" % layersize(entries), mode=0o600),
            Entry(f"graph/{layer_id}/tar-data.json.gz", tar_split(entries), mode=0o600),
            folder(f"aufs/diff/{layer_id}"),
            *(_on_disk(entry, f"aufs/diff/{layer_id}/") for entry in entries if entry.type != FIFO),
        ]
    return [replace(entry, mtime=0) for entry in files]


def _on_disk(entry: Entry, below: str) -> Entry:
    target = below.encode() + entry.content if entry.type == HARD_LINK else entry.content
    mode = {FOLDER: 0o755, SYMLINK: 0o777}.get(entry.type, 0o644 | entry.mode & 0o111)
    return Entry(below + entry.name, target, entry.type, mode)


def main(to: Path) -> None:
    packed = gzip(whole(store()))
    to.write_bytes(packed)
    print(f"{to.name}: {len(packed)} bytes")
    for layer_id, _, entries in layers():
        content = whole(entries)
        print(f"layer {layer_id}")
        print(f"  diffID sha256:{hashlib.sha256(content).hexdigest()}, {len(content)} bytes")
        print(f"  layersize {layersize(entries)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PACKED)
