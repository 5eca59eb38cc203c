"""Make a legacy store to measure with: Docker 1.9 on aufs, four or eight layers of about the same size.

    python benchmarks/make_input.py DIR --large     files of 100 KB and more on average
    python benchmarks/make_input.py DIR --small     more than 30,000 files of about 10 KB
    python benchmarks/make_input.py DIR --eight     as large, in eight layers

The same seed gives the same bytes. Beside the store, `expected.json` holds the reference, each
layer's diffID and the size of all tars: they are computed here, while the headers are written,
and not by the code that is measured. The layout is that of formats A and F.2.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import random
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fastcrc import crc64

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILES_PER_FOLDER = 200
MTIME = 1_400_000_000
POOL = 16 << 20
BLOCK = 512


@dataclass(frozen=True, slots=True)
class Shape:
    """How big the files of a layer are (bytes, both ends included), and how many layers there are."""

    name: str
    smallest: int
    largest: int
    layers: int = 4


LARGE = Shape("large", 64 << 10, 448 << 10)
SMALL = Shape("small", 5 << 10, 15 << 10)
EIGHT = Shape("eight", 64 << 10, 448 << 10, layers=8)


def ustar(name: str, size: int, kind: bytes) -> bytes:
    """One header of 512 bytes; `kind` is `0` for a file, `5` for a folder."""
    mode = b"0000755\0" if kind == b"5" else b"0000644\0"
    fields = name.encode().ljust(100, b"\0") + mode + b"0000000\0" * 2 + b"%011o\0%011o\0" % (size, MTIME)
    rest = kind + bytes(100) + b"ustar\x0000" + b"root".ljust(32, b"\0") * 2 + b"0000000\0" * 2
    header = (fields + b" " * 8 + rest).ljust(BLOCK, b"\0")
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]


@dataclass
class TarSplit:
    """Writes `tar-data.json.gz` and knows the digest of the tar it describes."""

    out: gzip.GzipFile
    tar: hashlib._Hash = field(default_factory=hashlib.sha256)
    padding: bytes = b""
    position: int = 0
    length: int = 0

    def entry(self, name: str, kind: bytes, content: bytes = b"") -> None:
        """A header and what follows it; the segment before it ends the previous body."""
        self.segment(self.padding + ustar(name, len(content), kind))
        self.absorb(content)
        line: dict[str, object] = {"type": 1, "name": name}
        if content:
            line["size"] = len(content)
        line["payload"] = b64(crc64.go_iso(content).to_bytes(8, "big")) if content else None
        self.line(line)
        self.padding = bytes(-len(content) % BLOCK)

    def end(self) -> None:
        """Padding, two blocks of zeros, and the empty segment that Docker adds."""
        self.segment(self.padding + bytes(2 * BLOCK))
        self.line({"type": 2, "payload": ""})

    def segment(self, payload: bytes) -> None:
        """Tar bytes that are kept as they are."""
        self.absorb(payload)
        self.line({"type": 2, "payload": b64(payload)})

    def absorb(self, tar: bytes) -> None:
        """More bytes of the tar itself."""
        self.tar.update(tar)
        self.length += len(tar)

    def line(self, entry: dict[str, object]) -> None:
        """One entry of the list, with its position."""
        entry["position"] = self.position
        self.out.write(compact(entry) + b"\n")
        self.position += 1


def b64(payload: bytes) -> str:
    return b64encode(payload).decode()


def pool(seed: int) -> memoryview:
    """Content to cut files from: half of it noise, half as repetitive as text."""
    noise = random.Random(seed).randbytes(POOL // 2)
    words = b"".join(noise[at : at + 12].hex().encode() + b"\n" for at in range(0, 4096, 12))
    text = (words * (POOL // 2 // len(words) + 1))[: POOL // 2]
    pieces = (half[at : at + 4096] for at in range(0, POOL // 2, 4096) for half in (noise, text))
    return memoryview(b"".join(pieces))


def contents(shape: Shape, seed: int, layer: int, size: int) -> Iterator[bytes]:
    """Files that differ in their first bytes, until the layer holds `size` bytes."""
    dice, source, number = random.Random(f"{seed} {shape.name} {layer}"), pool(seed), 0
    while size > 0:
        length = dice.randint(shape.smallest, shape.largest)
        start = dice.randrange(POOL - length)
        yield b"%s %d %d\n" % (shape.name.encode(), layer, number) + source[start : start + length]
        size, number = size - length, number + 1


def write_layer(tree: Path, split: TarSplit, files: Iterator[bytes], layer: int) -> int:
    """The folder of one layer and its tar-split; returns the layersize (formats A.4, rule S3)."""
    top, total = f"srv/layer{layer}", 0
    for name in ("srv", top):
        make_folder(tree, name, split)
    for number, content in enumerate(files):
        folder = f"{top}/d{number // FILES_PER_FOLDER:05}"
        if number % FILES_PER_FOLDER == 0:
            make_folder(tree, folder, split)
        name = f"{folder}/f{number:07}.bin"
        (tree / name).write_bytes(content)
        os.utime(tree / name, (MTIME, MTIME))
        split.entry(name, b"0", content)
        total += len(content)
    split.end()
    return total


def make_folder(tree: Path, name: str, split: TarSplit) -> None:
    (tree / name).mkdir(mode=0o755)
    split.entry(f"{name}/", b"5")


def settle_folders(tree: Path) -> None:
    """Folders get their time last: every file put into one had changed it."""
    for path in [tree, *(path for path in tree.rglob("*") if path.is_dir())]:
        os.utime(path, (MTIME, MTIME))


def v1_json(id_: str, parent: str | None, layer: int) -> dict[str, object]:
    """The image json that a Docker 1.9 build leaves for one step."""
    config = {"Hostname": "benchmark", "Env": ["PATH=/usr/bin:/bin"], "Cmd": ["/bin/sh"]}
    return {
        "id": id_,
        **({"parent": parent} if parent else {}),
        "created": f"2014-05-13T16:53:{20 + layer}Z",
        "container_config": config | {"Cmd": ["/bin/sh", "-c", f"#(nop) ADD layer{layer} in /"]},
        "docker_version": "1.9.1",
        "config": config,
        "architecture": "amd64",
        "os": "linux",
    }


def compact(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def write_private(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


def make_layer(root: Path, id_: str, files: Iterator[bytes], layer: int) -> TarSplit:
    """Folder, tar-split and layersize of one layer."""
    graph, tree = root / "graph" / id_, root / "aufs/diff" / id_
    graph.mkdir(mode=0o700)
    tree.mkdir(mode=0o755)
    (root / "aufs/mnt" / id_).mkdir(mode=0o755)
    with gzip.GzipFile(graph / "tar-data.json.gz", "wb", compresslevel=1, mtime=0) as packed:
        split = TarSplit(packed)
        layersize = write_layer(tree, split, files, layer)
    settle_folders(tree)
    write_private(graph / "layersize", str(layersize).encode())
    return split


def make_image(root: Path, shape: Shape, size: int, seed: int) -> dict[str, object]:
    """One layer after the other, base first, and its name; returns what `expected.json` holds."""
    ids: list[str] = []
    splits: list[TarSplit] = []
    for layer in range(shape.layers):
        id_ = hashlib.sha256(f"{seed} {shape.name} {layer}".encode()).hexdigest()
        splits.append(make_layer(root, id_, contents(shape, seed, layer, size // shape.layers), layer))
        json_ = v1_json(id_, ids[-1] if ids else None, layer)
        write_private(root / "graph" / id_ / "json", compact(json_))
        (root / "aufs/layers" / id_).write_text("".join(f"{ancestor}\n" for ancestor in reversed(ids)))
        ids.append(id_)
    names = {"Repositories": {"benchmark": {shape.name: ids[-1]}}}
    write_private(root / "repositories-aufs", compact(names))
    return {
        "reference": f"benchmark:{shape.name}",
        "layers": ids,
        "diff_ids": [f"sha256:{split.tar.hexdigest()}" for split in splits],
        "bytes": sum(split.length for split in splits),
    }


def make_store(root: Path, shape: Shape, size: int, seed: int = 1) -> dict[str, object]:
    """Write the store to `root`, which must not exist yet; returns what `expected.json` holds."""
    os.umask(0o022)
    for name in ("", "graph", "graph/_tmp", "aufs", "aufs/diff", "aufs/layers", "aufs/mnt"):
        (root / name).mkdir(mode=0o700 if name.startswith("graph") else 0o755, parents=not name)
    expected = make_image(root, shape, size, seed)
    (root / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    return expected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dir", type=Path)
    shape = parser.add_mutually_exclusive_group(required=True)
    shape.add_argument("--large", dest="shape", action="store_const", const=LARGE)
    shape.add_argument("--small", dest="shape", action="store_const", const=SMALL)
    shape.add_argument("--eight", dest="shape", action="store_const", const=EIGHT)
    parser.add_argument("--megabytes", type=int, default=1000, help="of content, over all layers")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    expected = make_store(chosen.dir, chosen.shape, chosen.megabytes * 1_000_000, chosen.seed)
    print(json.dumps(expected, indent=1))


if __name__ == "__main__":
    main()
