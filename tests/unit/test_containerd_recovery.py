from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.archives import (
    MANIFEST,
    ONE,
    TWO,
    Picture,
    blob,
    described,
    encode,
    image,
    index,
    sha256,
    unpacked,
)
from toolkit.errors import UnsafeArchive
from toolkit.stores.containerd import recovery
from toolkit.stores.containerd.recovery import recovered
from toolkit.stores.folder_blobs import FolderBlobs

LIMIT = 4 << 20

AMD, ARM = image(ONE), image(TWO, architecture="arm64")


def tops(folder: Path, *pictures: Picture, **changes: bytes | None) -> list[str]:
    """Return the digests of what is found among the blobs; `changes` are by digest without sha256:."""
    files = {blob(digest): raw for picture in pictures for digest, raw in picture.blobs.items()}
    for name, content in changes.items():
        path = blob(f"sha256:{name}")
        files = (
            {**files, path: content} if content is not None else {k: v for k, v in files.items() if k != path}
        )
    return [str(top.digest) for top in recovered(FolderBlobs(unpacked(folder, files)), "x")]


def hex_(digest: str) -> str:
    return digest.removeprefix("sha256:")


def test_manifests_and_indexes_to_which_no_index_refers_are_images(tmp_path: Path) -> None:
    both = index(AMD, ARM)
    alone = image(ONE, TWO)
    assert tops(tmp_path, both, alone) == sorted([both.digest, alone.digest])


def test_a_document_that_does_not_tell_its_type_is_one_of_oci(tmp_path: Path) -> None:
    value = json.loads(AMD.raw)
    del value["mediaType"]
    raw = b" " + encode(value)
    picture = Picture(raw, MANIFEST, {**AMD.blobs, sha256(raw): raw})
    del picture.blobs[AMD.digest]
    (top,) = recovered(FolderBlobs(unpacked(tmp_path, {blob(d): c for d, c in picture.blobs.items()})), "x")
    assert (str(top.digest), top.media_type, top.size) == (sha256(raw), MANIFEST, len(raw))


def test_an_image_that_lacks_blobs_is_none(tmp_path: Path) -> None:
    assert tops(tmp_path, AMD, ARM, **{hex_(AMD.layers[0]): None}) == [ARM.digest]


def test_an_index_with_one_whole_image_is_one(tmp_path: Path) -> None:
    both = index(AMD, ARM)
    assert tops(tmp_path, both, **{hex_(ARM.digest): None}) == [both.digest]


def test_a_document_that_is_not_what_its_digest_says_hides_nothing_and_is_told(tmp_path: Path) -> None:
    both = index(AMD, ARM)
    edited = both.raw.replace(b'"schemaVersion":2', b'"schemaVersion": 2')
    assert tops(tmp_path, both, **{hex_(both.digest): edited}) == sorted(
        [both.digest, AMD.digest, ARM.digest]
    )


def test_other_blobs_are_no_images(tmp_path: Path) -> None:
    artifact = encode(
        {"schemaVersion": 2, "config": described(b"{}", "application/vnd.oci.empty.v1+json"), "layers": []}
    )
    others = [
        artifact,
        b"{}",
        b"{",
        b"[]",
        b"",
        b'{"manifests":3}',
        b'{"config":{},"layers":[]}',
        b"{" * LIMIT,
    ]
    picture = Picture(AMD.raw, MANIFEST, AMD.blobs | {sha256(each): each for each in others})
    assert tops(tmp_path, picture) == [AMD.digest]


def test_a_blob_that_is_a_link_is_passed_over(tmp_path: Path) -> None:
    assert tops(tmp_path, AMD, ARM)
    path = tmp_path / blob(ARM.digest)
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert [str(top.digest) for top in recovered(FolderBlobs(tmp_path), "x")] == [AMD.digest]


@pytest.mark.parametrize("bound", ["TOPS", "REFERENCES"])
def test_what_is_held_in_memory_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(recovery, bound, 1)
    with pytest.raises(UnsafeArchive, match=r"^x: holds more than .* to look for images in$"):
        tops(tmp_path, index(AMD, ARM))
