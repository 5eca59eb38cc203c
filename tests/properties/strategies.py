"""Images and archives of any kind, small: what the laws are held against."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard
from hypothesis import settings
from hypothesis import strategies as st

from tests.archives import LAYER, Body, Picture, encode, image, index, layout, sha256, tar, v1_folder
from toolkit.bundles import create_bundle, open_bundle
from toolkit.operations.copy import copy

NAMES = ["app:1", "team/app:2.1", "registry.example:5000/a/b:x", "ubuntu:14.04"]
PATHS = ["a", "d/", "d/b", "d/c/", "etc/passwd", "name with space", "ü", ".hidden"]
PACK: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "": (bytes, LAYER),
    "gzip": (lambda raw: gzip.compress(raw, mtime=0), f"{LAYER}+gzip"),
    "zstd": (zstandard.ZstdCompressor().compress, f"{LAYER}+zstd"),
}
ODD_PACK: dict[str, Callable[[bytes], bytes]] = {"xz": lzma.compress, "bzip2": bz2.compress}
WRITTEN = ("universal", "docker", "docker-v1.2", "docker-v1", "oci")
LITERAL = ("oci", "docker-v1.2", "docker-v1")


def scaled(examples: int) -> int:
    """Return how many examples to try: these in the usual run, more by `--hypothesis-profile long`."""
    return max(1, examples * settings.default.max_examples // 25)  # type: ignore[union-attr]


@st.composite
def tars(draw: st.DrawFn) -> bytes:
    """Return a layer: files, folders, links and whiteouts, in any of the formats, with any end."""
    format_ = draw(st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    paths = PATHS if format_ == tarfile.USTAR_FORMAT else [*PATHS, "x" * 120]
    names: list[str] = draw(st.lists(st.sampled_from(paths), unique=True, max_size=5))
    out, files = io.BytesIO(), list[str]()
    with tarfile.open(fileobj=out, mode="w", format=format_) as archive:
        for name in names:
            info, content = tarfile.TarInfo(name), b""
            info.mtime, info.mode = draw(st.integers(0, 2**31)), draw(st.sampled_from([0o644, 0o4755, 0o755]))
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
            elif draw(st.booleans()) and files:
                info.type, info.linkname = tarfile.LNKTYPE, files[0]
            elif draw(st.integers(0, 2)) == 0:
                info.type, info.linkname = tarfile.SYMTYPE, draw(st.sampled_from(["a", "/etc", "../x"]))
            else:
                content = draw(st.binary(max_size=700))
                files.append(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    raw = out.getvalue()
    end = draw(st.sampled_from(["record", "short", "none"]))
    return raw if end == "record" else _ended(raw, end)


def _ended(raw: bytes, end: str) -> bytes:
    """Return the tar with two zero blocks behind it and no more, or with nothing."""
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        members = archive.getmembers()
    last = members[-1] if members else None
    size = -(-last.size // 512) * 512 if last and last.isreg() else 0
    return raw[: last.offset_data + size if last else 0] + bytes(1024 if end == "short" else 0)


@st.composite
def pictures(draw: st.DrawFn, *, odd: bool = False, architecture: str = "amd64") -> Picture:
    """Return an image of up to four layers, some of them the same, each compressed on its own."""
    pool = draw(st.lists(tars(), min_size=1, max_size=3))
    plain = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4))
    kinds = [draw(st.sampled_from(sorted(PACK))) for _ in plain]
    packs = [PACK[kind] for kind in kinds]
    if odd and draw(st.booleans()):
        packs[0] = (ODD_PACK[draw(st.sampled_from(sorted(ODD_PACK)))], LAYER)
    blobs = [pack(raw) for raw, (pack, _) in zip(plain, packs, strict=True)]
    more: dict[str, Any] = {
        "config": {"Labels": draw(st.dictionaries(st.text(max_size=5), st.text(max_size=8), max_size=2))}
    }
    if draw(st.booleans()):
        more["history"] = [{"created_by": draw(st.text(max_size=10))} for _ in plain]
    types = [media_type for _, media_type in packs]
    return image(
        *blobs, diff_ids=list(map(sha256, plain)), media_types=types, architecture=architecture, **more
    )


@dataclass(frozen=True)
class Made:
    """An archive of one format, and how it was made."""

    format: str
    how: str
    raw: bytes


@st.composite
def archives(draw: st.DrawFn) -> Made:
    """Return an archive: of literals, as others write them, or as we write it."""
    format_name, ours = draw(
        st.sampled_from([(each, False) for each in LITERAL] + [(each, True) for each in WRITTEN])
    )
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=2))
    if format_name == "docker-v1" and not ours:
        return Made(format_name, "literal", draw(_v1(names)))
    found = [draw(pictures(odd=format_name == "docker-v1.2" and not ours)) for _ in names]
    if format_name == "docker-v1.2" and not ours:
        return Made(format_name, "literal", _docker(names, found))
    if format_name == "oci" and draw(st.booleans()):
        found[0] = index(found[0], draw(pictures(architecture="arm64")))
    raw = tar(dict(layout(*zip(names, found, strict=True))))
    return Made(
        format_name, "ours" if ours else "literal", _rewritten(raw, format_name, names) if ours else raw
    )


def _docker(names: list[str], found: list[Picture]) -> bytes:
    members: dict[str, Body] = {}
    items = []
    for number, (name, picture) in enumerate(zip(names, found, strict=True)):
        layers = [f"{number}-{place}.tar" for place in range(len(picture.layers))]
        members |= {path: picture.blobs[digest] for path, digest in zip(layers, picture.layers, strict=True)}
        config = f"{sha256(picture.config).removeprefix('sha256:')}.json"  # else no change of it is told
        members[config] = picture.config
        items.append({"Config": config, "RepoTags": [name], "Layers": layers})
    return tar({**members, "manifest.json": encode(items)})


@st.composite
def _v1(draw: st.DrawFn, names: list[str]) -> bytes:
    """Return v1 folders: a chain, and the names of its last layers."""
    ids = [f"{number:02d}" * 32 for number in range(draw(st.integers(len(names), 4)))]
    members: dict[str, Body] = {}
    for v1_id, parent in zip(ids, ["", *ids], strict=False):
        members |= v1_folder(v1_id, parent, draw(tars()) or bytes(1024))
    told: dict[str, dict[str, str]] = {}
    for name, v1_id in zip(names, reversed(ids), strict=False):
        repository, _, tag = name.rpartition(":")
        told.setdefault(repository, {})[tag] = v1_id
    return tar({**members, "repositories": encode(told)})


def _rewritten(raw: bytes, format_name: str, names: list[str]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "in.tar").write_bytes(raw)
        copy(open_bundle(here / "in.tar"), create_bundle(here / "out.tar", format_name), names)
        return (here / "out.tar").read_bytes()
