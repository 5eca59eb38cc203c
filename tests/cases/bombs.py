"""Archives that are small and become large, deep or endless in who reads them; and a place to set them off.

`python -m tests.cases.bombs FOLDER` verifies and imports each in a process of its own, and prints what
came of it as JSON: for each, exit code, sentence and seconds of both, and the most memory it took, in bytes.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.archives import (
    LAYER,
    ONE,
    A,
    B,
    Body,
    encode,
    image,
    layout,
    tar,
    v1_folder,
    written,
)

from .judging import ran

GIB = 1 << 30
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
LONG = b"9" * 5000
ITEM = b'{"Config":"c.json","RepoTags":["app:1"],"Layers":["one.tar"]'
APP = image(ONE)
FILES: dict[str, Body] = {"c.json": APP.config, "one.tar": ONE}


def repeated(piece: bytes, times: int) -> bytes:
    """Return gzip of a piece that stands very often; each time in a member of its own."""
    return gzip.compress(piece, 9, mtime=0) * times


def header(name: str, kind: bytes, size: int = 0) -> bytes:
    """Return one header block, whatever size it states."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)[-512:]


def with_layer(folder: Path, packed: bytes) -> Path:
    """Return an archive with a compressed layer, whose diffID nobody has the time to compute."""
    picture = image(packed, diff_ids=["sha256:" + "0" * 64], media_types=[f"{LAYER}+gzip"])
    return written(folder / "a.tar", layout(("app:1", picture)))


def with_manifest(folder: Path, manifest: bytes) -> Path:
    return written(folder / "a.tar", {**FILES, "manifest.json": manifest})


def with_config(folder: Path, config: bytes) -> Path:
    item = [{"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["one.tar"]}]
    return written(folder / "a.tar", {**FILES, "c.json": config, "manifest.json": encode(item)})


def zeros(folder: Path) -> Path:
    return with_layer(folder, gzip.compress(ONE, mtime=0) + repeated(bytes(16 << 20), 640))


def zeros_in_a_file(folder: Path) -> Path:
    """Return a layer with a file of 10 GiB: its header states more than octal digits can."""
    info = tarfile.TarInfo("zeros")
    info.size = 10 * GIB
    packed = gzip.compress(info.tobuf(tarfile.GNU_FORMAT), mtime=0) + repeated(bytes(16 << 20), 640)
    return with_layer(folder, packed + gzip.compress(bytes(1024), mtime=0))


def zeros_outside(folder: Path) -> Path:
    path = folder / "a.tar.gz"
    path.write_bytes(gzip.compress(tar({**FILES}), mtime=0) + repeated(bytes(16 << 20), 640))
    return path


def huge_manifest(folder: Path) -> Path:
    path = folder / "a.tar"
    with path.open("wb") as file:
        file.write(header("manifest.json", tarfile.REGTYPE, GIB))
        file.truncate(512 + GIB + 1024)
    return path


def many_entries(folder: Path) -> Path:
    return with_layer(folder, repeated(header("d/", tarfile.DIRTYPE) * 8192, 245))


def many_members(folder: Path) -> Path:
    path = folder / "a.tar.gz"
    path.write_bytes(repeated(header("d/", tarfile.DIRTYPE) * 8192, 245))
    return path


def long_extension(folder: Path) -> Path:
    return with_layer(folder, gzip.compress(header("x", b"x", 4 * GIB) + bytes(1024)))


def long_extension_outside(folder: Path) -> Path:
    path = folder / "a.tar"
    path.write_bytes(header("x", b"x", 4 * GIB) + bytes(1024))
    return path


def parent_cycle(folder: Path) -> Path:
    return written(
        folder / "a.tar", {**v1_folder(A, B), **v1_folder(B, A), "repositories": encode({"x": {"1": A}})}
    )


def chain(folder: Path) -> Path:
    return written(folder / "a.tar", layout(("app:1", image(*[ONE] * 200))))


def digest_is_a_path(folder: Path) -> Path:
    files = dict(layout(("app:1", APP)))
    index = files["index.json"].replace(APP.digest.encode(), b"sha256:../../x")
    return written(folder / "a.tar", {**files, "index.json": index})


BOMBS: dict[str, tuple[Callable[[Path], Path], int, str]] = {
    "10 GiB of zeros in a layer": (zeros_in_a_file, 6, "unpacks to more than 1000 times its size"),
    "10 GiB of zeros behind a layer": (zeros, 6, "unpacks to more than 1000 times its size"),
    "10 GiB of zeros behind an archive": (zeros_outside, 6, "unpacks to more than 1000 times its size"),
    "a manifest.json of 1 GiB": (huge_manifest, 6, "has 1073741824 bytes, expected at most 4194304"),
    "2 million entries in a layer": (many_entries, 6, "has more than 2000000 entries"),
    "2 million members": (many_members, 6, "has more than 100000 entries"),
    "a PAX header of 4 GiB in a layer": (long_extension, 6, "has an extension header of 4294967296 bytes"),
    "a PAX header of 4 GiB": (long_extension_outside, 6, "has an extension of 4294967296 bytes"),
    "a manifest.json 100,000 deep": (lambda f: with_manifest(f, b"[" + DEEP + b"]"), 6, "is nested deeper"),
    "a config 100,000 deep": (lambda f: with_config(f, DEEP), 6, "is nested deeper"),
    "an integer of 5,000 digits": (lambda f: with_config(f, b'{"a":' + LONG + b"}"), 5, "more than 64 bits"),
    "a key twice": (lambda f: with_manifest(f, b"[" + ITEM + b',"Layers":[]}]'), 5, "stands twice"),
    "a key in two cases": (lambda f: with_manifest(f, b"[" + ITEM + b',"layers":[]}]'), 6, "second spelling"),
    "parents in a circle": (parent_cycle, 6, "is its own ancestor"),
    "200 layers": (chain, 0, "has 200 layers, and Docker takes 125 at most"),
    "a digest that is a path": (digest_is_a_path, 5, "'sha256:../../x': is not a digest"),
}


def set_off(name: str, folder: Path) -> dict[str, Any]:
    """Verify and import one, in this process; return what came of it."""
    path = BOMBS[name][0](folder)
    found: dict[str, Any] = {}
    for verb, words in (("verify", ()), ("import", ("--into", f"oci:{folder / 'store'}"))):
        began = time.process_time()
        done = ran(verb, path, *words)
        said = done.error or done.err
        found[verb] = {
            "code": done.code,
            "says": said.replace(f"{path}: ", ""),
            "seconds": time.process_time() - began,
        }
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    return found


def main() -> None:
    """Set them off one by one, each in a child."""
    work = Path(sys.argv[1])
    for number, name in enumerate(BOMBS):
        folder = work / str(number)
        (folder / "tmp").mkdir(parents=True)
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            os.environ |= {"TMPDIR": str(folder / "tmp"), "LADING_HOME": str(folder / "home")}
            with os.fdopen(writing, "w") as out:
                json.dump(set_off(name, folder), out)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            found = json.loads(answer.read() or "{}")
        os.waitpid(child, 0)
        left = [str(each.relative_to(folder)) for each in (folder / "tmp").iterdir()]
        print(json.dumps({"name": name, **found, "left": left}), flush=True)


if __name__ == "__main__":
    main()
