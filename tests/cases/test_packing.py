"""Cases 13 to 15: how the layers of an archive lie in it, each on its own."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from pathlib import Path

import pytest
import zstandard

from tests.archives import ONE, TWO, Body, Link, image, sha256

from .judging import Judge, archive


def members(content: bytes) -> bytes:
    """Return gzip in two members."""
    return gzip.compress(content[:700], mtime=0) + gzip.compress(content[700:], mtime=0)


PLAIN = gzip.compress(TWO, mtime=0)
SKIPPED = struct.pack("<II", 0x184D2A50, 4) + b"skip"  # a frame that zstd:chunked keeps its index in
PACKED = {
    "two members": (members(TWO), 0, ""),
    "text behind": (PLAIN + b"x" * 10, 5, "has bytes after the end of its compressed data"),
    "zeros behind": (
        PLAIN + bytes(10),
        0,
        "10 zero bytes follow the compressed data; some readers refuse them",
    ),
    "bzip2": (
        bz2.compress(TWO),
        0,
        "is compressed with bzip2, which Docker up to 28, podman and skopeo read",
    ),
    "xz": (lzma.compress(TWO), 0, "is compressed with xz, which Docker up to 28, podman and skopeo read"),
    "zstd": (SKIPPED + zstandard.ZstdCompressor().compress(TWO), 0, ""),
}


@pytest.mark.parametrize("what", PACKED)
def test_case_13_a_diff_id_is_of_all_that_a_layer_unpacks_to(judge: Judge, here: Path, what: str) -> None:
    packed, code, says = PACKED[what]
    app = image(ONE, packed, diff_ids=[sha256(ONE), sha256(TWO)], media_types=["", ""])
    item = {"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["one.tar", "two"]}
    found = judge(archive(here, [item], {"c.json": app.config, "one.tar": ONE, "two": packed}))
    assert found.code == code
    if code:
        assert says in found.error
        return
    assert found.images == [(sha256(app.config), [sha256(ONE), sha256(TWO)])]
    assert [warning for warning in found.told("warning") if says not in warning] == []
    assert bool(found.told("warning")) == bool(says)


def test_case_14_a_hard_link_is_the_file_that_it_names_and_containerd_is_warned_of(
    judge: Judge, here: Path
) -> None:
    app = image(ONE, TWO, ONE)
    item = {"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["one.tar", "two.tar", "again/layer.tar"]}
    files: dict[str, Body] = {
        "c.json": app.config,
        "one.tar": ONE,
        "two.tar": TWO,
        "again/layer.tar": Link("one.tar", hard=True),
    }
    found = judge(archive(here, [item], files))
    assert (found.code, found.images) == (0, [(sha256(app.config), [sha256(ONE), sha256(TWO), sha256(ONE)])])
    assert found.told("warning") == ["member 'again/layer.tar' is a hard link; containerd ignores hard links"]


def test_case_15_each_layer_is_sniffed_on_its_own_whatever_it_is_called(judge: Judge, here: Path) -> None:
    """In the manner of crane: a config called by its digest, layers by those of the compressed bytes."""
    packed = gzip.compress(ONE, mtime=0)
    app = image(packed, TWO, diff_ids=[sha256(ONE), sha256(TWO)], media_types=["", ""])
    layers = [f"{sha256(each)[7:]}.tar.gz" for each in (packed, TWO)]
    item = {"Config": sha256(app.config), "RepoTags": ["registry.example/app:1"], "Layers": layers}
    files = {sha256(app.config): app.config, layers[0]: packed, layers[1]: TWO}
    found = judge(archive(here, [item], files))
    assert (found.code, found.told("warning")) == (0, [])
    assert found.images == [(sha256(app.config), [sha256(ONE), sha256(TWO)])]
