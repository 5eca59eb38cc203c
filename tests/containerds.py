"""containerd roots as literals: images under their names, in namespaces."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.archives import Picture, blob, unpacked
from tests.bolts import Tree, database, varint

CONTENT = "io.containerd.content.v1.content"
META = "io.containerd.metadata.v1.bolt/meta.db"
SOME_TIME = b"\x01\x00\x00\x00\x0e\xe2\x96\x84\x8d\x31\x77\xcc\xb8\xff\xff"  # Go's time.MarshalBinary
Spaces = Mapping[str, Mapping[str, Picture]]


def extracted(archive: Path, folder: Path) -> Path:
    """Unpack a root that an engine wrote; Python's own tar asks for words that 3.11.2 does not know."""
    subprocess.run(["tar", "-xJf", str(archive), "-C", str(folder)], check=True)
    return folder


def target(digest: str, size: int, media_type: str) -> dict[bytes, bytes]:
    """Return what a name points at, as containerd stores it."""
    return {b"digest": digest.encode(), b"mediatype": media_type.encode(), b"size": varint(size)}


def record(picture: Picture) -> dict[bytes, bytes | Tree]:
    """Return the record of an image."""
    return {
        b"createdat": SOME_TIME,
        b"labels": {b"a label": b"of somebody"},
        b"target": target(picture.digest, len(picture.raw), picture.media_type),
        b"updatedat": SOME_TIME,
    }


def tree(spaces: Spaces) -> Tree:
    """Return the keys of a meta.db."""
    return {
        b"v1": {
            b"version": varint(4),
            **{
                space.encode(): {
                    b"content": {b"blob": {}},
                    b"images": {name.encode(): record(picture) for name, picture in named.items()},
                }
                for space, named in spaces.items()
            },
        }
    }


def containerd_root(folder: Path, spaces: Spaces, *nameless: Picture) -> Path:
    """Write a containerd root with these images, and with some that no name points at."""
    files = {META: database(tree(spaces))}
    for picture in (*nameless, *(each for named in spaces.values() for each in named.values())):
        files |= {f"{CONTENT}/{blob(digest)}": content for digest, content in picture.blobs.items()}
    return unpacked(folder, files)
