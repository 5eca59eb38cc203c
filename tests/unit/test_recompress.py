"""A source with its layers in one compression: other blobs and manifests, the same images."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests import registries
from tests.archives import (
    CONFIG,
    INDEX,
    LAYER,
    MANIFEST,
    ONE,
    TWO,
    A,
    B,
    Picture,
    described,
    encode,
    image,
    index,
    layout,
    sha256,
    tar,
    unpacked,
    v1_folder,
    written,
)
from tests.descriptors import open_descriptors
from tests.pictures import docker_saved
from tests.registries import Registry, schema1, signed, three_layers
from toolkit.ancestry import V1Layer
from toolkit.bundles import FORMATS, create_bundle, open_bundle
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, UsageError
from toolkit.image import Image, ProvenImage
from toolkit.operations.copy import copy
from toolkit.operations.recompress import recompressed
from toolkit.operations.verify import verify
from toolkit.places import open_source
from toolkit.platform import Platform
from toolkit.ports import Closes, Source
from toolkit.settings import Settings
from toolkit.stores.layout import LayoutStore

FORMAT_NAMES = [format_.name for format_ in FORMATS if format_.members_of]
SAVED = Path(__file__).parents[1] / "data/vectors/docker2010-save-duplayer.tar"
GZIPPED = gzip.compress(ONE, mtime=0)
MIXED = image(GZIPPED, TWO, diff_ids=[sha256(ONE), sha256(TWO)], media_types=[f"{LAYER}+gzip", LAYER])
Opener = Callable[[Path], Source]
CHOICES = ("gzip", "zstd", "none")
PACKED = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}


@pytest.fixture
def bundle(temporary: Path) -> Iterator[Opener]:
    """Opens bundles, and closes them afterwards."""
    del temporary  # which looks for open descriptors when these are closed
    opened: list[Source] = []

    def open_(path: Path) -> Source:
        opened.append(open_bundle(path))
        return opened[-1]

    yield open_
    for source in opened:
        assert isinstance(source, Closes)
        source.close()


def store(folder: Path, *named: tuple[str, Picture]) -> LayoutStore:
    return LayoutStore(unpacked(folder, layout(*named)))


def carried(
    source: Source, path: Path, compression: str | None, name: str = "app:1", **options: Any
) -> ProvenImage:
    """Copy into a layout, verify that, and return what was carried."""
    with recompressed(source, compression) as packed:
        (found,) = copy(packed, LayoutStore(path), [name], **options)
    report = verify(LayoutStore(path))
    assert report.ok, report.errors
    assert report.images[0].documents == found.documents
    return found


def blobs_of(path: Path, picture: Image) -> list[bytes]:
    return [(path / "blobs/sha256" / layer.digest.hex).read_bytes() for layer, _ in picture.layers]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder that is empty before and after, and no descriptor that stays open."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = open_descriptors()
    yield folder
    assert os.listdir(folder) == []
    assert open_descriptors() == before


def test_a_round_trip_keeps_configs_and_diff_ids(tmp_path: Path) -> None:
    picture = docker_saved(SAVED)
    source: Source = store(tmp_path / "0", ("app:1", picture))
    found = []
    for number, compression in enumerate(("gzip", "zstd", "none", "zstd", "gzip"), 1):
        path = tmp_path / str(number)
        proven = carried(source, path, compression)
        (one,) = proven.images()
        assert one.config.raw == picture.config
        assert {blob[:2] for blob in blobs_of(path, one)} == {
            {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5", "none": blobs_of(path, one)[0][:2]}[compression]
        }
        found.append(proven.top.digest)
        source = LayoutStore(path)
    assert found[2] == Digest.of(picture.raw)  # plain again: the very manifest that it was
    assert found[0] == found[4]
    assert found[1] == found[3]


@pytest.mark.parametrize("compression", CHOICES)
def test_only_what_is_packed_otherwise_is_packed_anew(tmp_path: Path, compression: str) -> None:
    proven = carried(store(tmp_path / "in", ("app:1", MIXED)), tmp_path / "out", compression)
    (one,) = proven.images()
    first, second = blobs_of(tmp_path / "out", one)
    assert (first == GZIPPED) == (compression == "gzip")
    assert (second == TWO) == (compression == "none")
    names = {path.name for path in (tmp_path / "out/blobs/sha256").iterdir()}
    assert {f"sha256:{name}" for name in names} == {
        *(sha256(blob) for blob in (first, second)),
        sha256(one.config.raw),
        sha256(one.manifest.raw),
    }


def test_an_image_with_nothing_to_do_passes_through(tmp_path: Path) -> None:
    source = store(tmp_path / "in", ("app:1", image(ONE, TWO)))
    with recompressed(source, "none") as packed:
        assert packed.image("app:1") == source.image("app:1")
    with recompressed(source, None) as packed:
        assert packed is source


def test_bytes_count_and_not_media_types(tmp_path: Path) -> None:
    docker = "application/vnd.docker.image.rootfs.diff.tar"
    picture = image(GZIPPED, TWO, diff_ids=[sha256(ONE), sha256(TWO)], media_types=[docker, f"{docker}.gzip"])
    (one,) = carried(store(tmp_path / "in", ("app:1", picture)), tmp_path / "out", "gzip").images()
    assert [layer.media_type for layer, _ in one.layers] == [docker, f"{docker}.gzip"]
    assert blobs_of(tmp_path / "out", one)[0] == GZIPPED
    assert gzip.decompress(blobs_of(tmp_path / "out", one)[1]) == TWO


@pytest.mark.parametrize("format_name", FORMAT_NAMES)
@pytest.mark.parametrize("compression", CHOICES)
def test_every_bundle_takes_them(tmp_path: Path, bundle: Opener, format_name: str, compression: str) -> None:
    source = store(tmp_path / "in", ("app:1", MIXED))
    with recompressed(source, compression) as packed:
        copy(packed, create_bundle(tmp_path / "b.tar", format_name), ["app:1"])
    report = verify(bundle(tmp_path / "b.tar"))
    assert report.ok, report.errors
    (one,) = report.images[0].images()
    assert [str(diff_id) for diff_id in one.config.diff_ids] == [sha256(ONE), sha256(TWO)]
    marks = {layer.media_type.rpartition("tar")[2] for layer, _ in one.layers}
    assert marks == {"" if compression == "none" else f"+{compression}"}


def test_layers_that_become_the_same_blob_are_one(tmp_path: Path) -> None:
    packed = [gzip.compress(ONE, level, mtime=0) for level in (0, 9)]
    types = [f"{LAYER}+gzip"] * 2
    picture = image(*packed, diff_ids=[sha256(ONE)] * 2, media_types=types)
    proven = carried(store(tmp_path / "in", ("app:1", picture)), tmp_path / "out", "zstd")
    (one,) = proven.images()
    assert one.manifest.layers[0] == one.manifest.layers[1]
    assert len(proven.blobs) == 1


def test_all_platforms_of_an_index_are_packed_and_one_alone_where_it_is_asked_for(tmp_path: Path) -> None:
    arm = image(ONE, tar({"arm": b"arm"}), architecture="arm64")
    source = store(tmp_path / "in", ("app:1", index(MIXED, arm)))
    whole = carried(source, tmp_path / "all", "zstd")
    assert whole.top.media_type == INDEX
    assert [str(one.config.platform) for one in whole.images()] == ["linux/amd64", "linux/arm64"]
    for one in whole.images():
        assert all(blob.startswith(PACKED["zstd"]) for blob in blobs_of(tmp_path / "all", one))
    alone = carried(source, tmp_path / "one", "zstd", platform=Platform("linux", "arm64"))
    assert alone.top.digest == Digest.of(whole.images()[1].manifest.raw)


def artifact(*layers: tuple[bytes, str], **members: Any) -> Picture:
    """Return a manifest that is no image."""
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [described(raw, media_type) for raw, media_type in layers],
        **members,
    }
    raw = encode(body)
    return Picture(raw, MANIFEST, {sha256(each): each for each in (raw, b"{}", *(raw for raw, _ in layers))})


def test_the_content_of_an_artifact_is_never_touched(tmp_path: Path) -> None:
    chart = artifact((b"a chart", "application/x"), (ONE, LAYER))
    source = store(tmp_path / "in", ("chart:1", chart), ("app:1", index(image(ONE, TWO), chart)))
    with recompressed(source, "gzip") as packed:
        assert packed.image("chart:1") == source.image("chart:1")
    proven = carried(source, tmp_path / "out", "gzip")
    assert proven.documents[Digest.of(chart.raw)].raw == chart.raw
    there = {path.name for path in (tmp_path / "out/blobs/sha256").iterdir()}
    assert Digest.of(ONE).hex in there  # the artifact still names it
    assert Digest.of(TWO).hex not in there


def test_a_signature_of_an_old_manifest_is_told(tmp_path: Path) -> None:
    app = image(ONE)
    signature = artifact((b"signed", "application/x"), subject=described(app.raw, MANIFEST))
    proven = carried(store(tmp_path / "in", ("app:1", index(app, signature))), tmp_path / "out", "zstd")
    (told,) = [finding for finding in proven.findings if finding.severity == "warning"]
    assert told.subject == f"manifest {signature.digest}"
    assert f"speaks of manifest {app.digest}, which is now " in told.problem


def test_a_manifest_that_is_incomplete_keeps_what_is_there_of_it(tmp_path: Path) -> None:
    arm = image(ONE, tar({"gone": b""}), architecture="arm64", subject=described(b"", "x"))
    files = layout(("app:1", index(image(ONE, TWO), arm)))
    del files[f"blobs/sha256/{arm.layers[1].removeprefix('sha256:')}"]
    source = LayoutStore(unpacked(tmp_path / "in", files))
    proven = carried(source, tmp_path / "out", "gzip")
    assert len(proven.images()) == 1
    blobs = {str(blob.digest) for blob in proven.blobs}
    assert {sha256(ONE), arm.digest} <= blobs
    assert sha256(TWO) not in blobs


def test_a_damaged_manifest_beside_is_refused(tmp_path: Path) -> None:
    arm = image(ONE, tar({"gone": b""}), architecture="arm64")
    files = layout(("app:1", index(image(ONE, TWO), arm)))
    del files[f"blobs/sha256/{arm.layers[1].removeprefix('sha256:')}"]
    name = f"blobs/sha256/{arm.digest.removeprefix('sha256:')}"
    files[name] = files[name].replace(b"arm64", b"ARM64").replace(b'"size"', b'"siZe"')
    source = LayoutStore(unpacked(tmp_path / "in", files))
    with recompressed(source, "gzip") as packed, pytest.raises(CorruptContent):
        packed.image("app:1")


@pytest.mark.parametrize("compression", CHOICES)
def test_a_legacy_image_keeps_what_its_layers_are_told_by(
    tmp_path: Path, bundle: Opener, compression: str
) -> None:
    files = {**v1_folder(A, "", ONE), **v1_folder(B, A, gzip.compress(TWO, mtime=0))}
    path = written(tmp_path / "v1.tar", {**files, "repositories": encode({"app": {"1": B}})})
    before = carried(bundle(path), tmp_path / "before", None)
    after = carried(bundle(path), tmp_path / "after", compression)
    (old,), (new,) = before.images(), after.images()
    assert new.config.raw == old.config.raw
    annotations = [[dict(layer.annotations) for layer, _ in one.layers] for one in (old, new)]
    assert annotations[0] == annotations[1]
    chain = [V1Layer.from_annotations(each, "") for each in annotations[1]]
    assert [layer.id for layer in chain if layer] == [A, B]
    marks = {layer.media_type.rpartition("tar")[2] for layer, _ in new.layers}
    assert marks == {"" if compression == "none" else f"+{compression}"}


def test_one_that_was_legacy_gives_the_same_manifest_on_every_way(tmp_path: Path, bundle: Opener) -> None:
    files = {**v1_folder(A, "", ONE), **v1_folder(B, A, TWO)}
    path = written(tmp_path / "v1.tar", {**files, "repositories": encode({"app": {"1": B}})})
    straight = carried(bundle(path), tmp_path / "straight", "zstd")
    carried(bundle(path), tmp_path / "plain", None)
    later = carried(LayoutStore(tmp_path / "plain"), tmp_path / "later", "zstd")
    assert straight.top.digest == later.top.digest


def test_a_damaged_layer_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    files = layout(("app:1", image(ONE, TWO)))
    files[f"blobs/sha256/{Digest.of(TWO).hex}"] = TWO.replace(b"22", b"33")
    source = LayoutStore(unpacked(tmp_path / "in", files))
    with recompressed(source, "gzip") as packed, pytest.raises(Mismatch, match="digest is"):
        copy(packed, LayoutStore(tmp_path / "out"), ["app:1"])
    assert not (tmp_path / "out").exists()


def test_it_is_told_that_old_dockers_read_no_zstd(tmp_path: Path) -> None:
    source = store(tmp_path / "in", ("app:1", image(ONE)))
    for compression, expected in (("zstd", 1), ("gzip", 0)):
        proven = carried(source, tmp_path / compression, compression)
        assert sum("since version 23" in finding.problem for finding in proven.findings) == expected


def test_new_layers_are_found_by_their_keys(tmp_path: Path) -> None:
    source = store(tmp_path / "in", ("app:1", MIXED))
    with recompressed(source, "zstd") as packed:
        keys = packed.layer_keys("app:1")
        assert keys == tuple(layer.key for layer in packed.image("app:1").layers)
        for key, plain in zip(keys, (ONE, TWO), strict=True):
            layer = packed.layer(key)
            with packed.open(layer) as content:
                raw = b"".join(map(bytes, content.blocks()))
            assert (sha256(raw), len(raw)) == (key, layer.size)
            assert zstandard.ZstdDecompressor().decompress(raw) == plain
        assert packed.layer(sha256(TWO)) == source.layer(sha256(TWO))
        assert packed.identify("app:1") != source.identify("app:1")
        assert [line.names for line in packed.listings()] == [("app:1",)]


def test_a_level_without_a_compression_is_a_usage_error(tmp_path: Path) -> None:
    source = store(tmp_path / "in", ("app:1", MIXED))
    for compression in (None, "none"):
        with pytest.raises(UsageError, match="level 3: means nothing without a compression"):
            recompressed(source, compression, 3)
    with pytest.raises(UsageError, match="level 23: is none of zstd, expected 1 to 22"):
        recompressed(source, "zstd", 23)


def test_the_documents_are_valid_for_any_reader(tmp_path: Path) -> None:
    """By hand, from the files: every descriptor names a file of that digest and size."""
    source = store(tmp_path / "in", ("app:1", index(MIXED, image(TWO, architecture="arm64"))))
    carried(source, tmp_path / "out", "zstd")
    seen = 0
    ahead = json.loads((tmp_path / "out/index.json").read_bytes())["manifests"]
    while ahead:
        descriptor = ahead.pop()
        raw = (tmp_path / "out/blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
        assert (sha256(raw), len(raw)) == (descriptor["digest"], descriptor["size"])
        seen += 1
        if descriptor["mediaType"] in {INDEX, MANIFEST}:
            body = json.loads(raw)
            ahead += [
                *body.get("manifests", []),
                *body.get("layers", []),
                *([body["config"]] if "config" in body else []),
            ]
        elif descriptor["mediaType"] != CONFIG:
            assert descriptor["mediaType"] == f"{LAYER}+zstd"
            assert raw.startswith(PACKED["zstd"])
    assert seen == 1 + 2 + 2 + 3


@pytest.mark.parametrize("compression", CHOICES)
def test_a_manifest_of_schema_1_keeps_its_image_id(tmp_path: Path, compression: str) -> None:
    """Its layers have digests, and no diffID before they are read: what is promised of them is no proof."""
    registry = Registry(tmp_path / "disk")
    raw = schema1(three_layers(thrown_away=True))
    registry.push_schema1(
        "old:1", signed(raw), sha256(raw), [registries.BASE, registries.EMPTY, registries.TOP]
    )
    source = open_source(f"registry-root:{tmp_path / 'disk'}", Settings(home=tmp_path))
    (as_it_is,) = copy(source, LayoutStore(tmp_path / "kept"), ["old:1"])
    with recompressed(source, compression) as packed:
        (made,) = copy(packed, LayoutStore(tmp_path / "packed"), ["old:1"])
    assert [one.config.raw for one in made.images()] == [one.config.raw for one in as_it_is.images()]
    assert not verify(LayoutStore(tmp_path / "packed")).errors
