"""Small legacy roots, laid out by hand as formats A.1 to A.9 describe them."""

from __future__ import annotations

import base64
import gzip
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from fastcrc import crc64

from tests.archives import Body, Folder, Link, encode, v1_json

FOLDERS = {
    "aufs": "aufs/diff/{}",
    "overlay": "overlay/{}/root",
    "vfs": "vfs/dir/{}",
    "btrfs": "btrfs/subvolumes/{}",
    "zfs": "zfs/graph/{}",
    "devicemapper": "devicemapper/mnt/{}/rootfs",
}
SOME_TIME = 1_436_480_000  # seconds; every file has it, so that only what a layer changes differs


def fill(folder: Path, files: Mapping[str, Body | None]) -> Path:
    """Put files, links and folders into a folder; None removes. Times are always the same."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir() and body is None:
            shutil.rmtree(path)
        if isinstance(body, bytes):
            path.write_bytes(body)
        elif isinstance(body, Link):
            os.link(folder / body.target, path) if body.hard else path.symlink_to(body.target)
        elif isinstance(body, Folder):
            path.mkdir(body.mode, exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (SOME_TIME, SOME_TIME), follow_symlinks=False)
    return folder


def legacy_layer(
    root: Path,
    driver: str,
    layer_id: str,
    files: Mapping[str, Body | None],
    *,
    parent: str = "",
    size: str | None = None,
    tar_split: bytes | None = None,
) -> Path:
    """Add one layer; a driver of whole trees begins with a copy of the parent's. Returns its folder."""
    own = root / "graph" / layer_id
    own.mkdir(parents=True, exist_ok=True)
    (own / "json").write_bytes(v1_json(layer_id, parent, architecture="amd64"))
    if size is not None:
        (own / "layersize").write_text(size)
    if tar_split is not None:
        (own / "tar-data.json.gz").write_bytes(gzip.compress(tar_split))
    folder = root / FOLDERS[driver].format(layer_id)
    if parent and driver != "aufs":
        shutil.copytree(root / FOLDERS[driver].format(parent), folder, symlinks=True)
    return fill(folder, files)


def name(root: Path, driver: str, **tags: str) -> None:
    """Write `repositories-<driver>`: tags of the repository `app`."""
    (root / f"repositories-{driver}").write_bytes(encode({"Repositories": {"app": tags}}))


def split_lines(*parts: bytes | tuple[str, bytes]) -> bytes:
    """Return tar-split lines: raw bytes are segments, a pair is a file and its content (formats F.2)."""
    lines = []
    for position, part in enumerate(parts):
        if isinstance(part, bytes):
            line = {"type": 2, "payload": base64.b64encode(part).decode(), "position": position}
        else:
            crc = base64.b64encode(crc64.go_iso(part[1]).to_bytes(8, "big")).decode() if part[1] else None
            size = {"size": len(part[1])} if part[1] else {}
            line = {"type": 1, "name": part[0], **size, "payload": crc, "position": position}
        lines.append(encode(line))
    return b"\n".join(lines) + b"\n"
