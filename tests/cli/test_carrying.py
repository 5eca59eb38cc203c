"""export, import and sample."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import zstandard

from tests.archives import ONE, encode, sha256, written
from tests.cli.conftest import IMAGE, SAMPLE, Lading
from toolkit.bundles import FORMATS, BundleFormat
from toolkit.checks import effect

WRITTEN = [row for row in FORMATS if row.members_of]
LAYER = "sha256:8ba9cdafb4db3ae74881444e6681c58f65848bdd2bc4515c57c8f87dcbbf46f4"


def test_export_writes_where_the_pipeline_would(lading: Lading, home: Path) -> None:
    ran = lading("export", IMAGE, "--from", SAMPLE)
    path = home / "bundles" / "ubuntu_14.04.tar"
    assert ran.code == 0
    assert ran.out.splitlines()[-1].startswith(f"wrote {path} (254kB, universal), for Docker 0.7-29")
    assert path.is_file()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_the_name_tells_a_format_and_platform_that_are_not_the_default(lading: Lading, home: Path) -> None:
    options = ("--from", SAMPLE, "--format", "docker-v1", "--platform", "linux/amd64")
    assert lading("export", IMAGE, *options).code == 0
    assert [entry.name for entry in (home / "bundles").iterdir()] == [
        "ubuntu_14.04,docker-v1,linux+amd64.tar"
    ]


@pytest.mark.parametrize("row", WRITTEN, ids=lambda row: row.name)
def test_export_tells_machines_what_it_wrote(lading: Lading, tmp_path: Path, row: BundleFormat) -> None:
    path = tmp_path / "x.tar"
    argv = ("export", IMAGE, "--from", SAMPLE, "-o", str(path), "--format", row.name, "--json")
    ran = lading(*argv)
    assert (ran.code, ran.events[-1]["event"]) == (0, "image.done")
    assert (ran.json["bundle"], ran.json["format"], ran.json["size"]) == (
        str(path),
        row.name,
        path.stat().st_size,
    )
    assert ", ".join(ran.json["serves"]) == row.serves
    assert ran.json["images"][0]["names"] == [IMAGE]


def test_export_names_the_engines_that_load_what_is_in_it(lading: Lading, tmp_path: Path) -> None:
    config = encode({"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [sha256(ONE)]}})
    item = {"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["l.tar"]}
    members = {"c.json": config, "l.tar": zstandard.compress(ONE), "manifest.json": encode([item])}
    source = str(written(tmp_path / "a.tar", members))
    ran = lading("export", "app:1", "--from", source, "-o", str(tmp_path / "x.tar"))
    assert ran.out.endswith("universal), for Docker 23-29, podman, containerd, skopeo, crane\n")
    argv = ("export", "app:1", "--from", source, "-o", str(tmp_path / "x.tar"), "--format", "docker-v1")
    assert lading(*argv, "--json").json["serves"] == ["Docker 23-28"]


def test_several_names_go_into_one_bundle(lading: Lading, tmp_path: Path) -> None:
    path = str(tmp_path / "x.tar")
    assert lading("export", IMAGE, "ubuntu:trusty", "--from", SAMPLE, "-o", path).code == 0
    listed = lading("ls", path, "--json").json["images"]
    assert [name for image in listed for name in image["names"]] == [IMAGE, "ubuntu:trusty"]


def test_the_source_comes_from_the_settings(lading: Lading, tmp_path: Path) -> None:
    (tmp_path / "luigi.cfg").write_text("[lading]\nsource = sample:\n")
    assert lading("export", IMAGE).code == 0


def test_the_same_image_gives_the_same_bytes_and_replaces_what_was_there(
    lading: Lading, bundle: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.tar"
    other.write_text("what was there")
    assert lading("export", IMAGE, "--from", SAMPLE, "-o", str(other)).code == 0
    assert other.read_bytes() == bundle.read_bytes()


def test_a_failed_export_keeps_what_was_there(lading: Lading, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_text("what was there")
    assert lading("export", "ubuntu:14.05", "--from", SAMPLE, "-o", str(path)).code == 3
    assert path.read_text() == "what was there"
    assert {entry.name for entry in tmp_path.iterdir()} == {"home", "x.tar"}


@pytest.mark.parametrize(
    ("suffix", "program"), [("gz", "gzip"), ("xz", "xz"), ("bz2", "bzip2"), ("zst", "zstd")]
)
def test_a_name_that_tells_a_compression_gets_it(
    lading: Lading, bundle: Path, tmp_path: Path, suffix: str, program: str
) -> None:
    if not shutil.which(program):
        pytest.skip(f"needs {program}")
    path = tmp_path / f"x.tar.{suffix}"
    ran = lading("export", IMAGE, "--from", SAMPLE, "-o", str(path))
    assert ran.code == 0
    assert ran.last.startswith(f"note: {path}: is compressed as a whole: docker load unpacks ")
    unpacked = subprocess.run([program, "-dc", str(path)], check=True, capture_output=True).stdout
    assert unpacked == bundle.read_bytes()
    subprocess.run([program, "-t", str(path)], check=True, capture_output=True)
    assert lading("verify", str(path)).code == lading("import", str(path)).code == 0


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_layers_are_packed_as_asked_for(
    lading: Lading, bundle: Path, tmp_path: Path, compression: str
) -> None:
    path, store = tmp_path / "x.tar", f"oci:{tmp_path}/store"
    ran = lading("export", IMAGE, "--from", SAMPLE, "-o", str(path), "--compression", compression, "--json")
    (before,) = lading("verify", str(bundle), "--json").json["images"][0]["platforms"]
    (after,) = ran.json["images"][0]["platforms"]
    assert after["image_id"] == before["image_id"]
    ids = [[layer["diff_id"] for layer in one["layers"]] for one in (before, after)]
    assert ids[0] == ids[1]
    assert (after["layers"] == before["layers"]) == (compression == "none")
    assert lading("verify", str(path), "--strict").code == 0
    again = lading("import", str(path), "--into", store, "--compression", "none")
    assert again.code == 0
    assert lading("export", IMAGE, "--from", store, "-o", str(path)).code == 0
    assert path.read_bytes() == bundle.read_bytes()
    told = f"note: manifest {after['manifest']}: is now {before['manifest']}, its layers unpacked"
    assert (told in again.err) == (compression != "none")


def test_packing_is_told_as_progress(lading: Lading, tmp_path: Path) -> None:
    argv = ("export", IMAGE, "--from", SAMPLE, "-o", str(tmp_path / "x.tar"), "--compression", "gzip")
    lines = lading(*argv).err.splitlines()
    assert "1 of 4 layers, " in lines[0]  # of those to be packed anew
    assert lines[-1].startswith("all done: 8 of 8 layers")


def test_import_takes_all_images_into_the_embedded_store(lading: Lading, bundle: Path, home: Path) -> None:
    ran = lading("import", str(bundle))
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == f"imported from {bundle} into oci:{home}/store"
    there = lading("ls", f"oci:{home}/store", "--json").json["images"]
    assert [image["names"] for image in there] == [[IMAGE]]
    assert (home / "store" / "blobs" / LAYER.replace(":", "/")).is_file()
    assert lading("verify", f"oci:{home}/store").code == 0


def test_import_takes_the_images_that_are_named(lading: Lading, tmp_path: Path) -> None:
    path, store = str(tmp_path / "x.tar"), f"oci:{tmp_path}/store"
    lading("export", IMAGE, "ubuntu:trusty", "--from", SAMPLE, "-o", path)
    ran = lading("import", path, "ubuntu:trusty", "--into", store, "--json")
    assert (ran.code, ran.json["store"]) == (0, store)
    assert [image["names"] for image in lading("ls", store, "--json").json["images"]] == [["ubuntu:trusty"]]


def test_import_takes_an_image_without_a_name(lading: Lading, tmp_path: Path) -> None:
    path, store = str(tmp_path / "x.tar"), f"oci:{tmp_path}/store"
    top = lading("ls", SAMPLE, "--json").json["images"][0]["id"]
    assert lading("export", top, "--from", SAMPLE, "-o", path).code == 0
    assert lading("import", path, "--into", store).code == 0
    assert [image["names"] for image in lading("ls", store, "--json").json["images"]] == [[]]


def test_a_bundle_that_lists_no_image_is_a_warning(lading: Lading, tmp_path: Path) -> None:
    path, store = str(written(tmp_path / "none.tar", {"manifest.json": b"[]"})), tmp_path / "store"
    warning = f"warning: {path}: holds no images"
    ran = lading("import", path, "--into", f"oci:{store}")
    assert (ran.code, ran.out, ran.last) == (0, f"imported nothing from {path}\n", warning)
    (finding,) = lading("import", path, "--into", f"oci:{store}", "--json").json["findings"]
    assert (finding["severity"], finding["subject"], finding["check"]) == ("warning", path, "empty")
    ran = lading("verify", path)
    assert (ran.code, ran.out) == (0, f"verified {path}\n")
    assert ran.err.splitlines() == [warning, f"  {effect('empty')}"]
    error = f"error: {path}: holds no images"
    ran = lading("import", path, "--into", f"oci:{store}", "--strict")
    assert (ran.code, ran.last) == (5, f"{error}; --strict makes warnings errors")
    ran = lading("verify", path, "--strict")
    assert (ran.code, ran.last) == (5, f"{error}; {effect('empty')}")
    assert not store.exists()


def test_import_fails_with_the_exit_code_of_verify(lading: Lading, tmp_path: Path) -> None:
    layer, configs = {"l.tar": ONE}, {}
    for number, unpacked in enumerate((ONE, b"other")):
        rootfs = {"diff_ids": [sha256(unpacked)]}
        configs[f"{number}.json"] = encode({"architecture": "amd64", "os": "linux", "rootfs": rootfs})
    items = [{"Config": name, "RepoTags": [f"app:{name[0]}"], "Layers": ["l.tar"]} for name in configs]
    path = str(written(tmp_path / "a.tar", {**layer, **configs, "manifest.json": encode(items)}))
    for command in ("verify", "import"):
        ran = lading(command, path)
        assert ran.code == 6
        assert "lists 'l.tar' under two diffIDs" in ran.last
    path = str(written(tmp_path / "b.tar", {**configs, "manifest.json": encode(items[:1])}))
    assert (lading("verify", path).code, lading("import", path).code) == (5, 5)


def test_import_of_an_unknown_name_says_what_is_near(lading: Lading, bundle: Path, home: Path) -> None:
    ran = lading("import", str(bundle), "ubuntu:14.05")
    assert ran.code == 3
    assert ran.last == f"error: image ubuntu:14.05: is not in {bundle}; near it: {IMAGE}"
    assert not (home / "store").exists()


def test_import_of_a_damaged_bundle_names_nothing(lading: Lading, bundle: Path, home: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[content.index(b"PRETTY_NAME=")] ^= 1
    bundle.write_bytes(content)
    ran = lading("import", str(bundle))
    assert ran.code == 5
    assert ran.last.startswith(f"error: layer {LAYER}: digest is ")
    assert lading("export", IMAGE, "--from", f"oci:{home}/store").code == 3


def test_the_embedded_store_is_what_auto_reads(lading: Lading, bundle: Path) -> None:
    assert lading("import", str(bundle)).code == 0
    assert lading("export", IMAGE).code == 0


@pytest.mark.parametrize("place", ["graph:g", "graph+vfs:g"])
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to write a legacy root")
def test_import_fills_a_legacy_store(lading: Lading, bundle: Path, place: str) -> None:
    assert lading("import", str(bundle), "--into", place).code == 0
    assert lading("verify", place, IMAGE).code == 0


def test_a_place_that_cannot_be_written_is_named(lading: Lading, bundle: Path) -> None:
    ran = lading("import", str(bundle), "--into", SAMPLE)
    assert (ran.code, ran.out) == (4, "")
    assert "cannot be imported into" in ran.last


def test_sample_says_where_it_is_and_what_to_do(lading: Lading, home: Path) -> None:
    ran = lading("sample")
    assert ran.code == 0
    assert f"unpacked to {home / 'sample'}" in ran.out
    assert (home / "sample" / "repositories-aufs").is_file()
    commands = lading("sample", "--json").json["commands"]
    assert [line for line in commands if f"  {line}" not in ran.out.splitlines()] == []


def test_what_sample_tells_to_try_works(lading: Lading) -> None:
    for line in lading("sample", "--json").json["commands"]:
        program, *argv = line.split()
        if program == "lading":
            assert lading(*argv).code == 0


def test_a_bundle_is_listed_by_tar_itself(bundle: Path) -> None:
    names = subprocess.run(["tar", "-tf", str(bundle)], check=True, capture_output=True, text=True).stdout
    assert {"oci-layout", "index.json", "manifest.json", "repositories"} <= set(names.splitlines())
