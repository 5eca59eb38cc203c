from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import (
    MANIFEST,
    NOTHING,
    ONE,
    TWO,
    artifact,
    blob,
    described,
    encode,
    image,
    index,
    layout,
    rewritten,
    sha256,
    unpacked,
)
from toolkit.errors import Mismatch, MissingMember, UnsafeArchive
from toolkit.limits import Limits, hold
from toolkit.stores.folder_blobs import FolderBlobs
from toolkit.stores.layout_reach import Reach

APP, OTHER = image(ONE, TWO), image(TWO)
BOTH = index(APP, OTHER)


class Counting(FolderBlobs):
    """A folder that counts how often each file was read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reads: list[str] = []

    def read(self, name: str, limit: int) -> bytes | None:
        self.reads.append(name)
        return super().read(name, limit)


def reached(folder: Path, files: dict[str, bytes]) -> tuple[set[str], list[str]]:
    counting = Counting(unpacked(folder, files))
    found = {str(pointer.digest) for pointer in Reach(counting, "oci:x").pointers(files["index.json"])}
    return found, counting.reads


def test_an_index_leads_to_its_images_and_they_to_their_configs_and_layers(tmp_path: Path) -> None:
    assert reached(tmp_path, layout(("both:1", BOTH)))[0] == set(BOTH.blobs)


def test_each_document_is_read_once_and_no_layer_or_config_is(tmp_path: Path) -> None:
    _, reads = reached(tmp_path, layout(("a:1", BOTH), ("a:2", BOTH), ("a:3", APP)))
    assert sorted(reads) == sorted(blob(each.digest) for each in (BOTH, APP, OTHER))


def test_what_a_document_says_in_members_of_its_own_counts(tmp_path: Path) -> None:
    thing = rewritten(APP, lambda body: body.update(more=[{"deep": described(NOTHING, "x/y")}]))
    assert sha256(NOTHING) in reached(tmp_path, layout(("a:1", thing)))[0]


def test_a_subject_does_not_count(tmp_path: Path) -> None:
    sbom = artifact(APP, b"sbom")
    assert reached(tmp_path, layout(("", sbom)))[0] == set(sbom.blobs)


def test_what_is_called_by_no_digest_of_ours_leads_nowhere(tmp_path: Path) -> None:
    odd = [{"digest": text} for text in ("blake3:00", "../../x", "", 7, None, {"sha256": "a"})]
    thing = rewritten(APP, lambda body: body.update(more=odd))
    assert reached(tmp_path, layout(("a:1", thing)))[0] == set(APP.blobs) - {APP.digest} | {thing.digest}


def test_a_document_above_the_limit_stops_it_and_a_blob_of_unknown_type_does_not(tmp_path: Path) -> None:
    hold(Limits(document=len(APP.raw) + 200))
    large = rewritten(APP, lambda body: body.update(more="x" * 300))
    unknown = encode({"x": "y" * 1000})
    ours = artifact(None, unknown)
    assert sha256(unknown) in reached(tmp_path / "a", layout(("a:1", ours)))[0]
    with pytest.raises(UnsafeArchive, match=f"blob {large.digest}: is {len(large.raw)} bytes"):
        reached(tmp_path / "b", layout(("a:1", large)))


def test_a_manifest_of_another_digest_stops_it(tmp_path: Path) -> None:
    with pytest.raises(Mismatch, match=APP.digest):
        reached(tmp_path, {**layout(("both:1", BOTH)), blob(APP.digest): OTHER.raw})


def test_a_top_that_is_not_there_stops_it_before_anything_is_read(tmp_path: Path) -> None:
    files = layout(("a:1", OTHER), ("a:2", APP))
    del files[blob(APP.digest)]
    with pytest.raises(MissingMember, match=f"blob {APP.digest}: is not there, and oci:x names it"):
        reached(tmp_path, files)


def test_a_platform_that_is_not_there_does_not(tmp_path: Path) -> None:
    files = layout(("both:1", BOTH))
    del files[blob(OTHER.digest)]
    found, _ = reached(tmp_path, files)
    assert found == set(APP.blobs) | {BOTH.digest, OTHER.digest}
    assert APP.media_type == MANIFEST
