"""copy, and what export and import share with it: renaming, merging, any format by any way of writing it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, encode, image, index, layout, written
from tests.cli.conftest import IMAGE, SAMPLE, Lading
from tests.conformance import IMAGE_ID
from tests.containerds import containerd_root

FORMATS = ["universal", "docker", "oci", "dir", "docker-v1.2", "docker-v1"]


def ids(lading: Lading, place: str) -> set[str]:
    return {one["platforms"][0]["image_id"] for one in lading("verify", place, "--json").json["images"]}


@pytest.mark.parametrize(
    "words", [("copy", "containerd-root:docker"), ("export", "--from", "containerd-root:docker", "-o")]
)
def test_all_of_a_place_that_holds_nothing_is_not_found(lading: Lading, words: tuple[str, ...]) -> None:
    containerd_root(Path("docker/containerd/daemon"), {"moby": {}})
    content = Path("docker/image/overlay2/imagedb/content/sha256")
    content.mkdir(parents=True)
    (content / ("a" * 64)).touch()
    ran = lading(words[0], *words[1:], "new.tar")
    told = f"error: containerd-root:docker: holds no images; read docker-root:{Path.cwd()}/docker"
    assert (ran.code, ran.out, ran.last) == (3, "", told)
    assert not Path("new.tar").exists()


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
    assert (ran.code, "with letter and perhaps more in it" in ran.last) == (2, True)
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


def test_which_engines_load_it_is_told_of_the_layers_and_of_the_file_as_they_are(lading: Lading) -> None:
    assert lading("copy", SAMPLE, IMAGE, "oci:store").code == 0
    argv = ("export", IMAGE, "--from", "oci:store", "--json")
    packed = lading(*argv, "-o", "a.tar", "--compression", "zstd").json["serves"]
    assert packed[0] == "Docker 23-29"
    assert lading("verify", "a.tar", "--json").json["serves"] == packed
    whole = lading(*argv, "-o", "b.tar.gz").json["serves"]
    assert (
        whole
        == lading("verify", "b.tar.gz", "--json").json["serves"]
        == ["Docker 0.7-29", "podman", "skopeo"]
    )
    assert lading(*argv, "-o", "c.tar.zst").json["serves"][0] == "Docker 23-29"


def test_layers_are_packed_anew_any_number_of_times_without_a_warning(lading: Lading) -> None:
    assert lading("copy", SAMPLE, IMAGE, "a.tar", "--compression", "zstd").code == 0
    for compression, source, out in (("gzip", "a.tar", "b.tar"), ("none", "b.tar", "c.tar")):
        assert lading("copy", source, out, "--compression", compression, "--strict").code == 0
    assert ids(lading, "c.tar") == {IMAGE_ID}


def test_what_ls_shows_of_an_image_without_a_name_is_enough_to_ask_for_it(lading: Lading) -> None:
    assert lading("copy", SAMPLE, IMAGE, "dir:d").code == 0
    shown = lading("ls", "dir:d").out.splitlines()[1].split()[1]
    assert len(shown) == 12
    assert lading("inspect", "dir:d", shown).code == 0
    assert lading("copy", "dir:d", shown, "a.tar", "--tag", "app:1").code == 0


def test_one_image_that_two_tools_have_kept_is_one(lading: Lading) -> None:
    assert lading("copy", SAMPLE, IMAGE, "oci:store").code == 0
    assert lading("copy", "oci:store", "a.tar", "--compression", "gzip").code == 0
    ran = lading("export", "--from", "a.tar", "--from", "oci:store", "-o", "b.tar", "--json")
    assert [one["names"] for one in ran.json["images"]] == [[IMAGE]]


def test_what_a_format_drops_is_not_listed_as_written(lading: Lading, tmp_path: Path) -> None:
    both = index(image(ONE), image(TWO, architecture="arm64"))
    written(tmp_path / "a.tar", layout(("app:1", both)))
    ran = lading("copy", "a.tar", "b.tar", "--format", "docker-v1.2", "--json")
    assert [each["platform"] for each in ran.json["images"][0]["platforms"]] == ["linux/amd64"]
    assert any("linux/arm64" in finding["problem"] for finding in ran.json["findings"])


def test_an_empty_folder_is_no_layout(lading: Lading, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert lading("verify", "oci:empty").code == 3
    assert lading("ls", "oci:empty").code == 3


def test_inspecting_a_place_of_one_image_shows_all_its_names(lading: Lading) -> None:
    assert "ubuntu:trusty" in lading("inspect", SAMPLE).out


def test_a_bundle_that_is_not_the_one_its_sha256_was_written_for_is_told_on_import(
    lading: Lading, bundle: Path, home: Path
) -> None:
    beside = bundle.with_name(f"{bundle.name}.sha256")
    digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    beside.write_text(f"{digest}  {bundle.name}\n")
    assert lading("import", str(bundle), "--strict", "--quiet").err == ""
    beside.write_text(f"{'0' * 64}  {bundle.name}\n")
    told = lading("import", str(bundle), "--quiet")
    assert told.code == 0
    assert told.err.startswith(f"warning: {bundle}: sha256 is {digest}, expected {'0' * 64}; it is not the")
    (finding,) = lading("import", str(bundle), "--json").json["findings"]
    assert finding["severity"] == "warning"
    refused = lading("import", str(bundle), "--into", f"oci:{home / 'other'}", "--strict", "--quiet")
    assert (refused.code, refused.last.endswith("--strict makes warnings errors")) == (5, True)
    assert not (home / "other").exists()
