"""Archives that manifest.json alone lists; what real readers make of the same files is in peers 3a."""

from __future__ import annotations

import gzip
import json
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.archives import (
    EMPTY,
    ONE,
    TWO,
    A,
    Body,
    Folder,
    Link,
    encode,
    sha256,
    v1_folder,
    v1_json,
    written,
)
from toolkit.bundles import open_bundle
from toolkit.bundles.docker_reader import DockerArchive
from toolkit.errors import (
    CorruptContent,
    InvalidDocument,
    Mismatch,
    MissingMember,
    NotFound,
    ToolkitError,
    UnsafeArchive,
)
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.platform import Platform
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.report import Report
from toolkit.stores.layout import LayoutStore

DATA = Path(__file__).parents[1] / "data"
VECTORS, HOSTILE = DATA / "vectors", DATA / "hostile"
NOTE = "keeps no manifests"


class Saved(NamedTuple):
    """What Python's own reader finds in an archive: (config digest, diffIDs) of each item."""

    names: list[list[str] | None]
    images: list[tuple[str, list[str]]]


def saved(path: Path) -> Saved:
    with tarfile.open(path) as archive:

        def read(name: str) -> bytes:
            found = archive.extractfile(name.removeprefix("./"))
            assert found is not None
            return found.read()

        items = json.loads(read("manifest.json"))
        configs = [read(item["Config"]) for item in items]
    ids = [json.loads(config)["rootfs"]["diff_ids"] for config in configs]
    return Saved([item.get("RepoTags") for item in items], list(zip(map(sha256, configs), ids, strict=True)))


def found(report: Report) -> list[tuple[str, list[str]]]:
    images = {image.top.digest: image.images()[0] for image in report.images}.values()
    return [(str(image.config.image_id), list(map(str, image.config.diff_ids))) for image in images]


def problems(report: Report) -> list[str]:
    return [finding.problem for finding in report.findings if not finding.problem.startswith(NOTE)]


ACCEPTED = {  # file → what is told of it
    "03_dup_layer_samepath": "",
    "04_dup_symlink": "",
    "05_dup_hardlink": "containerd ignores hard links",
    "07_unique_hardlink": "containerd ignores hard links",
    "08_symlink_same_dir": "",
    "09_gz_layers": "",
    "10_mixed_gz_plain": "",
    "11_zstd_layers": "",
    "12_xz_bz2_layers": "is compressed with xz",
    "13_concat_gzip": "",
    "17_outer_no_eof": "may have been cut short",
    "22_zero_layers": "",
    "24_zero_byte_layer": "",
    "25_backslash": "",
    "26_two_images_one_untagged": "",
    "27_cfg_sha256_colon_name": "",
    "28_layersources_parent": "",
    "43_empty_manifest": "holds no images",
    "45_tag_with_port": "without a tag; Docker refuses the archive",
}


@pytest.mark.parametrize(("name", "told"), ACCEPTED.items(), ids=ACCEPTED.keys())
def test_an_odd_archive_gives_the_images_that_are_in_it_and_is_told(name: str, told: str) -> None:
    path = HOSTILE / f"{name}.tar"
    report = verify(open_bundle(path))
    assert report.ok
    assert sorted(found(report)) == sorted(saved(path).images)
    assert any(told in problem for problem in problems(report)) if told else problems(report) == []


REFUSED: dict[str, tuple[type[ToolkitError], str]] = {
    "16_outer_trailing_garbage": (CorruptContent, "after the end of the archive"),
    "20_config_tampered_name_mismatch": (Mismatch, "it was edited, or renamed; no engine looks"),
    "15_gzip_trailing_garbage": (CorruptContent, "after the end of its compressed data"),
    "18_outer_truncated": (CorruptContent, "it was cut short"),
    "19_layer_bitflip": (CorruptContent, "digest is sha256:56af7ea94429ebaf"),
    "21_missing_layer": (MissingMember, "has no member 'l1.tar'"),
    "30_layers_len_mismatch": (CorruptContent, "has 2 layers in manifest.json, and 1 diffIDs"),
    "44_shared_path_two_diffids": (UnsafeArchive, "lists 'l.tar' under two diffIDs"),
}


@pytest.mark.parametrize(("name", "why"), REFUSED.items(), ids=REFUSED.keys())
def test_a_broken_archive_is_refused_and_nothing_is_named(
    tmp_path: Path, name: str, why: tuple[type[ToolkitError], str]
) -> None:
    kind, problem = why
    with pytest.raises(kind, match=re.escape(problem)) as refused:
        copy(open_bundle(HOSTILE / f"{name}.tar"), LayoutStore(tmp_path / "store"), ["t/a:1"])
    assert refused.value.exit_code == kind.exit_code
    assert not (tmp_path / "store/index.json").exists()


# ── archives as literals ──


def config(*tars: bytes, **members: Any) -> bytes:
    ids = [sha256(tar) for tar in tars]
    return encode(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}, **members}
    )


def item(config_: str, layers: Sequence[str], *names: str) -> dict[str, Any]:
    return {"Config": config_, "RepoTags": list(names) or None, "Layers": list(layers)}


def archive(folder: Path, items: Sequence[dict[str, Any]], members: dict[str, Body]) -> Path:
    return written(folder / "a.tar", {**members, "manifest.json": encode(items)})


def opened(
    folder: Path, items: Sequence[dict[str, Any]], members: dict[str, Body], prefer: str = ""
) -> DockerArchive:
    source = open_bundle(archive(folder, items, members), prefer)
    assert isinstance(source, DockerArchive)
    return source


APP: dict[str, Body] = {"c": config(ONE, TWO), "one.tar": ONE, "two.tar": TWO}
LISTED = [item("c", ["one.tar", "two.tar"], "app:1")]


def test_images_are_found_by_name_and_by_id(tmp_path: Path) -> None:
    source = opened(tmp_path, LISTED, APP)
    assert source.image("app:1").names == source.image("docker.io/library/app:1").names == ("app:1",)
    image_id = sha256(config(ONE, TWO))
    assert (source.image(image_id).names, source.identify("app:1")) == ((), image_id)
    assert source.outline("app:1").diff_ids == (sha256(ONE), sha256(TWO))
    with pytest.raises(NotFound, match="near it: app:1"):
        source.image("app:2")
    with pytest.raises(NotFound, match="is for linux/amd64, expected linux/arm64"):
        source.image("app:1", Platform("linux", "arm64"))


def test_layers_are_known_by_their_diff_ids_whatever_the_files_are_called(tmp_path: Path) -> None:
    source = opened(tmp_path, LISTED, APP)
    assert source.layer_keys("app:1") == (sha256(ONE), sha256(TWO))
    layer = source.layer(sha256(TWO))
    assert (layer.size, str(layer.digest)) == (len(TWO), sha256(TWO))
    with source.open(layer) as content:
        assert b"".join(map(bytes, content.blocks())) == TWO
    for key in ("one.tar", sha256(b""), "../one.tar"):
        with pytest.raises(NotFound):
            source.layer(key)


def test_named_images_are_listed_first_and_each_problem_with_its_image(tmp_path: Path) -> None:
    listed = [item("c", ["one.tar"]), *LISTED, item("c", ["gone.tar"], "a:1")]
    with pytest.raises(MissingMember):
        opened(tmp_path, listed, APP).listings()
    lines = opened(
        tmp_path, [item("c", ["one.tar"]), *LISTED, item("bad", ["one.tar"], "z:1")], APP | {"bad": b"{}"}
    )
    assert [(line.names, bool(line.problem)) for line in lines.listings()] == [
        (("app:1",), False), (("z:1",), True), ((), True),
    ]  # fmt: skip


# ── attacks ──


def test_two_files_of_one_diff_id_are_both_proven(tmp_path: Path) -> None:
    """The engine that takes the other file must not get other bytes."""
    listed = [item("c", ["one.tar", "copy.tar"], "app:1")]
    good: dict[str, Body] = {"c": config(ONE, ONE), "one.tar": ONE, "copy.tar": ONE}
    source = opened(tmp_path, listed, good)
    assert source.layer_keys("app:1") == (sha256(ONE), f"{sha256(ONE)}-2")
    assert verify(source).ok
    report = verify(opened(tmp_path, listed, good | {"copy.tar": ONE.replace(b"1", b"2")}))
    (finding,) = report.errors
    assert finding.subject == f"layer {sha256(ONE)}-2"
    assert not report.images


def test_a_file_of_one_diff_id_may_be_compressed_and_its_twin_not(tmp_path: Path) -> None:
    listed = [item("c", ["one.tar", "one.tgz"], "app:1")]
    files: dict[str, Body] = {
        "c": config(ONE, ONE), "one.tar": ONE, "one.tgz": gzip.compress(ONE, mtime=0),
    }  # fmt: skip
    report = verify(opened(tmp_path, listed, files))
    assert (report.ok, found(report)[0][1]) == (True, [sha256(ONE)] * 2)


@pytest.mark.parametrize("packed", [gzip.compress(TWO), gzip.compress(ONE + bytes(512)), gzip.compress(b"")])
def test_a_layer_that_unpacks_to_other_bytes_is_refused(tmp_path: Path, packed: bytes) -> None:
    source = opened(tmp_path, [item("c", ["l"], "app:1")], {"c": config(ONE), "l": packed})
    (layer,) = source.image("app:1").layers
    with source.open(layer) as content, pytest.raises(Mismatch, match=f"diffID is .*{sha256(ONE)}"):
        transfer(content, layer, nowhere)


def test_layers_proven_by_their_diff_ids_are_not_said_to_be_without_a_digest(tmp_path: Path) -> None:
    source = opened(tmp_path, [item("c", ["l"], "a:1")], {"c": config(ONE), "l": gzip.compress(ONE, mtime=0)})
    assert problems(verify(source)) == []


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"l": Folder()}, "is a directory, expected a file"),
        ({"l/x": ONE}, "has no member 'l'"),
        ({"l": Link("l")}, "follows more than 8 links"),
        ({"l": Link("../x")}, "leads outside"),
        ({"l": Link("gone")}, "which links to 'gone'"),
    ],
)
def test_a_layer_that_is_no_file_is_refused(tmp_path: Path, members: dict[str, Body], problem: str) -> None:
    with pytest.raises(CorruptContent, match=problem):
        opened(tmp_path, [item("c", ["l"], "app:1")], {"c": config(ONE), **members}).image("app:1")


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"c": Folder()}, MissingMember),
        ({"c": ONE}, InvalidDocument),
        ({"c": Link("l")}, InvalidDocument),
        ({"c": b"\0" * (5 << 20)}, UnsafeArchive),
        ({"c": b"[]"}, InvalidDocument),
    ],
    ids=["a folder", "a layer", "a link to the layer", "too large", "a list"],
)
def test_a_config_that_is_none_is_refused(
    tmp_path: Path, members: dict[str, Body], error: type[ToolkitError]
) -> None:
    with pytest.raises(error):
        opened(tmp_path, [item("c", ["l"], "app:1")], {"l": ONE, **members}).image("app:1")


def test_a_layer_that_is_a_link_to_the_config_is_not_what_its_diff_id_says(tmp_path: Path) -> None:
    source = opened(tmp_path, [item("c", ["l"], "app:1")], {"c": config(ONE), "l": Link("c")})
    assert [finding.exit_code for finding in verify(source).errors] == [Mismatch.exit_code]


def test_diff_ids_that_no_engine_reads_are_refused(tmp_path: Path) -> None:
    """Docker takes lower-case sha256 only (formats D.4)."""
    for odd in (f"sha512:{'0' * 128}", "SHA256:" + "0" * 64, "sha256:" + "A" * 64, "md5:" + "0" * 32, ""):
        raw = config(ONE).replace(sha256(ONE).encode(), odd.encode())
        source = opened(tmp_path, [item("c", ["l"], "app:1")], {"c": raw, "l": ONE})
        (line,) = source.listings()
        assert "diff" in line.problem
        with pytest.raises(ToolkitError, match="diff"):
            source.image("app:1")


def test_a_name_that_looks_like_the_id_of_another_image_does_not_hide_it(tmp_path: Path) -> None:
    """Docker takes such a text for an ID first."""
    hidden = sha256(config(TWO))
    listed = [item("c", ["one.tar", "two.tar"], hidden), item("hidden", ["two.tar"])]
    source = opened(tmp_path, listed, APP | {"hidden": config(TWO)})
    assert str(source.image(hidden).config.image_id) == hidden
    assert {image_id for image_id, _ in found(verify(source))} >= {hidden}


def test_a_preference_for_docker_settles_what_the_v1_folders_tell_otherwise(tmp_path: Path) -> None:
    evil = v1_json(A, config={"Cmd": ["/evil"]})
    files: dict[str, Body] = {
        "c": config(ONE), "l": ONE, **v1_folder(A, layer=Link("../l"), json_=evil),
        "repositories": encode({"app": {"1": A}, "evil": {"1": A}}),
    }  # fmt: skip
    listed = [item("c", ["l"], "app:1")]
    with pytest.raises(UnsafeArchive, match="--prefer docker"):
        opened(tmp_path, listed, files).image("app:1")
    preferred = opened(tmp_path, listed, files, "docker")
    assert found(verify(preferred)) == [(sha256(config(ONE)), [sha256(ONE)])]


@pytest.mark.parametrize("prefer", ["docker", "oci"])
def test_a_preference_changes_nothing_where_there_is_one_part(tmp_path: Path, prefer: str) -> None:
    assert verify(opened(tmp_path, LISTED, APP, prefer)).ok


# These would take minutes or gigabytes if anything were looked up by going through all that there is.


def test_ten_thousand_images_and_names_are_looked_up_at_once(tmp_path: Path) -> None:
    configs: dict[str, Body] = {f"c{n}": config(EMPTY, n=n) for n in range(5000)}
    listed = [item(f"c{n}", ["l"], f"a:{n}", f"b:{n}") for n in range(2500)]
    listed += [item(f"c{n}", ["l"]) for n in range(2500, 5000)]
    report = verify(opened(tmp_path, listed, {**configs, "l": EMPTY}))
    names = [name for image in report.images for name in image.names]
    assert (report.ok, len(report.images), len(names)) == (True, 5000, 5000)


def test_tens_of_thousands_of_files_of_one_diff_id_are_told_apart(tmp_path: Path) -> None:
    files: dict[str, Body] = {f"l{n}": b"" for n in range(40 * 1024)}
    listed = [item("c", [f"l{n}" for n in range(m * 1024, (m + 1) * 1024)]) for m in range(40)]
    source = opened(tmp_path, listed, {**files, "c": config(*[b""] * 1024)})
    assert source.layer(f"{sha256(b'')}-40960").size == 0


def test_tens_of_thousands_of_hard_links_are_one_warning(tmp_path: Path) -> None:
    files: dict[str, Body] = {f"h{n}": Link("l", hard=True) for n in range(30_000)}
    configs: dict[str, Body] = {f"c{n}": config(EMPTY, n=n) for n in range(2000)}
    listed = [item(f"c{n}", ["l"], f"a:{n}") for n in range(2000)]
    report = verify(opened(tmp_path, listed, {"l": EMPTY, **files, **configs}))
    (problem,) = problems(report)
    assert "'h0' is a hard link, and 29999 others are; containerd ignores" in problem
