"""Writing skopeo's folder of one image: whole at once, and over nothing that is no such folder."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tests.archives import (
    ONE,
    TWO,
    A,
    B,
    Picture,
    encode,
    image,
    index,
    layout,
    sha256,
    unpacked,
    v1_folder,
    written,
)
from tests.conformance import Bytes
from tests.pictures import legacy, modern
from toolkit.bundles import open_bundle
from toolkit.bundles.dir_sink import DirSink
from toolkit.errors import Mismatch, MissingMember, StoreError, ToolkitError, Unsupported, UsageError
from toolkit.image import Layer
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.ports import Source

VERSION = b"Directory Transport Version: 1.1\n"  # as skopeo 1.9.3 writes it
APP, OTHER = image(ONE, TWO), image(TWO)


def source(folder: Path, *named: tuple[str, Picture]) -> Source:
    return open_bundle(written(folder / "in.tar", layout(*(named or (("app:1", APP),)))))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def expected(picture: Picture) -> dict[str, bytes]:
    blobs = {digest[7:]: raw for digest, raw in picture.blobs.items() if raw != picture.raw}
    return {"version": VERSION, "manifest.json": picture.raw, **blobs}


def test_the_folder_is_the_one_that_skopeo_makes(tmp_path: Path) -> None:
    copy(source(tmp_path), DirSink(tmp_path / "d"), ["app:1"])
    assert files(tmp_path / "d") == expected(APP)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "in.tar"]


def test_the_manifests_of_an_index_have_a_name_of_their_own_kind(tmp_path: Path) -> None:
    arm = image(TWO, architecture="arm64")
    both = index(APP, arm)
    copy(source(tmp_path, ("app:1", both)), DirSink(tmp_path / "d"), ["app:1"])
    found = files(tmp_path / "d")
    assert found["manifest.json"] == both.raw
    for each in (APP, arm):
        assert found.pop(f"{each.digest[7:]}.manifest.json") == each.raw
    assert found == {name: raw for name, raw in expected(both).items() if raw not in {APP.raw, arm.raw}}


def test_compressed_layers_stay_as_they_are(tmp_path: Path) -> None:
    packed = gzip.compress(ONE, mtime=0)
    picture = image(
        packed, diff_ids=[sha256(ONE)], media_types=["application/vnd.oci.image.layer.v1.tar+gzip"]
    )
    copy(source(tmp_path, ("app:1", picture)), DirSink(tmp_path / "d"), ["app:1"])
    assert files(tmp_path / "d")[sha256(packed)[7:]] == packed


def test_a_legacy_image_arrives_with_the_manifest_that_is_made_of_it(tmp_path: Path) -> None:
    members = {**v1_folder(A, "", ONE), **v1_folder(B, A, TWO), "repositories": encode({"app": {"1": B}})}
    copy(open_bundle(written(tmp_path / "in.tar", members)), DirSink(tmp_path / "d"), ["app:1"])
    proven = legacy(["app:1"], [A, B], {A: ONE, B: TWO})
    assert files(tmp_path / "d")["manifest.json"] == proven.documents[proven.top.digest].raw
    assert verify(open_bundle(tmp_path / "d")).ok


def test_several_names_of_one_image_are_one_image(tmp_path: Path) -> None:
    both = source(tmp_path, ("app:1", APP), ("app:2", APP))
    copy(both, DirSink(tmp_path / "d"), ["app:1", "app:2"])
    assert files(tmp_path / "d") == expected(APP)


def test_several_images_are_refused_before_anything_is_there(tmp_path: Path) -> None:
    both = source(tmp_path, ("app:1", APP), ("other:1", OTHER))
    with pytest.raises(Unsupported, match="would hold 2 images, and a dir holds one"):
        copy(both, DirSink(tmp_path / "d"), ["app:1", "other:1"])
    assert os.listdir(tmp_path) == ["in.tar"]


def test_the_names_are_told_to_be_lost_as_a_note() -> None:
    (finding,) = DirSink(Path("d")).losses(modern(APP, "app:1", "app:2"))
    assert (finding.severity, finding.subject) == ("note", "app:1, app:2")
    assert DirSink(Path("d")).losses(modern(APP)) == ()


# ── what is there already ──


def test_an_older_dir_is_replaced_whole(tmp_path: Path) -> None:
    older = source(tmp_path, ("app:1", OTHER))
    copy(older, DirSink(tmp_path / "d"), ["app:1"])
    (tmp_path / "d" / "signature-1").write_bytes(b"of the older one")
    copy(source(tmp_path), DirSink(tmp_path / "d"), ["app:1"])
    assert files(tmp_path / "d") == expected(APP)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "in.tar"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    copy(source(tmp_path), DirSink(tmp_path / "d"), ["app:1"])
    assert files(tmp_path / "d") == expected(APP)


@pytest.mark.parametrize(
    "found",
    [
        {"letter": b"dear"},
        {"version": b"1.0", "letter": b"dear"},
        {"version/letter": b"dear"},
        {"manifest.json": b"{}"},
        {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": b"{}"},
    ],
    ids="+".join,
)
def test_a_folder_of_other_files_stays_as_it_is(tmp_path: Path, found: dict[str, bytes]) -> None:
    folder = unpacked(tmp_path / "d", found)
    with pytest.raises((UsageError, StoreError)):
        copy(source(tmp_path), DirSink(folder), ["app:1"])
    assert {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    } == found


@pytest.mark.parametrize("kind", ["file", "link to a dir", "link to nothing"])
def test_what_is_no_folder_stays_as_it_is(tmp_path: Path, kind: str) -> None:
    path, there = tmp_path / "d", tmp_path / "there"
    if kind == "file":
        path.write_bytes(b"dear")
    else:
        path.symlink_to("there")
        if kind == "link to a dir":
            unpacked(there, {"version": VERSION, "manifest.json": b"{}"})
    with pytest.raises(UsageError, match="is no folder"):
        copy(source(tmp_path), DirSink(path), ["app:1"])
    assert path.read_bytes() == b"dear" if kind == "file" else path.is_symlink()
    assert not there.exists() or files(there) == {"version": VERSION, "manifest.json": b"{}"}


# ── deliveries that fail ──


def test_a_delivery_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    copy(source(tmp_path, ("app:1", OTHER)), DirSink(tmp_path / "d"), ["app:1"])
    before = files(tmp_path / "d")
    place = source(tmp_path)
    image_ = place.image("app:1")
    wrong = Bytes(bytes(len(ONE)))
    with pytest.raises(Mismatch, match="digest"), DirSink(tmp_path / "d").receive([image_], {}) as receiver:
        receiver.write(image_.layers[0], wrong)
    assert files(tmp_path / "d") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "in.tar"]


def test_what_was_not_finished_gets_no_name(tmp_path: Path) -> None:
    image_ = source(tmp_path).image("app:1")
    with (
        pytest.raises(StoreError, match="was left before it was finished"),
        DirSink(tmp_path / "d").receive([image_], {}),
    ):
        pass
    assert os.listdir(tmp_path) == ["in.tar"]


def test_a_layer_that_never_came_is_missed(tmp_path: Path) -> None:
    place = source(tmp_path)
    image_ = place.image("app:1")
    with (  # noqa: PT012 - it is the block that is left
        pytest.raises(MissingMember, match=sha256(TWO)),
        DirSink(tmp_path / "d").receive([image_], {}) as receiver,
    ):
        with place.open(image_.layers[0]) as content:
            receiver.write(image_.layers[0], content)
        receiver.finish([modern(APP, "app:1")])
    assert os.listdir(tmp_path) == ["in.tar"]


def test_a_new_folder_has_nothing_present(tmp_path: Path) -> None:
    assert DirSink(tmp_path / "d").present(Layer(sha256(ONE), len(ONE))) is None


def test_a_folder_in_none_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ToolkitError, match="d"):
        copy(source(tmp_path), DirSink(tmp_path / "gone" / "d"), ["app:1"])
