from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import (
    IMAGE_NAME,
    ONE,
    REF_NAME,
    TWO,
    blob,
    described,
    encode,
    image,
    index,
    layout,
    sha256,
    unpacked,
)
from toolkit.bundles.entries import entry_names
from toolkit.bundles.ocilayout import OciImages
from toolkit.errors import InvalidDocument, MissingMember, NotFound, UnsafeArchive, Unsupported
from toolkit.image import Layer
from toolkit.stores.folder_blobs import FolderBlobs

AMD, ARM = image(ONE, created="2020-01-01T00:00:00Z"), image(ONE, TWO, architecture="arm64")


def images(folder: Path, files: dict[str, bytes]) -> OciImages:
    return OciImages(FolderBlobs(unpacked(folder, files)), "oci:x")


@pytest.mark.parametrize(
    ("annotations", "names"),
    [
        ({}, ()),
        ({REF_NAME: "tagA"}, ("tagA",)),
        ({REF_NAME: "ubuntu:14.04"}, ("ubuntu:14.04",)),
        ({IMAGE_NAME: "docker.io/library/ubuntu:14.04"}, ("ubuntu:14.04",)),
        ({REF_NAME: "14.04", IMAGE_NAME: "docker.io/library/ubuntu:14.04"}, ("ubuntu:14.04",)),
        ({REF_NAME: "ubuntu:14.04", IMAGE_NAME: "docker.io/library/ubuntu:14.04"}, ("ubuntu:14.04",)),
        ({REF_NAME: "docker.io/ubuntu:1", IMAGE_NAME: "docker.io/library/ubuntu:1"}, ("docker.io/ubuntu:1",)),
        ({REF_NAME: "stable", IMAGE_NAME: "docker.io/library/ubuntu:14.04"}, ("ubuntu:14.04", "stable")),
    ],
)
def test_names_are_read_as_each_tool_writes_them(annotations: dict[str, str], names: tuple[str, ...]) -> None:
    assert entry_names(annotations) == names


def test_an_image_is_listed_once_with_all_its_names(tmp_path: Path) -> None:
    found = images(tmp_path, layout(("b:1", AMD), ("a:1", ARM), ("b:2", AMD), ("", image(TWO))))
    lines = found.listings()
    assert [line.names for line in lines] == [("a:1",), ("b:1", "b:2"), ()]
    assert [line.platform for line in lines] == ["linux/arm64", "linux/amd64", "linux/amd64"]
    assert [line.size for line in lines] == [20480, 10240, 10240]
    assert lines[1].created == "2020-01-01T00:00:00Z"


def test_a_name_is_matched_in_normalised_form_and_printed_as_stored(tmp_path: Path) -> None:
    found = images(tmp_path, layout(("app:1", AMD), ("docker.io/library/other", ARM)))
    assert found.image("docker.io/library/app:1").names == ("app:1",)
    assert found.image("other:latest").names == ("docker.io/library/other",)


@pytest.mark.parametrize("name", [AMD.digest, sha256(AMD.config)])
def test_an_image_without_a_name_is_found_by_digest_and_by_image_id(tmp_path: Path, name: str) -> None:
    found = images(tmp_path, layout(("", AMD), ("x:1", ARM)))
    assert found.image(name).names == ()
    assert found.identify(name) == AMD.digest


def test_a_platform_of_an_index_is_found_by_its_image_id(tmp_path: Path) -> None:
    found = images(tmp_path, layout(("", index(AMD, ARM))))
    assert found.identify(sha256(ARM.config)) == ARM.digest


def test_a_name_with_a_digest_is_found_by_the_digest(tmp_path: Path) -> None:
    found = images(tmp_path, layout(("app:1", AMD)))
    assert found.image(f"app@{AMD.digest}").names == (f"app@{AMD.digest}",)
    assert found.image(f"app@{AMD.digest}").top.annotations == {}


def test_a_listing_id_leads_to_what_was_listed(tmp_path: Path) -> None:
    twins = index(AMD, ARM)  # the index, and its first image by itself
    found = images(tmp_path, layout(("", twins), ("", AMD)))
    assert [found.identify(line.id) for line in found.listings()] == [twins.digest, AMD.digest]


def test_one_name_for_two_images_is_refused_and_listed_as_such(tmp_path: Path) -> None:
    found = images(tmp_path, layout(("app:1", AMD), ("app:1", ARM), ("fine:1", AMD)))
    with pytest.raises(UnsafeArchive, match=f"app:1 twice, as {AMD.digest} and {ARM.digest}"):
        found.image("app:1")
    assert found.image("fine:1").names == ("fine:1",)
    assert all("twice" in line.problem for line in found.listings())


def test_the_top_carries_no_name_of_its_own(tmp_path: Path) -> None:
    assert images(tmp_path, layout(("app:1", AMD))).image("app:1").top.annotations == {}


def test_a_damaged_image_is_listed_with_its_problem(tmp_path: Path) -> None:
    files = layout(("bad:1", AMD), ("good:1", ARM))
    del files[blob(AMD.digest)]
    bad, good = images(tmp_path, files).listings()
    assert (bad.names, good.problem) == (("bad:1",), "")
    assert AMD.digest in bad.problem


def test_an_artifact_has_no_outline(tmp_path: Path) -> None:
    raw = encode(
        {"schemaVersion": 2, "config": described(b"{}", "application/vnd.oci.empty.v1+json"), "layers": []}
    )
    files = layout(("app:1", AMD))
    files["index.json"] = encode({"schemaVersion": 2, "manifests": [described(raw, AMD.media_type)]})
    files |= {blob(sha256(raw)): raw, blob(sha256(b"{}")): b"{}"}
    found = images(tmp_path, files)
    assert [line.id for line in found.listings()] == [sha256(raw)]
    with pytest.raises(Unsupported, match="artifact"):
        found.outline(sha256(raw))


def test_entries_of_unknown_types_are_passed_over(tmp_path: Path) -> None:
    files = layout(("app:1", AMD))
    entries = [
        described(b"<x/>", "application/xml"),
        described(AMD.raw, AMD.media_type, annotations={REF_NAME: "a:1"}),
    ]
    files["index.json"] = encode({"schemaVersion": 2, "manifests": entries})
    assert [line.names for line in images(tmp_path, files).listings()] == [("a:1",)]


def test_an_index_without_manifests_lists_nothing(tmp_path: Path) -> None:
    files = layout() | {"index.json": b'{"schemaVersion":2,"manifests":null}'}
    assert images(tmp_path, files).listings() == []


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({}, Unsupported),
        ({"oci-layout": b'{"imageLayoutVersion":"1.1.0"}'}, Unsupported),
        ({"oci-layout": b"{}"}, InvalidDocument),
        ({"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}, MissingMember),
        ({"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": b"[]"}, InvalidDocument),
        (
            {
                "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
                "index.json": b'{"schemaVersion":2,"config":{}}',
            },
            UnsafeArchive,
        ),
    ],
)
def test_what_is_no_layout_of_ours_is_refused(
    tmp_path: Path, files: dict[str, bytes], error: type[Exception]
) -> None:
    with pytest.raises(error):
        images(tmp_path, files).listings()


def test_an_unknown_name_tells_near_ones(tmp_path: Path) -> None:
    found = images(tmp_path, layout(("ubuntu:14.04", AMD)))
    with pytest.raises(NotFound, match=r"near it: ubuntu:14\.04"):
        found.image("ubuntu:16.04")
    with pytest.raises(NotFound, match="lading ls oci:x"):
        found.image("sha256:" + "0" * 64)


def test_a_layer_without_a_digest_is_not_of_a_layout(tmp_path: Path) -> None:
    with pytest.raises(MissingMember):
        images(tmp_path, layout()).open(Layer("a" * 64, 1))
