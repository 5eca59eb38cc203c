"""index.json of many images: each is found by what its name means, and none by walking over the others."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.archives import (
    IMAGE_NAME,
    MANIFEST,
    ONE,
    REF_NAME,
    Picture,
    described,
    encode,
    image,
    layout,
    sha256,
    tar,
    unpacked,
)
from toolkit.bundles.entries import Entries
from toolkit.bundles.ocilayout import OciImages
from toolkit.digest import Digest
from toolkit.errors import InvalidDocument, UnsafeArchive
from toolkit.model import Descriptor
from toolkit.ports import Content
from toolkit.stores.folder_blobs import FolderBlobs

APP, OTHER = image(ONE), image(ONE, ONE)


def raw(*named: tuple[str, Picture]) -> bytes:
    index = layout(*named)["index.json"]
    assert isinstance(index, bytes)
    return index


def test_an_image_stands_once_with_all_its_names() -> None:
    found = Entries.of(raw(("app:1", APP), ("other:1", OTHER), ("app:2", APP)))
    assert [(entry.names, str(entry.top.digest)) for entry in found] == [
        (("app:1", "app:2"), APP.digest),
        (("other:1",), OTHER.digest),
    ]
    assert found.names() == ["app:1", "app:2", "other:1"]


def test_any_list_of_names_is_listed_as_an_index_is() -> None:
    app, other = (Descriptor.of(each.media_type, each.raw) for each in (APP, OTHER))
    nothing = Descriptor.of("application/xml", b"<x/>")
    found = Entries.listing([(("app:1",), app), ((), nothing), ((), other), (("app:2", "app:1"), app)])
    assert [(entry.names, entry.top) for entry in found] == [(("app:1", "app:2"), app), ((), other)]
    assert found.called("docker.io/library/app:2")[0].top == app


@pytest.mark.parametrize("name", ["app:1", "docker.io/library/app:1", "index.docker.io/app:1"])
def test_a_name_is_found_by_what_it_means_and_printed_as_it_stands(name: str) -> None:
    (entry,) = Entries.of(raw(("app:1", APP), ("other:1", OTHER))).called(name)
    assert (entry.names, str(entry.top.digest)) == (("app:1",), APP.digest)


def test_a_name_of_two_images_is_both() -> None:
    found = Entries.of(raw(("app:1", APP), ("app:1", OTHER))).called("app:1")
    assert {str(entry.top.digest) for entry in found} == {APP.digest, OTHER.digest}


def test_what_is_not_there_is_nothing() -> None:
    assert Entries.of(raw(("app:1", APP))).called("app:2") == ()
    assert len(Entries.of(encode({"schemaVersion": 2, "manifests": None}))) == 0


@pytest.mark.parametrize("broken", [b"", b"[]", b"{}", encode({"schemaVersion": 2, "manifests": [{}]})])
def test_a_broken_index_is_refused(broken: bytes) -> None:
    with pytest.raises((InvalidDocument, UnsafeArchive)):
        Entries.of(broken)


class Counted:
    """Blobs of a folder that count how often each name is read."""

    def __init__(self, folder: Path) -> None:
        self.inner, self.reads = FolderBlobs(folder), Counter[str]()

    def read(self, name: str, limit: int) -> bytes | None:
        self.reads["index" if name == "index.json" else "document"] += 1
        return self.inner.read(name, limit)

    def size(self, digest: Digest) -> int | None:
        return self.inner.size(digest)

    def open(self, digest: Digest, size: int) -> AbstractContextManager[Content]:
        return self.inner.open(digest, size)


def test_images_without_a_name_are_found_by_their_ids_in_one_walk_over_all(tmp_path: Path) -> None:
    pictures = [image(tar({f"f{number}": b""})) for number in range(30)]
    blobs = Counted(unpacked(tmp_path / "store", layout(*(("", picture) for picture in pictures))))
    images = OciImages(blobs, "x")
    for picture in pictures:
        assert str(images.image(sha256(picture.config)).top.digest) == picture.digest
    # A manifest and a config for each image, once for all and once when it is asked for; oci-layout three times.
    assert blobs.reads["document"] <= 2 * 2 * len(pictures) + 3 * len(pictures)


def test_an_index_that_somebody_wrote_to_is_read_anew(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "store", layout(("app:1", APP)))
    images = OciImages(FolderBlobs(folder), "x")
    assert images.identify("app:1") == APP.digest
    unpacked(folder, layout(("app:1", OTHER)))
    assert images.identify("app:1") == OTHER.digest


def annotated(**names: str) -> bytes:
    """Return an index.json of one image with these annotations: `plain` for podman, `full` for containerd."""
    keys = {"plain": REF_NAME, "full": IMAGE_NAME}
    entry = described(
        APP.raw, MANIFEST, annotations={keys.get(key, key): name for key, name in names.items()}
    )
    return encode({"schemaVersion": 2, "manifests": [entry]})


@pytest.mark.parametrize(
    ("plain", "full"),
    [
        ("app:1", "docker.io/library/app:1"),
        ("1", "docker.io/library/app:1"),
        ("team/app:1", "ghcr.io/team/app:1"),
        ("@sha256:" + "0" * 64, "quay.io/app@sha256:" + "0" * 64),
        ("1@sha256:" + "0" * 64, "quay.io:5000/app:1@sha256:" + "0" * 64),
        ("", "quay.io/app:1"),
        ("anything", ""),
    ],
)
def test_a_part_of_the_name_is_the_same_name(plain: str, full: str) -> None:
    assert Entries.of(annotated(plain=plain, full=full)).disputed == ""


def test_a_bare_tag_or_digest_is_no_second_name() -> None:
    digest = "sha256:" + "0" * 64
    for plain, full in (("1", "docker.io/library/app:1"), (f"@{digest}", f"docker.io/library/app@{digest}")):
        (entry,) = Entries.of(annotated(plain=plain, full=full))
        assert entry.names == (full.removeprefix("docker.io/library/"),)


@pytest.mark.parametrize(("plain", "full"), [("app:1", "docker.io/librasy/app:1"), ("2", "quay.io/app:1")])
def test_another_name_for_podman_than_for_containerd_is_said(plain: str, full: str) -> None:
    said = f"names {APP.digest} {plain!r} for podman, and {full!r} for containerd"
    assert Entries.of(annotated(plain=plain, full=full)).disputed == said


@pytest.mark.parametrize(
    ("was", "is_"),
    [
        (REF_NAME, REF_NAME.replace("ref", "ret")),
        (IMAGE_NAME, IMAGE_NAME.replace("io", "iq", 1)),
        (MANIFEST, MANIFEST.replace("oci", "ocj")),
        ('"manifests"', '"nanifests"'),
        ('"annotations"', '"annotatioms"'),
    ],
)
def test_a_text_with_one_letter_changed_is_refused_as_damaged(was: str, is_: str) -> None:
    """No digest vouches for an index.json: an image would be without its name, or none any more."""
    whole = annotated(plain="app:1", full="docker.io/library/app:1")
    with pytest.raises(InvalidDocument, match=r"expected .*; it was damaged"):
        Entries.of(whole.replace(was.encode(), is_.encode()))
