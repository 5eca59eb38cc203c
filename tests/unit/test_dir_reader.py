"""skopeo's folder of one image, and a tar of it (formats D.3.7)."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.archives import LAYER, MANIFEST, ONE, TWO, Picture, encode, image, index, sha256, unpacked, written
from tests.conformance import content
from toolkit.bundles import open_bundle
from toolkit.bundles.dir_reader import DirBundle, is_dir
from toolkit.errors import (
    CorruptContent,
    InvalidDocument,
    Mismatch,
    MissingMember,
    NotFound,
    ToolkitError,
    UnsafeArchive,
    Unsupported,
)
from toolkit.operations.verify import verify
from toolkit.platform import Platform
from toolkit.report import Report

VERSION = b"Directory Transport Version: 1.1\n"  # as skopeo 1.9.3 writes it
APP = image(ONE, TWO)
ARM = image(TWO, architecture="arm64")
BOTH = index(APP, ARM)
Files = dict[str, bytes]
Opened = Callable[[Files], DirBundle]


def files_of(picture: Picture) -> Files:
    """Return the folder that skopeo makes of an image, with an index's manifests under their own names."""
    found = {"version": VERSION, "manifest.json": picture.raw}
    for digest, raw in picture.blobs.items():
        if raw != picture.raw:
            is_manifest = raw.startswith(b'{"schemaVersion"')
            found[digest[7:] + (".manifest.json" if is_manifest else "")] = raw
    return found


@pytest.fixture(params=["folder", "tar", "tar with dots"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Open some files, wherever they lie."""

    def open_(files: Files) -> DirBundle:
        if request.param == "folder":
            source = open_bundle(unpacked(tmp_path / "d", files))
        else:
            dots = "./" if request.param == "tar with dots" else ""
            named = {f"{dots}{name}": raw for name, raw in files.items()}
            source = open_bundle(written(tmp_path / "d.tar", named))
        assert isinstance(source, DirBundle)
        return source

    return open_


def only(source: DirBundle) -> Report:
    report = verify(source)
    assert len(report.images) == 1 or not report.ok
    return report


def test_the_one_image_is_read_and_proven(opened: Opened) -> None:
    source = opened(files_of(APP))
    report = only(source)
    assert (report.ok, report.findings) == (True, ())
    (proven,) = report.images
    assert (str(proven.top.digest), proven.documents[proven.top.digest].raw) == (APP.digest, APP.raw)
    assert [str(blob.digest) for blob in proven.blobs] == [sha256(ONE), sha256(TWO)]
    assert [content(source, layer) for layer in source.image(APP.digest).layers] == [ONE, TWO]


def test_it_has_no_name_and_is_asked_for_by_its_id_or_digest(opened: Opened) -> None:
    source = opened(files_of(APP))
    (line,) = source.listings()
    assert (line.names, line.id) == ((), sha256(APP.config))
    for name in (sha256(APP.config), APP.digest):
        assert source.identify(name) == APP.digest
        assert source.image(name).names == ()
    with pytest.raises(NotFound):
        source.image("app:1")


def test_an_index_keeps_every_platform(opened: Opened) -> None:
    source = opened(files_of(BOTH))
    (proven,) = only(source).images
    assert str(proven.top.digest) == BOTH.digest
    assert [str(each.config.platform) for each in proven.images()] == ["linux/amd64", "linux/arm64"]
    arm = source.image(BOTH.digest, Platform("linux", "arm64"))
    assert str(arm.top.digest) == ARM.digest


def test_a_manifest_without_a_media_type_is_one_of_oci_by_what_it_has(opened: Opened) -> None:
    raw = APP.raw.replace(f'"mediaType":"{MANIFEST}",'.encode(), b"", 1)
    assert len(raw) < len(APP.raw)
    files = files_of(APP) | {"manifest.json": raw}
    (proven,) = only(opened(files)).images
    assert (proven.top.media_type, str(proven.top.digest)) == (MANIFEST, sha256(raw))


def test_what_docker_calls_a_manifest_is_one(opened: Opened) -> None:
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    types = [f"application/vnd.docker.image.rootfs.diff.tar{suffix}" for suffix in ("", ".gzip")]
    packed = gzip.compress(TWO, mtime=0)
    picture = image(ONE, packed, diff_ids=[sha256(ONE), sha256(TWO)], media_types=types)
    raw = picture.raw.replace(MANIFEST.encode(), docker.encode(), 1)
    raw = raw.replace(b"application/vnd.oci.image.config.v1", b"application/vnd.docker.container.image.v1")
    files = files_of(picture) | {"manifest.json": raw}
    (proven,) = only(opened(files)).images
    assert (proven.top.media_type, set(proven.compressions)) == (docker, {"", "gzip"})


def test_a_sha512_blob_is_named_by_its_128_digits(opened: Opened) -> None:
    long = hashlib.sha512(ONE).hexdigest()
    picture = image(ONE)
    raw = picture.raw.replace(sha256(ONE).encode(), f"sha512:{long}".encode())
    files = {"version": VERSION, "manifest.json": raw, sha256(picture.config)[7:]: picture.config, long: ONE}
    (proven,) = only(opened(files)).images
    assert [str(blob.digest) for blob in proven.blobs] == [f"sha512:{long}"]


def test_a_media_type_that_tells_another_compression_is_a_warning(opened: Opened) -> None:
    picture = image(gzip.compress(ONE, mtime=0), diff_ids=[sha256(ONE)], media_types=[LAYER])
    report = only(opened(files_of(picture)))
    assert report.ok
    (finding,) = report.findings
    assert (finding.severity, finding.expected, finding.found) == ("warning", "not compressed", "gzip")
    assert "is gzip, and not compressed by its media type" in finding.problem


def test_plain_layers_that_are_called_compressed_are_one_note(opened: Opened) -> None:
    picture = image(ONE, TWO, media_types=["application/vnd.docker.image.rootfs.diff.tar.gzip"] * 2)
    (finding,) = only(opened(files_of(picture))).findings
    assert (finding.subject, finding.severity) == (f"image {sha256(picture.config)}", "note")
    assert "calls layers compressed that are not" in finding.problem


def test_signatures_are_told_to_stay_behind(opened: Opened) -> None:
    source = opened(files_of(APP) | {"signature-1": b"\0sigstore-json\n{}"})
    (finding,) = source.image(APP.digest).findings
    assert (finding.severity, "signatures" in finding.problem) == ("note", True)


def test_other_files_change_nothing(opened: Opened) -> None:
    files = files_of(APP) | {"README": b"", "0" * 64: b"nobody refers to it"}
    assert only(opened(files)).findings == ()


# ── what is wrong with it ──


def without(files: Mapping[str, bytes], digest: str) -> Files:
    return {name: raw for name, raw in files.items() if not name.startswith(digest[7:])}


@pytest.mark.parametrize("gone", [sha256(APP.config), sha256(ONE), sha256(TWO)])
def test_a_file_that_is_missing_is_told(opened: Opened, gone: str) -> None:
    with pytest.raises(MissingMember, match=gone):
        opened(without(files_of(APP), gone)).image(APP.digest)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({sha256(ONE)[7:]: ONE + b"\0"}, Mismatch),
        ({sha256(APP.config)[7:]: APP.config.replace(b"linux", b"Linux")}, Mismatch),
        ({"manifest.json": b"{}"}, CorruptContent),
        ({"manifest.json": encode({"schemaVersion": 1, "fsLayers": []})}, Unsupported),
        ({"manifest.json": b"[]"}, ToolkitError),
        ({"manifest.json": b"{"}, InvalidDocument),
        ({"manifest.json": encode({"schemaVersion": 2, "mediaType": 7})}, InvalidDocument),
    ],
)
def test_what_is_broken_is_refused(opened: Opened, changed: Files, error: type[ToolkitError]) -> None:
    with pytest.raises(error):
        opened(files_of(APP) | changed).image(sha256(changed.get("manifest.json", APP.raw)))


def test_a_manifest_of_a_kind_that_nobody_knows_is_told(opened: Opened) -> None:
    raw = encode({"schemaVersion": 2, "mediaType": "text/plain"})
    with pytest.raises(Unsupported, match="text/plain"):
        opened(files_of(APP) | {"manifest.json": raw})


def test_a_layer_of_other_bytes_is_refused_where_they_flow(opened: Opened) -> None:
    wrong = bytes(len(ONE))
    report = verify(opened(files_of(APP) | {sha256(ONE)[7:]: wrong}))
    (error,) = report.errors
    assert (error.exit_code, sha256(wrong) in error.problem) == (5, True)


@pytest.mark.parametrize("name", [sha256(APP.config)[7:], sha256(ONE)[7:], "manifest.json"])
def test_no_link_in_a_folder_is_followed(tmp_path: Path, name: str) -> None:
    folder = unpacked(tmp_path / "d", files_of(APP))
    (folder / name).rename(tmp_path / "outside")
    (folder / name).symlink_to("../outside")
    with pytest.raises(ToolkitError):
        open_bundle(folder).image(APP.digest)


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "d", files_of(APP))
    path = folder / sha256(ONE)[7:]
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UnsafeArchive, match="expected a regular file"):
        open_bundle(folder).image(APP.digest)


def test_a_folder_without_a_manifest_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingMember, match=r"has no manifest\.json"):
        open_bundle(unpacked(tmp_path / "d", {"version": VERSION}))


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (VERSION, True),
        (b"Directory Transport Version: 2.0\n", True),
        (None, False),
        (b"", False),
        (b"1.0", False),
        (b" " + VERSION, False),
    ],
)
def test_a_dir_is_known_by_its_version_file(version: bytes | None, expected: bool) -> None:  # noqa: FBT001
    assert is_dir(version) == expected


def test_what_skopeo_wrote_is_read(corpus: Path) -> None:
    source = open_bundle(corpus / "bundles" / "skopeo-dir.tar")
    assert isinstance(source, DirBundle)
    (line,) = source.listings()
    assert line.id == "sha256:5b329b596366519f28fc2233ef2199e77f495064e5012315649e9b5fbf5efc00"
    assert verify(source).ok
