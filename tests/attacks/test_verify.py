"""Bundles with several things wrong at once: none of them hides another, nor what is sound beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    Body,
    Picture,
    blob,
    described,
    docker_item,
    encode,
    image,
    layout,
    sha256,
    tar,
    v1_folder,
    written,
)
from tests.layers import file, layer
from toolkit.bundles import open_bundle
from toolkit.operations.verify import verify
from toolkit.ports import Closes
from toolkit.report import DEPTHS, Report

LAYERS = {name: tar({name: name.encode() * 99}) for name in "abcdefg"}
PICTURES = {f"{name}:1": image(content, author=name) for name, content in LAYERS.items()}
SOUND = {"g:1"}
IDS = {name: name * 64 for name in "abcdef"}


def verified(path: Path, *names: str, **words: Any) -> Report:
    bundle = open_bundle(path)
    try:
        return verify(bundle, names, **words)
    finally:
        assert isinstance(bundle, Closes)
        bundle.close()


def flipped(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def names_of(report: Report) -> set[str]:
    return {name for proven in report.images for name in proven.names}


def told(report: Report) -> list[tuple[str, str]]:
    return sorted((each.check, each.subject) for each in report.errors)


def oci_files(*, damage: bool = True) -> dict[str, Body]:
    """A layout of seven images; of six each lacks something else of its integrity."""
    files: dict[str, Body] = dict(layout(*PICTURES.items()))
    if not damage:
        return files
    for name, victim in (
        ("a:1", sha256(LAYERS["a"])),
        ("b:1", sha256(PICTURES["b:1"].config)),
        ("c:1", PICTURES["c:1"].digest),
    ):
        content = PICTURES[name].blobs[victim]
        files[blob(victim)] = flipped(content)
    del files[blob(sha256(LAYERS["d"]))]
    del files[blob(sha256(PICTURES["e:1"].config))]
    short = LAYERS["f"][:-512]
    files[blob(sha256(LAYERS["f"]))] = short
    return files


OCI_ERRORS = sorted(
    [
        ("digest", f"layer {sha256(LAYERS['a'])}"),
        ("digest", f"blob {sha256(PICTURES['b:1'].config)}"),
        ("digest", f"blob {PICTURES['c:1'].digest}"),
        ("missing", f"blob {sha256(LAYERS['d'])}"),
        ("missing", f"blob {sha256(PICTURES['e:1'].config)}"),
        ("size", f"blob {sha256(LAYERS['f'])}"),
    ]
)


@pytest.mark.parametrize("depth", ["full", "deep"])
def test_of_a_layout_every_damage_is_told(tmp_path: Path, depth: str) -> None:
    report = verified(written(tmp_path / "x.tar", oci_files()), depth=depth)
    assert told(report) == OCI_ERRORS
    assert (names_of(report), report.verdict) == (SOUND, "corrupt")


def test_fast_tells_all_of_it_but_the_layer_that_it_did_not_read(tmp_path: Path) -> None:
    report = verified(written(tmp_path / "x.tar", oci_files()), depth="fast")
    assert told(report) == [each for each in OCI_ERRORS if not each[1].startswith("layer ")]
    assert names_of(report) == {"a:1", *SOUND}


def with_manifest(files: dict[str, Body], *left_out: str) -> dict[str, Body]:
    items = [docker_item(each, name) for name, each in PICTURES.items() if name not in left_out]
    return {**files, "manifest.json": encode(items)}


def test_beside_a_manifest_json_too(tmp_path: Path) -> None:
    """What both list is told of twice: where it is not there, and where it is not what it is called by."""
    report = verified(written(tmp_path / "x.tar", with_manifest(oci_files())))
    assert set(OCI_ERRORS) <= set(told(report))
    others = set(told(report)) - set(OCI_ERRORS)
    place, config = str(tmp_path / "x.tar"), blob(sha256(PICTURES["b:1"].config))
    assert others == {("missing", place), ("file-name", f"config {config!r} of {place}")}
    assert names_of(report) == SOUND


def test_every_name_that_two_parts_differ_in_is_told(tmp_path: Path) -> None:
    files = with_manifest(oci_files(damage=False), "e:1", "f:1")
    swapped: list[dict[str, Any]] = json.loads(bytes(files["manifest.json"]))  # type: ignore[arg-type]
    swapped[0]["RepoTags"], swapped[1]["RepoTags"] = ["b:1"], ["a:1"]
    swapped[2]["RepoTags"] = ["evil:1"]
    swapped[3]["Layers"] = swapped[0]["Layers"]
    report = verified(written(tmp_path / "x.tar", {**files, "manifest.json": encode(swapped)}))
    problems = [each.problem for each in report.errors]
    for part in ("as 'b:1' in its OCI part", "as 'a:1' in its OCI part", "'evil:1' in manifest.json and not"):
        assert any(part in problem for problem in problems)
    assert any("with other layers in manifest.json" in problem for problem in problems)
    assert any("'c:1' in its OCI part, and without that name" in problem for problem in problems)
    assert len(problems) == 5
    assert {each.exit_code for each in report.errors} == {6}
    assert names_of(report) == set(PICTURES)  # by the OCI part all are what they should be


def test_two_parts_that_differ_and_a_damaged_layer_are_both_told(tmp_path: Path) -> None:
    files = oci_files(damage=False)
    items = [docker_item(PICTURES["a:1"], "b:1")]
    files |= {"manifest.json": encode(items), blob(sha256(LAYERS["c"])): flipped(LAYERS["c"])}
    report = verified(written(tmp_path / "x.tar", files))
    assert [each.exit_code for each in report.errors] == [
        6,
        6,
        5,
    ]  # a name that is another image, and one that is missing
    assert names_of(report) == set(PICTURES) - {"c:1"}


def docker_files(*, damage: bool = True) -> dict[str, Body]:
    """As `docker save` of 1.10 and later, without an OCI part."""
    files: dict[str, Body] = {}
    items = []
    for name, picture in PICTURES.items():
        letter = name[0]
        config, member = f"{sha256(picture.config)[7:]}.json", f"{letter}/layer.tar"
        files |= {config: picture.config, member: LAYERS[letter]}
        items.append({"Config": config, "RepoTags": [name], "Layers": [member]})
    if damage:
        files["a/layer.tar"] = flipped(LAYERS["a"])
        files[str(items[1]["Config"])] = flipped(PICTURES["b:1"].config)
        files[str(items[2]["Config"])] = PICTURES["c:1"].config[:-5]
        del files["d/layer.tar"]
        items[4]["Layers"] = ["e/layer.tar", "e/layer.tar"]
        items[5]["RepoTags"] = ["F@sha256:x"]
    return {**files, "manifest.json": encode(items)}


def test_of_an_archive_of_docker_every_damage_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "x.tar", docker_files())
    report = verified(path)
    checks = [each.check for each in report.errors]
    assert sorted(checks) == ["digest", "document", "file-name", "file-name", "missing", "structure"]
    assert names_of(report) == SOUND


def v1_files(*, damage: bool = True) -> dict[str, Body]:
    """As `docker save` up to 1.9: a chain of two, and four bases."""
    files: dict[str, Body] = {}
    for letter, id_ in IDS.items():
        files |= v1_folder(id_, IDS["a"] if letter == "b" else "", LAYERS[letter])
    names = {letter: {"1": id_} for letter, id_ in IDS.items()}
    if damage:
        files[f"{IDS['c']}/json"] = b"{"
        files[f"{IDS['d']}/json"] = encode({"id": IDS["e"]})
        del files[f"{IDS['e']}/layer.tar"]
        names["x"] = {"1": "9" * 64}
    return {**files, "repositories": encode(names)}


def test_of_an_archive_of_old_docker_every_damage_is_told(tmp_path: Path) -> None:
    report = verified(written(tmp_path / "x.tar", v1_files()))
    text = "\n".join(f"{each.subject}: {each.problem}" for each in report.errors)
    for part in (
        "v1 json of layer ccc",
        f"layer {'e' * 12} in folder 'ddd",
        "eee/layer.tar'",
        "image x:1: is layer",
    ):
        assert part in text
    assert names_of(report) == {"a:1", "b:1", "f:1"}


def test_layers_in_a_circle_hide_no_other_damage(tmp_path: Path) -> None:
    """No image needs to have them: Docker up to 1.9 takes every folder in."""
    files = v1_files(damage=False) | v1_folder("8" * 64, "9" * 64) | v1_folder("9" * 64, "8" * 64)
    files |= v1_folder("7" * 64, "7" * 64) | {f"{IDS['c']}/json": b"{"}
    report = verified(written(tmp_path / "x.tar", files))
    circles = [each.subject for each in report.errors if each.problem == "is its own ancestor"]
    assert len(circles) == len(set(circles)) == 2
    assert "document" in {each.check for each in report.errors}
    assert names_of(report) == {"a:1", "b:1", "d:1", "e:1", "f:1"}


def test_what_cannot_be_read_of_one_part_is_held_against_nothing(tmp_path: Path) -> None:
    """Of a config that is damaged nobody can say which names its image lacks elsewhere."""
    files = with_manifest(oci_files(damage=False), "b:1")
    victim = sha256(PICTURES["a:1"].config)
    report = verified(written(tmp_path / "x.tar", {**files, blob(victim): flipped(PICTURES["a:1"].config)}))
    assert {each.check for each in report.errors} == {"digest", "file-name"}


def test_names_that_cannot_be_read_hide_no_layer(tmp_path: Path) -> None:
    files = {**v1_files(damage=False), "repositories": b"{", f"{IDS['a']}/layer.tar": layer(file("../x"))}
    report = verified(written(tmp_path / "x.tar", files), depth="deep")
    assert sorted(each.check for each in report.errors) == ["document", "escape"]


@pytest.mark.parametrize("broken", [b"{", b"[]", b'{"app":{"1":"9"}}'])
def test_a_damaged_v1_part_hides_no_layer_of_manifest_json(tmp_path: Path, broken: bytes) -> None:
    files = docker_files(damage=False)
    files |= {**v1_folder(IDS["f"]), f"{IDS['e']}/json": b"{", "repositories": broken}
    files["a/layer.tar"] = flipped(LAYERS["a"])
    report = verified(written(tmp_path / "x.tar", files))
    checks = {each.check for each in report.errors}
    assert {"digest", "document"} <= checks
    assert names_of(report) == set(PICTURES) - {"a:1"}


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("files", [oci_files, docker_files, v1_files])
def test_what_is_whole_is_told_as_that(tmp_path: Path, files: Any, depth: str) -> None:
    report = verified(written(tmp_path / "x.tar", files(damage=False)), depth=depth)
    assert report.ok
    assert {each.severity for each in report.findings} <= {"note"}


def test_an_index_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    files = {**oci_files(damage=False), "index.json": b"{"}
    (finding,) = verified(written(tmp_path / "x.tar", files)).findings
    assert (finding.check, finding.exit_code) == ("document", 5)


def test_one_damaged_platform_of_an_index_hides_no_other_damage(tmp_path: Path) -> None:
    arm = image(LAYERS["b"], architecture="arm64")
    pictures: Iterable[Picture] = (PICTURES["a:1"], arm)
    listed = [described(each.raw, each.media_type, platform=each.platform) for each in pictures]
    raw = encode(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": listed}
    )
    both = Picture(
        raw,
        "application/vnd.oci.image.index.v1+json",
        {sha256(raw): raw, **arm.blobs, **PICTURES["a:1"].blobs},
    )
    files: dict[str, Body] = dict(layout(("app:1", both), ("g:1", PICTURES["g:1"])))
    for content in (LAYERS["a"], LAYERS["b"], LAYERS["g"]):
        files[blob(sha256(content))] = flipped(content)
    report = verified(written(tmp_path / "x.tar", files))
    assert [each.check for each in report.errors] == ["digest"] * 3
