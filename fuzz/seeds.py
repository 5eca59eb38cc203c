"""What the inputs begin as: the project's small vectors, and archives made of literals."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

import zstandard

from tests import bolts as literal
from tests.archives import (
    EMPTY,
    ONE,
    TWO,
    A,
    B,
    Body,
    Link,
    artifact,
    docker_item,
    encode,
    image,
    index,
    layout,
    sha256,
    tar,
    v1_folder,
    v1_json,
)
from tests.eras import saved_by
from tests.layers import device, file, folder, hard_link, layer, symlink
from tests.registries import schema1, signed, three_layers
from toolkit.bundles import create_bundle, open_bundle
from toolkit.operations.copy import copy
from toolkit.plumbing.bolt import Bolt, Bucket

DATA = Path(__file__).parents[1] / "tests" / "data"
VECTORS = DATA / "vectors"
LAYER = layer(
    folder("./"), file("a", b"content"), file("n" * 200, b"x" * 600, xattrs={"user.a": b"b"}),
    symlink("s", "a"), hard_link("h", "a"), device("null", 1, 3), file(".wh.b"), file("d/.wh..wh..opq"),
)  # fmt: skip
KINDS = {  # how the names of those vectors and hostile files begin that are of a format
    "docker": ("two-images",),
    "oci": ("oci-", "skopeo-oci"),
    "docker-v1.2": ("0", "1", "2", "3", "4", "docker2010-save", "dotslash", "dup-config", "skopeo-docker"),
}


def stored(*folders: Path) -> Iterator[Path]:
    """Yield every small file of the project's, and of a corpus."""
    for folder_ in (VECTORS, DATA / "hostile", *folders):
        yield from (path for path in sorted(folder_.iterdir()) if path.stat().st_size <= 64 << 10)


def tars() -> Iterable[bytes]:
    """Return layers, and archives whose headers readers take differently."""
    hand_made = [path.read_bytes() for path in sorted(VECTORS.glob("*.tar"))]
    formats = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
    return [LAYER, EMPTY, b"", *(_written(each) for each in formats), *hand_made]


def _written(format_: int) -> bytes:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_) as archive:
        for name in ("d/" * 20 + "name" * 10, "short", "link"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.SYMTYPE if name == "link" else tarfile.REGTYPE
            info.linkname, info.size, info.mtime = "short" if name == "link" else "", 3 * (name != "link"), 1
            archive.addfile(info, BytesIO(b"abc"))
    return out.getvalue()


def archives() -> Iterable[bytes]:
    """Return outer archives of every format."""
    made = [
        raw
        for name in ("universal", "docker", "docker-v1.2", "docker-v1", "oci", "dir")
        for raw in bundles(name)
    ]
    links: dict[str, Body] = {"a": b"1", "b": Link("a"), "c/d": Link("../b"), "e": Link("a", hard=True)}
    return [*made, tar({**links, "f": Link("f")})]


@cache
def bundles(format_name: str) -> tuple[bytes, ...]:
    """Return bundles of one format: made of literals, those that lie in tests/data, and written by us."""
    literals = LITERALS.get(format_name, list)()
    others = [path.read_bytes() for path in stored() if path.name.startswith(KINDS.get(format_name, ("?",)))]
    return (*literals, *others, *_own(format_name))


def _oci() -> list[bytes]:
    app, many = image(ONE), index(image(ONE), image(TWO, architecture="arm64"))
    several = layout(("app:1", app), ("", artifact(app, b"text")))
    return [tar(dict(layout(("app:1", many)))), tar(dict(several))]


def _docker() -> list[bytes]:
    app = image(ONE, TWO)
    return [tar({**layout(("app:1", app)), "manifest.json": encode([docker_item(app, "app:1")])})]


def _docker_v1_2() -> list[bytes]:
    packed = gzip.compress(TWO, mtime=0)
    app = image(ONE, packed, diff_ids=[sha256(ONE), sha256(TWO)], media_types=["", ""])
    item = {"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["1", "2"]}
    return [tar({"manifest.json": encode([item]), "c.json": app.config, "1": ONE, "2": packed})]


def _docker_v1() -> list[bytes]:
    names = {"repositories": encode({"app": {"1": B}})}
    made = tar({**v1_folder(A, layer=ONE), **v1_folder(B, A, TWO), **names})
    return [made, *(saved_by(version) for version in ("0.7.6", "1.0.1", "1.9.1"))]


LITERALS = {"oci": _oci, "docker": _docker, "docker-v1.2": _docker_v1_2, "docker-v1": _docker_v1}


def _own(format_name: str) -> Iterator[bytes]:
    """Yield what we write of a legacy image and of a modern one."""
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        for number, raw in enumerate((_docker_v1()[0], tar(layout(("app:1", image(ONE, TWO, ONE)))))):
            (here / "in.tar").write_bytes(raw)
            out = here / str(number)
            copy(open_bundle(here / "in.tar"), create_bundle(out, format_name), ["app:1"])
            files = sorted(out.iterdir()) if out.is_dir() else []
            yield tar({path.name: path.read_bytes() for path in files}) if files else out.read_bytes()


TREE = {"etc/va1795457507.214360": b"", "f": b"hi", "d/g": b"hello\n"}


def tar_splits() -> Iterable[bytes]:
    """Return lines, and the gzip that Docker wrote."""
    lines = [
        b'{"type":2,"payload":"aGVhZGVy","position":0}\n',
        b'{"type":1,"name":"f","size":2,"payload":"OZgQAAAAAAA=","position":1}\n',
        b'{"type":1,"name":"d/g","size":6,"payload":"YUw+7uLYEAA=","position":2}\n',
        b'{"type":2,"payload":"","position":3}\n',
        b'{"type":1,"name_raw":"//4=","payload":null,"position":4}\n',
    ]
    packed = (VECTORS / "tar-split-31629fae.json.gz").read_bytes()
    return [*lines, b"".join(lines), packed, gzip.decompress(packed)]


def v1_jsons() -> Iterable[bytes]:
    """Return chains, one json a line."""
    rule_r = [path.read_bytes().replace(b"\n", b" ") for path in sorted((DATA / "rule_r").glob("*.v1.json"))]
    own = [path.read_bytes() for path in sorted((DATA / "v1json").iterdir())]
    return [*rule_r, b"\n".join(own), b"\n".join((v1_json(A), v1_json(B, A, config={"Cmd": ["x"]})))]


def documents() -> Iterable[bytes]:
    """Return manifests, indexes, configs and index.jsons."""
    app, many = image(ONE, TWO), index(image(ONE), image(TWO, architecture="arm64"))
    configs = [path.read_bytes() for path in sorted((DATA / "rule_r").glob("*.config.json"))]
    named = layout(("app:1", app), ("docker.io/library/app:2", many))["index.json"]
    return [
        app.raw,
        app.config,
        many.raw,
        named,
        artifact(app, b"text").raw,
        schema1(three_layers(thrown_away=True)),
        *configs,
    ]


def signed_manifests() -> Iterable[bytes]:
    """Return manifests of schema 1 with their signatures."""
    payload = schema1(three_layers(thrown_away=False))
    return [payload, signed(payload), signed(schema1(three_layers(thrown_away=True)))]


def names() -> Iterable[bytes]:
    """Return references of every form."""
    digest = "sha256:" + "a" * 64
    texts = [
        "ubuntu",
        "ubuntu:14.04",
        "registry.example:5000/team/app:2.1",
        f"a@{digest}",
        f"a/b:1@{digest}",
        "[::1]:5000/a",
        "A:b",
    ]
    return ["\n".join(texts).encode(), *map(str.encode, texts)]


def streams() -> Iterable[bytes]:
    """Return data in every compression, in one stream and in two, with something behind."""
    content = LAYER[:3000]
    made = [gzip.compress(content, mtime=0), bz2.compress(content), lzma.compress(content)]
    made.append(zstandard.ZstdCompressor(write_checksum=True).compress(content))
    return [
        *made,
        *(each * 2 for each in made),
        *(each + bytes(10) for each in made),
        *(each + b"x" for each in made),
    ]


def bolts() -> Iterable[bytes]:
    """Return databases of one page and of several."""
    small: dict[bytes, bytes | dict[bytes, bytes]] = {b"v1": {b"a": b"1", b"b": b"22"}, b"x": b"y"}
    deep: literal.Tree = {b"v1": {b"moby": {b"images": {b"app:1": {b"target": b"{}"}}}}}
    return [
        literal.database(small, size=1024),
        literal.database(deep, size=1024, keys=2, inline=False),
        literal.database({}, size=1024),
    ]


def read_bolt(bolt: Bolt) -> None:
    """Read every key of a database, of no more than eight buckets in buckets."""

    def walk(bucket: Bucket, depth: int) -> None:
        for _, value in bucket.items():  # noqa: PERF102 - of a bucket, not of a dict
            if isinstance(value, Bucket) and depth:
                walk(value, depth - 1)

    walk(bolt.root, 8)
