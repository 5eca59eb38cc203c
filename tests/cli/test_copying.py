"""copy, and what export and import share with it: renaming, merging, any format by any way of writing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import ONE, TWO, encode, image, layout, written
from tests.cli.conftest import IMAGE, SAMPLE, Lading
from tests.conformance import IMAGE_ID

FORMATS = ["universal", "docker", "oci", "dir", "docker-v1.2", "docker-v1"]


def ids(lading: Lading, place: str) -> set[str]:
    return {one["platforms"][0]["image_id"] for one in lading("verify", place, "--json").json["images"]}


@pytest.mark.parametrize("format_name", FORMATS)
def test_an_image_comes_back_the_same_through_every_format(lading: Lading, format_name: str) -> None:
    assert lading("copy", SAMPLE, IMAGE, "out", "--format", format_name).code == 0
    assert lading("copy", "out", "oci:store").code == 0
    assert ids(lading, "oci:store") == {IMAGE_ID}


@pytest.mark.parametrize(
    ("place", "format_name"),
    [("docker-archive:x", "docker-v1.2"), ("oci-archive:x", "oci"), ("dir:x", "dir")],
)
def test_a_kind_of_bundle_that_skopeo_knows_is_written_as_skopeo_names_it(
    lading: Lading, place: str, format_name: str
) -> None:
    assert lading("copy", SAMPLE, IMAGE, place, "--json").json["format"] == format_name
    assert lading("inspect", place, "--json").json["format"] == format_name
    ran = lading("copy", SAMPLE, IMAGE, place, "--format", "universal")
    assert (ran.code, f"is a {format_name} bundle" in ran.last) == (2, True)


def test_without_a_name_all_images_are_copied(lading: Lading, tmp_path: Path) -> None:
    written(tmp_path / "a.tar", layout(("app:1", image(ONE)), ("", image(TWO))))
    ran = lading("copy", "a.tar", "b.tar", "--json")
    assert [one["names"] for one in ran.json["images"]] == [["app:1"], []]


def test_bundles_are_merged_and_the_order_changes_no_byte(lading: Lading, tmp_path: Path) -> None:
    written(tmp_path / "a.tar", layout(("app:1", image(ONE))))
    written(tmp_path / "b.tar", layout(("app:2", image(TWO))))
    for out, first, second in (("c.tar", "a.tar", "b.tar"), ("d.tar", "b.tar", "a.tar")):
        assert lading("export", "--from", first, "--from", second, "-o", out).code == 0
    assert (tmp_path / "c.tar").read_bytes() == (tmp_path / "d.tar").read_bytes()
    listed = lading("ls", "c.tar", "--json").json["images"]
    assert [one["names"] for one in listed] == [["app:1"], ["app:2"]]


def test_a_name_is_chosen_on_the_way_in_and_out(lading: Lading) -> None:
    assert lading("export", IMAGE, "--from", SAMPLE, "-o", "a.tar", "--tag", "base:1").code == 0
    assert lading("import", "a.tar", "--tag", "base:1=r.example:5000/x:2").code == 0
    assert lading("copy", "auto", "b.tar", "--tag", "y:3").code == 0
    assert [one["names"] for one in lading("ls", "b.tar", "--json").json["images"]] == [["y:3"]]


def test_import_fills_a_bundle_too(lading: Lading) -> None:
    assert lading("export", IMAGE, "--from", SAMPLE, "-o", "a.tar").code == 0
    assert "wrote b.tar" in lading("import", "a.tar", "--into", "b.tar").out


def test_a_store_takes_no_format(lading: Lading) -> None:
    ran = lading("copy", SAMPLE, IMAGE, "oci:x", "--format", "oci")
    assert (ran.code, ran.last) == (2, "error: --format oci: is for bundles, and oci:x is a store")


def test_a_dir_replaces_a_dir_and_nothing_else(lading: Lading, tmp_path: Path) -> None:
    for _ in range(2):
        assert lading("export", IMAGE, "--from", SAMPLE, "-o", "d", "--format", "dir").code == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("dear")
    ran = lading("export", IMAGE, "--from", SAMPLE, "-o", "mine", "--format", "dir")
    assert (ran.code, "other files in it" in ran.last) == (2, True)
    assert (tmp_path / "mine" / "letter").read_text() == "dear"


def test_a_dir_of_two_images_is_refused_before_anything_is_written(lading: Lading, tmp_path: Path) -> None:
    written(tmp_path / "a.tar", layout(("app:1", image(ONE)), ("app:2", image(TWO))))
    ran = lading("copy", "a.tar", "dir:d")
    assert (ran.code, "a dir holds one" in ran.last) == (4, True)
    assert not (tmp_path / "d").exists()


def test_a_dir_goes_into_no_pipe(lading: Lading) -> None:
    ran = lading("export", IMAGE, "--from", SAMPLE, "-o", "-", "--format", "dir")
    assert (ran.code, "which no pipe carries" in ran.last) == (2, True)


def test_an_archive_that_lists_nothing_is_accepted_and_said_to(lading: Lading, tmp_path: Path) -> None:
    written(tmp_path / "a.tar", {"manifest.json": encode([])})
    ran = lading("import", "a.tar")
    assert (ran.code, ran.err) == (0, "warning: a.tar: holds no images\n")
    assert lading("import", "a.tar", "--strict").code == 5
    assert lading("export", "--from", "a.tar", "-o", "b.tar").code == 3
    assert not (tmp_path / "b.tar").exists()


def test_nothing_asked_for_is_a_usage_error(lading: Lading) -> None:
    ran = lading("export")
    assert (ran.code, "names no image" in ran.last) == (2, True)
    assert lading("copy", SAMPLE).code == 2
