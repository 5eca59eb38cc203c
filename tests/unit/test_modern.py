from __future__ import annotations

import base64
import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    CONFIG,
    INDEX,
    LAYER,
    MANIFEST,
    ONE,
    TWO,
    Picture,
    blob,
    described,
    encode,
    image,
    index,
    layout,
    sha256,
    unpacked,
)
from toolkit.bundles.modern import ModernImage, gather, platforms_here
from toolkit.digest import Digest
from toolkit.errors import (
    CorruptContent,
    InvalidDocument,
    Mismatch,
    MissingMember,
    NotFound,
    UnsafeArchive,
    Unsupported,
)
from toolkit.image import Layer, Proof
from toolkit.model import Descriptor
from toolkit.platform import Platform
from toolkit.stores.folder_blobs import FolderBlobs

AMD, ARM = image(ONE), image(ONE, TWO, architecture="arm64")
ATTESTATION = Picture(
    raw := encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(
                config := encode({"architecture": "unknown", "os": "unknown", "rootfs": {}}), CONFIG
            ),
            "layers": [described(b"{}", "application/vnd.in-toto+json")],
        }
    ),
    MANIFEST,
    {sha256(raw): raw, sha256(config): config, sha256(b"{}"): b"{}"},
    {"architecture": "unknown", "os": "unknown"},
)


def descriptor(picture: Picture) -> Descriptor:
    return Descriptor(picture.media_type, Digest.parse(picture.digest), len(picture.raw))


def gathered(
    folder: Path, picture: Picture, platform: Platform | None = None, without: str = ""
) -> ModernImage:
    files = layout(("app:1", picture))
    files.pop(blob(without) if without else "", None)
    return gather(FolderBlobs(unpacked(folder, files)), ("app:1",), descriptor(picture), platform)


def ids(found: ModernImage) -> list[str]:
    return [str(each.config.image_id) for each in found.offered.images()]


def proofs(found: ModernImage) -> dict[str, Proof]:
    return {
        layer.key: Proof(layer.digest, layer.size, layer.diff_id or layer.digest)
        for layer in found.layers
        if layer.digest
    }


def test_an_image_is_its_documents_and_its_layers(tmp_path: Path) -> None:
    found = gathered(tmp_path, ARM)
    assert found.names == ("app:1",)
    assert list(map(str, found.documents)) == [sha256(ARM.config), ARM.digest]
    assert [(layer.key, layer.size) for layer in found.layers] == [(sha256(ONE), 10240), (sha256(TWO), 10240)]
    assert found.proven(proofs(found)) == replace(found.offered, compressions=frozenset({""}))


def test_an_index_keeps_all_platforms_and_children_come_first(tmp_path: Path) -> None:
    both = index(AMD, ARM)
    found = gathered(tmp_path, both)
    assert ids(found) == [sha256(AMD.config), sha256(ARM.config)]
    assert str(list(found.documents)[-1]) == both.digest
    assert [layer.key for layer in found.layers] == [sha256(ONE), sha256(TWO)]


def test_an_asked_platform_alone_becomes_the_top(tmp_path: Path) -> None:
    found = gathered(tmp_path, index(AMD, ARM), Platform("linux", "arm64"))
    assert str(found.top.digest) == ARM.digest
    assert ids(found) == [sha256(ARM.config)]
    assert list(map(str, found.documents)) == [sha256(ARM.config), ARM.digest]


def test_a_platform_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="linux/amd64, linux/arm64"):
        gathered(tmp_path, index(AMD, ARM), Platform("linux", "s390x"))


@pytest.mark.parametrize("gone", [ARM.digest, sha256(ARM.config), sha256(TWO)])
def test_a_platform_that_is_not_whole_is_told_and_the_others_are_there(tmp_path: Path, gone: str) -> None:
    found = gathered(tmp_path, index(AMD, ARM), without=gone)
    assert ids(found) == [sha256(AMD.config)]
    (finding,) = found.findings
    assert finding.subject == f"manifest {ARM.digest}"
    assert finding.problem.startswith("is incomplete")


def test_the_manifest_of_an_incomplete_platform_travels_on(tmp_path: Path) -> None:
    found = gathered(tmp_path, index(AMD, ARM), without=sha256(TWO))
    assert ARM.digest in {str(each.digest) for each in found.offered.blobs}


@pytest.mark.parametrize("gone", [AMD.digest, sha256(AMD.config), sha256(ONE)])
def test_an_image_that_is_not_whole_is_refused(tmp_path: Path, gone: str) -> None:
    with pytest.raises(MissingMember, match=gone):
        gathered(tmp_path, AMD, without=gone)


def test_an_attestation_travels_and_is_no_platform(tmp_path: Path) -> None:
    found = gathered(tmp_path, index(AMD, ATTESTATION))
    assert ids(found) == [sha256(AMD.config)]
    kept = {str(digest) for digest in (*found.documents, *(each.digest for each in found.offered.blobs))}
    assert {ATTESTATION.digest, sha256(config), sha256(b"{}")} <= kept


def test_an_artifact_is_its_manifest_and_its_blobs(tmp_path: Path) -> None:
    raw = encode(
        {
            "schemaVersion": 2,
            "config": described(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [described(b"sig", "application/vnd.example")],
        }
    )
    artifact = Picture(raw, MANIFEST, {sha256(each): each for each in (raw, b"{}", b"sig")})
    found = gathered(tmp_path, artifact)
    assert list(map(str, found.documents)) == [artifact.digest]
    assert [layer.key for layer in found.layers] == [sha256(b"{}"), sha256(b"sig")]
    assert found.offered.images() == []
    with pytest.raises(Unsupported, match="artifact"):
        gathered(tmp_path, artifact, Platform("linux", "amd64"))


def test_indexes_nest_but_not_for_ever(tmp_path: Path) -> None:
    deep = AMD
    for _ in range(8):
        deep = index(deep)
    assert ids(gathered(tmp_path / "8", deep)) == [sha256(AMD.config)]
    with pytest.raises(UnsafeArchive, match="deeper than 8"):
        gathered(tmp_path / "9", index(deep))


def test_an_index_that_names_one_image_often_reads_it_once(tmp_path: Path) -> None:
    wide: Picture = AMD
    for _ in range(8):
        wide = index(*[wide] * 50)  # 50 to the power of 8 ways lead to the image
    assert ids(gathered(tmp_path, wide)) == [sha256(AMD.config)]


def test_a_count_of_layers_that_differs_from_the_diff_ids_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptContent, match="1 layers and 2 diffIDs"):
        gathered(tmp_path, image(ONE, diff_ids=[sha256(ONE), sha256(TWO)]))


def test_a_blob_of_another_size_is_refused(tmp_path: Path) -> None:
    files = layout(("app:1", AMD)) | {blob(sha256(ONE)): ONE + b"x"}
    with pytest.raises(Mismatch, match="size is 10241, expected 10240"):
        gather(FolderBlobs(unpacked(tmp_path, files)), (), descriptor(AMD))


def test_a_document_of_other_bytes_is_refused(tmp_path: Path) -> None:
    files = layout(("app:1", AMD)) | {blob(sha256(AMD.config)): AMD.config.replace(b"linux", b"lynux")}
    with pytest.raises(Mismatch, match="digest"):
        gather(FolderBlobs(unpacked(tmp_path, files)), (), descriptor(AMD))


def test_a_huge_document_is_refused_unread(tmp_path: Path) -> None:
    huge = Descriptor(MANIFEST, Digest.parse(AMD.digest), 1 << 40)
    (tmp_path / "blobs/sha256").mkdir(parents=True)
    with open(tmp_path / blob(AMD.digest), "wb") as sparse:
        sparse.truncate(1 << 40)
    with pytest.raises(UnsafeArchive, match="at most"):
        gather(FolderBlobs(tmp_path), (), huge)


def test_one_blob_under_two_diff_ids_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(ONE, mtime=0)
    types = [f"{LAYER}+gzip"]
    one = image(packed, diff_ids=[sha256(ONE)], media_types=types)
    other = image(packed, diff_ids=[sha256(TWO)], media_types=types, architecture="arm64")
    with pytest.raises(UnsafeArchive, match="two diffIDs"):
        gathered(tmp_path, index(one, other))


def test_inline_data_must_be_the_blob(tmp_path: Path) -> None:
    def inline(data: Any) -> Picture:
        raw = encode({"schemaVersion": 2, "manifests": [described(AMD.raw, MANIFEST, data=data)]})
        return Picture(raw, INDEX, AMD.blobs | {sha256(raw): raw})

    assert ids(gathered(tmp_path, inline(base64.b64encode(AMD.raw).decode())))
    for data in ("####", 7, base64.b64encode(b"other").decode()):
        with pytest.raises((InvalidDocument, Mismatch)):
            gathered(tmp_path, inline(data))


def test_a_platform_the_config_denies_is_told(tmp_path: Path) -> None:
    liar = Picture(AMD.raw, AMD.media_type, AMD.blobs, {"architecture": "arm64", "os": "linux"})
    (finding,) = gathered(tmp_path, index(liar)).findings
    assert finding.problem == "is for linux/amd64 by its config, and for linux/arm64 by the index"


def test_what_is_neither_manifest_nor_index_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="application/xml"):
        gathered(tmp_path, Picture(b"<x/>", "application/xml", {sha256(b"<x/>"): b"<x/>"}))


@pytest.mark.parametrize("fact", ["digest", "size", "diff_id"])
def test_a_proof_of_something_else_is_refused(tmp_path: Path, fact: str) -> None:
    found = gathered(tmp_path, AMD)
    layer: Layer = found.layers[0]
    good = proofs(found)[layer.key]
    other = Digest.parse(sha256(TWO))
    bad = {
        "digest": Proof(other, good.size, good.diff_id),
        "size": Proof(good.digest, 7, good.diff_id),
        "diff_id": Proof(good.digest, good.size, other),
    }
    with pytest.raises(Mismatch):
        found.proven({layer.key: bad[fact]})


def cut(folder: Path, *pictures: Picture) -> tuple[FolderBlobs, Descriptor]:
    """A layout of both platforms in which the configs of some were cut."""
    both = index(AMD, ARM)
    unpacked(folder, layout(("app:1", both)))
    for picture in pictures:
        path = folder / blob(sha256(picture.config))
        path.write_bytes(path.read_bytes()[:-1])
    return FolderBlobs(folder), Descriptor.of(INDEX, both.raw)


def test_a_platform_is_taken_past_one_that_is_damaged_and_all_of_them_are_not(tmp_path: Path) -> None:
    blobs, top = cut(tmp_path, ARM)
    assert platforms_here(blobs, top) == [Platform("linux", "amd64")]
    assert str(gather(blobs, (), top, Platform("linux", "amd64")).top.digest) == AMD.digest
    with pytest.raises(Mismatch, match="size"):
        gather(blobs, (), top)
    with pytest.raises(Mismatch, match="size"):  # which may be the one that was asked for
        gather(blobs, (), top, Platform("linux", "arm64"))


def test_of_an_index_with_nothing_whole_no_platform_is_left(tmp_path: Path) -> None:
    blobs, top = cut(tmp_path, AMD, ARM)
    assert platforms_here(blobs, top) == []
    with pytest.raises(Mismatch, match="size"):
        gather(blobs, (), top, Platform("linux", "amd64"))


def test_what_is_unsafe_in_an_index_is_not_gone_past(tmp_path: Path) -> None:
    nested = index(ARM)
    for _ in range(9):
        nested = replace(index(nested), blobs={**index(nested).blobs, **nested.blobs})
    both = index(AMD, nested)
    unpacked(tmp_path, layout(("app:1", both)))
    blobs, top = FolderBlobs(tmp_path), Descriptor.of(INDEX, both.raw)
    with pytest.raises(UnsafeArchive, match="nested deeper"):
        gather(blobs, (), top, Platform("linux", "amd64"))
