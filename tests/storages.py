"""Small roots of containers/storage, laid out by hand as podman lays them out (formats C.2)."""

from __future__ import annotations

import base64
import io
import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastcrc import crc64

from tests.archives import Picture, encode, sha256
from toolkit.plumbing.tarball import Entries, StreamReader
from toolkit.plumbing.tarsplit_writer import TarSplitWriter
from toolkit.ports import Block

TREES = {"overlay": "overlay/{}/diff", "vfs": "vfs/dir/{}"}
CREATED = "2026-11-23T19:01:41.767186131Z"


class Storage:
    """A root with one driver. Change `images` and `layers`, the records, then `write` them."""

    def __init__(self, root: Path, driver: str = "overlay") -> None:
        self.root, self.driver = root, driver
        self.images: list[dict[str, Any]] = []
        self.layers: list[dict[str, Any]] = []
        for kind in ("images", "layers"):
            (root / f"{driver}-{kind}").mkdir(parents=True)
        self.write()

    def add(self, picture: Picture, *names: str, tars: Sequence[bytes] = ()) -> str:
        """Add an image; `tars` are its layers where those of the picture are compressed. Returns its ID."""
        top = ""
        for tar in tars or [picture.blobs[digest] for digest in picture.layers]:
            top = self.layer(tar, top)
        return self.image(picture.config, picture.raw, top, *names)

    def image(self, config: bytes, manifest: bytes, top: str, *names: str) -> str:
        """Add an image of layers that are here; returns its ID."""
        image_id, came = sha256(config), sha256(manifest)
        hex_ = image_id.removeprefix("sha256:")
        data = {"manifest": manifest, f"manifest-{came}": manifest, image_id: config}
        record = {
            "id": hex_,
            "digest": came,
            **({"names": list(names)} if names else {}),
            **({"layer": top} if top else {}),
            "big-data-names": list(data),
            "big-data-sizes": {key: len(raw) for key, raw in data.items()},
            "big-data-digests": {key: sha256(raw) for key, raw in data.items()},
            "created": CREATED,
        }
        self.images.append(record)
        for key, raw in data.items():
            path = self.data(hex_, key)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(raw)
        self.write()
        return image_id

    def layer(self, tar: bytes, parent: str = "") -> str:
        """Add a layer unless it is there; returns its ID, which is no chainID."""
        diff_id = sha256(tar)
        id_ = sha256(f"{parent}+{diff_id}".encode()).removeprefix("sha256:")
        if id_ not in {record["id"] for record in self.layers}:
            record = {"id": id_, "parent": parent, "created": CREATED, "diff-digest": diff_id}
            self.layers.append({**record, "diff-size": len(tar), "compression": 2, "uidset": [0]})
            if self.driver == "vfs" and parent:
                shutil.copytree(self.tree(parent), self.tree(id_), symlinks=True)
            planted(self.tree(id_), tar, keep_whiteouts=self.driver == "overlay")
            record_split(self.split(id_), tar)
            self.write()
        return id_

    def tree(self, layer: str) -> Path:
        """Return the folder of a layer's files."""
        return self.root / TREES[self.driver].format(layer)

    def split(self, layer: str) -> Path:
        """Return the file of a layer's tar-split."""
        return self.root / f"{self.driver}-layers" / f"{layer}.tar-split.gz"

    def data(self, image: str, key: str) -> Path:
        """Return the file of a document of an image."""
        name = key if key == "manifest" else "=" + base64.b64encode(key.encode()).decode()
        return self.root / f"{self.driver}-images" / image.removeprefix("sha256:") / name

    @property
    def images_json(self) -> Path:
        return self.root / f"{self.driver}-images" / "images.json"

    @property
    def layers_json(self) -> Path:
        return self.root / f"{self.driver}-layers" / "layers.json"

    def write(self) -> None:
        """Write both lists."""
        self.images_json.write_bytes(encode(self.images))
        self.layers_json.write_bytes(encode(self.layers))


def planted(folder: Path, tar: bytes, *, keep_whiteouts: bool) -> None:
    """Unpack a layer; a driver of whole trees has no whiteouts, fuse-overlayfs keeps them as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.name == ".wh..wh..opq" and not keep_whiteouts:
                continue
            if path.name.startswith(".wh.") and not keep_whiteouts:
                removed(path.with_name(path.name.removeprefix(".wh.")))
            elif member.isdir():
                path.mkdir(exist_ok=True)
            else:
                removed(path)
                put(archive, member, folder, path)


def put(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, path: Path) -> None:
    if member.issym():
        path.symlink_to(member.linkname)
    elif member.islnk():
        os.link(folder / member.linkname, path)
    elif content := archive.extractfile(member):
        path.write_bytes(content.read())


def removed(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def record_split(path: Path, tar: bytes) -> None:
    """Record what is left of a tar when its files' contents are elsewhere."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        writer = TarSplitWriter(handle)

        def take(block: Block) -> None:
            (writer.tail if entries.end else writer.raw)(block)

        entries = Entries(StreamReader(iter([tar])), "tar", raw=take)
        for entry in entries:
            body = b"".join(map(bytes, entries.body()))
            writer.file(entry.name, entry.size, crc64.go_iso(body) if body else None)
        writer.finish()
    finally:
        os.close(handle)
