from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.archives import LAYER, ONE, TWO, blob, described, encode, image, layout, sha256, unpacked, written
from tests.follow import Alone, Together, read, tallied, words
from tests.layers import file, folder, hard_link, layer, member, symlink
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import NotFound
from toolkit.event import Event
from toolkit.operations.copy import copy
from toolkit.operations.layersizes import layer_entries, tar_sizes
from toolkit.operations.verify import verify
from toolkit.platform import Platform
from toolkit.plumbing.streams import Stream
from toolkit.report import Report
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.layout import LayoutStore
from toolkit.stores.sample import sample_store

SAMPLE = "ubuntu:14.04"
THREE = layer(file("three", b"333"))
APP, OTHER = image(ONE, TWO), image(THREE)


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return LayoutStore(unpacked(tmp_path / "store", layout(("app:1", APP), ("other:1", OTHER))))


def damage(store: LayoutStore, content: bytes, *, flip: int = -1) -> str:
    """Change one byte of a blob; return its name."""
    path = store.path / blob(sha256(content))
    raw = bytearray(path.read_bytes())
    raw[flip] ^= 1
    path.write_bytes(raw)
    return sha256(content)


def told(report: Report) -> dict[str, str]:
    return {finding.subject: finding.severity for finding in report.findings}


# ── all findings ──


def test_what_is_whole_is_verified(store: LayoutStore) -> None:
    report = verify(store)
    assert (report.ok, report.findings) == (True, ())
    assert [each.names for each in report.images] == [("app:1",), ("other:1",)]


def test_every_damaged_layer_is_found_and_not_the_first_alone(store: LayoutStore) -> None:
    names = {damage(store, content) for content in (ONE, TWO, THREE)}
    report = verify(store)
    assert told(report) == {f"layer {name}": "error" for name in names}
    assert {finding.problem.split(" ")[0] for finding in report.findings} == {"digest"}
    assert {finding.exit_code for finding in report.findings} == {5}
    assert report.images == ()
    assert not report.ok


def test_a_damaged_document_hides_no_other_image(store: LayoutStore) -> None:
    damage(store, APP.config, flip=3)
    damage(store, THREE)
    for report in (verify(store), verify(store, ["app:1", "other:1"])):
        assert len(report.errors) == 2
        assert sha256(APP.config) in report.errors[0].subject + report.errors[0].problem
        assert report.errors[1].subject == f"layer {sha256(THREE)}"


def test_a_sound_image_beside_a_damaged_one_is_verified(store: LayoutStore) -> None:
    damage(store, ONE)
    report = verify(store)
    assert [each.names for each in report.images] == [("other:1",)]


def test_a_finding_of_a_layer_names_every_image_that_has_it(tmp_path: Path) -> None:
    shared, own = image(ONE, TWO), image(ONE, THREE)
    other = image(ONE, TWO, config={"User": "1"})
    store = LayoutStore(unpacked(tmp_path / "s", layout(("a:1", shared), ("b:1", own), ("c:1", other))))
    damage(store, ONE)
    damage(store, THREE)
    names = {finding.subject: finding.images for finding in verify(store).errors}
    assert names == {f"layer {sha256(ONE)}": ("a:1", "b:1", "c:1"), f"layer {sha256(THREE)}": ("b:1",)}
    asked = verify(store, ["c:1"]).errors
    assert [finding.images for finding in asked] == [("c:1",)]
    (store.path / blob(sha256(ONE))).unlink()
    assert {name for finding in verify(store).errors for name in finding.images} == {"a:1", "b:1", "c:1"}


def test_a_missing_or_short_or_swapped_blob_is_found(store: LayoutStore) -> None:
    (store.path / blob(sha256(ONE))).unlink()
    (store.path / blob(sha256(THREE))).write_bytes(THREE[:-512])
    report = verify(store)
    assert len(report.errors) == 2
    path = store.path / blob(sha256(THREE))
    path.unlink()
    path.symlink_to("/etc/hostname")
    report = verify(store, ["other:1"])
    assert [finding.exit_code for finding in report.errors] == [6]


def test_the_named_images_alone_are_verified(store: LayoutStore) -> None:
    damage(store, THREE)
    assert verify(store, ["app:1"]).ok
    assert not verify(store, ["app:1", "other:1"]).ok


def test_a_place_without_images_is_a_warning_and_under_strict_an_error(tmp_path: Path) -> None:
    archive = written(tmp_path / "a.tar", {"manifest.json": b"[]"})
    store = unpacked(tmp_path / "store", layout())
    for place in (open_bundle(archive), LayoutStore(store)):
        report = verify(place)
        assert (report.ok, told(report)) == (True, {place.place: "warning"})
        assert [finding.problem for finding in report.findings] == ["holds no images"]
        assert [finding.severity for finding in verify(place, strict=True).findings] == ["error"]


def test_only_docker_v1_holds_nothing_to_compare_its_layers_with(tmp_path: Path) -> None:
    packed = [gzip.compress(each) for each in (ONE, TWO)]
    types = [f"{LAYER}+gzip"] * 2
    picture = image(*packed, diff_ids=[sha256(ONE), sha256(TWO)], media_types=types)
    source = open_bundle(written(tmp_path / "a.tar", layout(("app:1", picture))))
    problems = {}
    for format_ in ("universal", "docker", "oci", "docker-v1.2", "docker-v1"):
        copy(source, create_bundle(tmp_path / format_, format_), ["app:1"])
        findings = verify(open_bundle(tmp_path / format_)).findings
        problems[format_] = any("records no digest" in finding.problem for finding in findings)
    assert [format_ for format_, found in problems.items() if found] == ["docker-v1"]


def test_where_there_is_nothing_to_report_on_it_fails(tmp_path: Path, store: LayoutStore) -> None:
    with pytest.raises(NotFound, match="nothing:1"):
        verify(store, ["nothing:1"])
    with pytest.raises(NotFound):
        verify(store, ["app:1"], platform=Platform("linux", "s390x"))
    with pytest.raises(NotFound, match="is not there"):
        verify(LayoutStore(tmp_path / "nothing"))


def test_a_wrong_diff_id_of_a_compressed_layer_is_found(tmp_path: Path) -> None:
    """Its digest is right, so that only decompressing it shows."""
    packed = gzip.compress(ONE)
    lie = image(packed, diff_ids=[sha256(TWO)], media_types=[f"{LAYER}+gzip"])
    report = verify(open_bundle(written(tmp_path / "in.tar", layout(("app:1", lie)))))
    (finding,) = report.errors
    assert finding.problem == f"diffID is {sha256(ONE)}, expected {sha256(TWO)}"


def test_two_images_that_claim_different_diff_ids_of_one_blob_are_not_both_verified(tmp_path: Path) -> None:
    packed = gzip.compress(ONE)
    pair = [image(packed, diff_ids=[sha256(each)], media_types=[f"{LAYER}+gzip"]) for each in (ONE, TWO)]
    for one, other in (pair, pair[::-1]):
        path = written(tmp_path / "in.tar", layout(("app:1", one), ("app:2", other)))
        assert not verify(open_bundle(path)).ok


def test_progress_tells_every_byte(store: LayoutStore) -> None:
    told: list[Event] = []
    report = verify(store, progress=told.append)
    assert read(told) == {sha256(content): len(content) for content in (ONE, TWO, THREE)}
    assert tallied(told).done == tallied(told).size
    assert words(told).count("image.begun") == words(told).count("image.done") == len(report.images)


def test_a_blob_that_is_damaged_is_told_as_failed(tmp_path: Path) -> None:
    path = written(tmp_path / "in.tar", layout(("app:1", image(ONE))))
    path.write_bytes(path.read_bytes().replace(ONE, bytes(len(ONE))))
    told: list[Event] = []
    assert not verify(open_bundle(path), progress=told.append).ok
    assert words(told) == ["image.begun", "blob.begun", "blob.failed"]


def test_a_place_far_away_is_read_as_it_wants_to_be(store: LayoutStore) -> None:
    far = Together(store, 3)
    far.at_once = 3  # more than there may be processors
    assert verify(far).ok


def test_jobs_are_as_many_as_asked_for(store: LayoutStore) -> None:
    assert verify(Together(store, 3), jobs=3).ok
    far = Alone(store)
    far.at_once = 3
    assert verify(far, jobs=1).ok


# ── layersize ──


@pytest.fixture
def legacy(tmp_path: Path) -> LayoutStore:
    """The sample's image, carried into a layout: its layers tell their v1 json and layersize."""
    copy(sample_store(tmp_path / "home"), store := LayoutStore(tmp_path / "store"), [SAMPLE])
    return store


@pytest.fixture
def annotate(legacy: LayoutStore) -> Callable[..., LayoutStore]:
    """Change annotations of the base layer, and every digest above it."""

    def change(**facts: str) -> LayoutStore:
        index = json.loads((legacy.path / "index.json").read_bytes())
        manifest: dict[str, Any] = json.loads(
            (legacy.path / blob(index["manifests"][0]["digest"])).read_bytes()
        )
        notes = manifest["layers"][0]["annotations"]
        notes.update({f"io.lading.v1.{key}": text for key, text in facts.items()})
        raw = encode(manifest)
        (legacy.path / blob(sha256(raw))).write_bytes(raw)
        index["manifests"][0] |= described(raw, manifest["mediaType"])
        (legacy.path / "index.json").write_bytes(encode(index))
        return legacy

    return change


def test_the_layersizes_that_travelled_are_right(legacy: LayoutStore) -> None:
    assert verify(legacy, strict=True).findings == ()


def test_a_wrong_layersize_is_a_warning_and_under_strict_an_error(
    annotate: Callable[..., LayoutStore],
) -> None:
    store = annotate(layersize="139897")
    (finding,) = verify(store).findings
    assert finding.severity == "warning"
    assert finding.problem.startswith("layersize is 139897, expected 139896 by S3, ")
    assert verify(store).ok
    strict = verify(store, strict=True)
    assert [(each.severity, each.exit_code) for each in strict.findings] == [("error", 5)]
    assert not strict.ok


@pytest.mark.parametrize("text", ["", "12\n", " 5", "0x10", "99999999999999999999"])
def test_an_unreadable_layersize_is_a_warning(annotate: Callable[..., LayoutStore], text: str) -> None:
    (finding,) = verify(annotate(layersize=text)).findings
    assert (finding.severity, finding.exit_code) == ("warning", 5)
    assert "layersize is" in finding.problem


@pytest.mark.parametrize("rule", ["S2", "S4"])
def test_a_layersize_of_a_rule_that_needs_the_trees_is_left_open(
    annotate: Callable[..., LayoutStore], rule: str
) -> None:
    report = verify(annotate(layersize="139897", rule=rule), strict=True)
    (finding,) = report.findings
    assert finding.severity == "note"
    assert rule in finding.problem
    assert report.ok


def test_a_warning_of_the_source_becomes_an_error_under_strict_once(tmp_path: Path) -> None:
    sample_store(tmp_path)
    store = GraphStore(tmp_path / "sample")
    (tmp_path / "sample/graph" / store.identify(SAMPLE) / "layersize").write_bytes(b"7")
    assert [each.severity for each in verify(store, [SAMPLE]).findings] == ["warning"]
    assert [each.severity for each in verify(store, [SAMPLE], strict=True).findings] == ["error"]


def test_the_sizes_of_a_tar_follow_formats_a_4() -> None:
    """S3 counts a link as long as its target and a hard link not again; S5 what headers state."""
    tar = layer(
        folder("d"), file("d/a", b"12345"), file("d/b", b"123"), symlink("s", "target"), hard_link("h", "d/a"),
        file(".wh.x", b""),
    )  # fmt: skip
    assert tar_sizes(Stream(len(tar), iter([tar]), "x")) == {"S3": 5 + 3 + 6, "S5": 5 + 3}


def test_a_header_that_states_a_size_without_content_counts_for_s5_only() -> None:
    tar = layer(file("d/a", b"12345"), member("h", tarfile.LNKTYPE, bytes(100), linkname="d/a"))
    tar = tar[: 1024 + 512] + bytes(1024)  # tarfile wrote a body for it
    assert tar_sizes(Stream(len(tar), iter([tar]), "x")) == {"S3": 5, "S5": 105}


def test_the_same_holds_in_a_bundle(tmp_path: Path, annotate: Callable[..., LayoutStore]) -> None:
    copy(annotate(layersize="1"), create_bundle(tmp_path / "out.tar"), [SAMPLE])
    (finding,) = verify(open_bundle(tmp_path / "out.tar")).findings
    assert finding.problem.startswith("layersize is 1, expected 139896 by S3, ")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_layer_that_is_no_file_is_walked_in_any_compression(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(ONE)
    with tarfile.open(fileobj=io.BytesIO(ONE)) as ours:
        names = [name.rstrip("/") for name in ours.getnames()]
    stream = Stream(len(packed), iter([packed[:7], packed[7:]]), "layer")
    assert [entry.name.decode().rstrip("/") for entry in layer_entries(stream)] == names
