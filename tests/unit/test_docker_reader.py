"""Archives whose images manifest.json lists: those of Docker, skopeo and crane, and hand-made ones."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.archives import EMPTY, ONE, TWO, A, B, Body, Link, encode, image, sha256, tar, v1_folder, written
from tests.conformance import content
from toolkit.bundles import open_bundle
from toolkit.bundles.docker_reader import DockerArchive
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, MissingMember, NotFound, ToolkitError, UnsafeArchive
from toolkit.image import Finding, ProvenImage
from toolkit.operations.verify import verify
from toolkit.platform import Platform

DATA = Path(__file__).parents[1] / "data"
VECTORS, HOSTILE = DATA / "vectors", DATA / "hostile"
SAVED = "docker2010-save-duplayer.tar"
IMAGE_ID = "sha256:eeafda41c7f4b5c15f5d9f6d3bc0ce8db290cb30d63c712070ecafe91bb97e50"  # docker 20.10.24's
LAYER_A = "sha256:31629fae8a9a3d0b35bfad1c821c14e177f35ba144d42ff67fb852d4522a2037"
LAYER_B = "sha256:3a18bad8bb6288e15a836530e4ca166ca391fc7d6d70e8676c91d063ae877f56"
FIRST = "sha256:663c63cf7075bc31fa456c7447564f65da5546f1e5d898774a2d9e423182609e"  # of the hostile ones
SECOND = "sha256:8c7305e7400dacff188feaa55ebfcae7b0f9e5fd76602f29aaea2286ea005542"
MADE_HERE = "keeps no manifests"


def opened(path: Path, prefer: str = "") -> DockerArchive:
    source = open_bundle(path, prefer)
    assert isinstance(source, DockerArchive)
    return source


def archive(folder: Path, *listed: Mapping[str, Any], **files: Body) -> DockerArchive:
    members: dict[str, Body] = {name.replace("_", "."): body for name, body in files.items()}
    return opened(written(folder / "a.tar", {**members, "manifest.json": encode(listed)}))


def item(*layers: str, config: str = "c.json", names: list[str] | None = None) -> dict[str, Any]:
    return {"Config": config, "RepoTags": names, "Layers": list(layers)}


def only(source: DockerArchive, *names: str) -> ProvenImage:
    report = verify(source, names)
    assert report.ok, report.errors
    (proven,) = {image.top.digest: image for image in report.images}.values()
    return proven


def diff_ids(proven: ProvenImage) -> list[str]:
    return [str(diff_id) for picture in proven.images() for _, diff_id in picture.layers]


def told(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    """Return what is told of an image, but that its manifest is made here."""
    return [(each.severity, each.problem) for each in findings if MADE_HERE not in each.problem]


# ── what tools wrote ──


@pytest.mark.parametrize("name", ["v1id:x", "v1id:y", "docker.io/library/v1id:x", IMAGE_ID])
def test_what_docker_saved_is_the_image_that_docker_has(name: str) -> None:
    source = opened(VECTORS / SAVED)
    proven = only(source, name)
    (picture,) = proven.images()
    assert (str(picture.config.image_id), source.identify(name)) == (IMAGE_ID, IMAGE_ID)
    assert diff_ids(proven) == [LAYER_A, LAYER_B, LAYER_A]
    assert len(picture.config.raw) == 530
    assert told(proven.findings) == []


def test_a_layer_that_stands_twice_is_read_once() -> None:
    image_ = opened(VECTORS / SAVED).image("v1id:x")
    assert [(layer.key, layer.size) for layer in image_.layers] == [(LAYER_A, 10240), (LAYER_B, 10240)]


def test_both_names_are_listed_as_one_image() -> None:
    (line,) = opened(VECTORS / SAVED).listings()
    assert (line.names, line.id, line.problem) == (("v1id:x", "v1id:y"), IMAGE_ID, "")
    assert (line.platform, line.created) == ("linux/amd64", "2020-01-02T03:04:05.123Z")


def test_ids_made_in_another_zone_are_told_as_a_note_and_the_image_is_the_same() -> None:
    proven = only(opened(VECTORS / "docker2010-save-duplayer-kolkata.tar"), "v1id:x")
    assert str(proven.images()[0].config.image_id) == IMAGE_ID
    assert diff_ids(proven) == [LAYER_A, LAYER_B, LAYER_A]
    ((severity, problem),) = told(proven.findings)
    assert severity == "note"
    assert "local-time variant" in problem
    assert "1970-01-01T05:30:00+05:30" in problem


def test_what_skopeo_wrote_is_read() -> None:
    source = opened(VECTORS / "skopeo-docker-archive.tar")
    proven = only(source, "foo/bar:baz")
    image_id = "sha256:53429c67c0ece6e27df5475616b4ac841946da95223d7e08654fd7053b12fa99"  # as skopeo named it
    assert str(proven.images()[0].config.image_id) == image_id
    assert diff_ids(proven) == [LAYER_A, LAYER_B, LAYER_A]
    assert proven.names == ("docker.io/foo/bar:baz",)  # as skopeo spells it
    assert told(proven.findings) == []


@pytest.mark.parametrize(
    ("name", "image_id"),
    [
        ("docker-20.10", "5b329b596366519f28fc2233ef2199e77f495064e5012315649e9b5fbf5efc00"),
        ("podman-docker-archive", "5b329b596366519f28fc2233ef2199e77f495064e5012315649e9b5fbf5efc00"),
        ("skopeo-docker-archive", "5b329b596366519f28fc2233ef2199e77f495064e5012315649e9b5fbf5efc00"),
        ("crane", "5b329b596366519f28fc2233ef2199e77f495064e5012315649e9b5fbf5efc00"),
    ],
)
def test_what_engines_saved_is_one_and_the_same_image(corpus: Path, name: str, image_id: str) -> None:
    source = opened(corpus / "bundles" / f"{name}.tar")
    line, *_ = source.listings()
    assert line.id == f"sha256:{image_id}"
    assert verify(source).ok


def test_every_image_says_that_its_manifest_is_made_here() -> None:
    for finding in only(opened(VECTORS / SAVED), "v1id:x").findings:
        assert (finding.severity, MADE_HERE in finding.problem) == ("note", True)


def test_the_digest_of_a_made_manifest_is_always_the_same() -> None:
    plain, other = (only(opened(HOSTILE / name), "t/a:1") for name in HOSTILE_TWINS)
    assert plain.top == other.top


HOSTILE_TWINS = ["03_dup_layer_samepath.tar", "04_dup_symlink.tar"]


# ── the hand-made ones, and what engines make of them ──


@pytest.mark.parametrize("file", HOSTILE_TWINS)
def test_a_layer_twice_by_its_path_or_by_a_link_is_one_blob(file: str) -> None:
    source = opened(HOSTILE / file)
    proven = only(source, "t/a:1")
    assert diff_ids(proven) == [FIRST, SECOND, FIRST]
    assert source.layer_keys("t/a:1") == (FIRST, SECOND)


def test_each_layer_has_a_compression_of_its_own() -> None:
    proven = only(opened(HOSTILE / "10_mixed_gz_plain.tar"), "t/a:1")
    assert diff_ids(proven) == [FIRST, SECOND]
    assert [(each.media_type, each.size) for each in proven.blobs] == [
        ("application/vnd.oci.image.layer.v1.tar", 10240),
        ("application/vnd.oci.image.layer.v1.tar+gzip", 125),
    ]
    assert proven.compressions == {"", "gzip"}


def test_xz_and_bzip2_are_read_and_it_is_told_who_else_reads_them() -> None:
    proven = only(opened(HOSTILE / "12_xz_bz2_layers.tar"), "t/a:1")
    assert diff_ids(proven) == [FIRST, SECOND]
    assert [each.size for each in proven.blobs] == [212, 132]
    problems = [problem for _, problem in told(proven.findings)]
    assert [problem.split()[3].rstrip(",") for problem in problems] == ["xz", "bzip2"]


def test_an_edited_config_is_refused_with_both_digests() -> None:
    source = opened(HOSTILE / "20_config_tampered_name_mismatch.tar")
    with pytest.raises(Mismatch, match=r"digest is sha256:41585434530f.*, expected sha256:.*it was edited"):
        source.listings()


def test_an_image_without_layers_is_an_image() -> None:
    proven = only(opened(HOSTILE / "22_zero_layers.tar"), "t/a:1")
    assert (diff_ids(proven), proven.blobs) == ([], ())
    assert str(proven.images()[0].config.image_id).startswith("sha256:aea609fcb881")


def test_a_layer_of_no_bytes_is_a_layer() -> None:
    proven = only(opened(HOSTILE / "24_zero_byte_layer.tar"), "t/a:1")
    assert [(str(each.digest), each.size) for each in proven.blobs] == [(FIRST, 10240), (sha256(b""), 0)]


def test_an_image_without_a_name_is_listed_last_and_asked_for_by_its_id() -> None:
    source = opened(HOSTILE / "26_two_images_one_untagged.tar")
    named, nameless = source.listings()
    assert (named.names, nameless.names) == (("t/a:1", "t/a:2"), ())
    assert named.id.startswith("sha256:fcb243ea72c7")
    assert nameless.id.startswith("sha256:3e113c6fe3f3")
    assert diff_ids(only(source, nameless.id)) == [FIRST, SECOND]
    assert source.image(nameless.id).names == ()
    assert diff_ids(only(source, "t/a:2")) == [FIRST]


def test_another_number_of_layers_than_diff_ids_is_refused_and_listed_with_the_reason() -> None:
    source = opened(HOSTILE / "30_layers_len_mismatch.tar")
    for ask in (source.image, source.outline, source.layer_keys):
        with pytest.raises(CorruptContent, match=r"has 2 layers in manifest\.json, and 1 diffIDs"):
            ask("t/a:1")
    (line,) = source.listings()
    assert "2 layers" in line.problem
    assert (line.names, line.id[:19]) == (("t/a:1",), "sha256:fcb243ea72c7")


def test_one_file_under_two_diff_ids_is_refused() -> None:
    with pytest.raises(UnsafeArchive, match=f"'l.tar' under two diffIDs, {FIRST} and {SECOND}"):
        opened(HOSTILE / "44_shared_path_two_diffids.tar").image("t/a:1")


def test_a_name_without_a_tag_is_latest_and_one_with_a_port_is_whole() -> None:
    source = opened(HOSTILE / "45_tag_with_port.tar")
    (line,) = source.listings()
    assert line.names == ("reg.example:5000/t/a:1", "t/a:latest")
    assert source.identify("t/a") == source.identify("reg.example:5000/t/a:1") == line.id
    assert any("without a tag" in problem for _, problem in told(source.image("t/a").findings))


def test_paths_that_begin_with_a_dot_are_read_and_told() -> None:
    proven = only(opened(VECTORS / "dotslash-config-path.tar"), "ds:2")
    ((severity, problem),) = told(proven.findings)
    assert (severity, "containerd does not find" in problem) == ("warning", True)


# ── literals ──

TWICE = tar({"twice": b"x"})
PACKED = gzip.compress(TWICE, mtime=0)


def test_one_diff_id_in_two_files_is_two_blobs(tmp_path: Path) -> None:
    config = image(TWICE, TWICE, ONE).config
    source = archive(
        tmp_path, item("a.tar", "b.tar", "c.tar"), c_json=config, a_tar=TWICE, b_tar=PACKED, c_tar=ONE
    )
    layers = source.image(sha256(config)).layers
    assert [(layer.size, layer.diff_id) for layer in layers] == [
        (len(TWICE), Digest.parse(sha256(TWICE))),
        (len(PACKED), Digest.parse(sha256(TWICE))),
        (len(ONE), Digest.parse(sha256(ONE))),
    ]
    assert len({layer.key for layer in layers}) == 3
    assert [content(source, source.layer(layer.key)) for layer in layers] == [TWICE, PACKED, ONE]
    assert [str(each.digest) for each in only(source, sha256(config)).blobs] == [
        sha256(TWICE),
        sha256(PACKED),
        sha256(ONE),
    ]


def test_so_is_each_file_of_many_with_one_diff_id(tmp_path: Path) -> None:
    config = image(TWICE, TWICE, TWICE).config
    files: dict[str, Body] = {"a_tar": TWICE, "b_tar": PACKED, "c_tar": gzip.compress(TWICE, 1, mtime=1)}
    source = archive(tmp_path, item("a.tar", "b.tar", "c.tar"), c_json=config, **files)
    keys = source.layer_keys(sha256(config))
    assert len(set(keys)) == 3
    assert [content(source, source.layer(key)) for key in keys] == list(files.values())


@pytest.mark.parametrize("wrong", [TWO, gzip.compress(TWO, mtime=0)], ids=["plain", "packed"])
def test_a_layer_of_other_bytes_than_its_diff_id_is_refused(tmp_path: Path, wrong: bytes) -> None:
    config = image(ONE).config
    source = archive(tmp_path, item("l.tar", names=["app:1"]), c_json=config, l_tar=wrong)
    (error,) = verify(source).errors
    assert error.exit_code == 5
    assert sha256(TWO) in error.problem
    assert sha256(ONE) in error.problem


@pytest.mark.parametrize(
    ("config", "error"),
    [
        (b"{}", CorruptContent),
        (b"[]", CorruptContent),
        (b"{", CorruptContent),
        (b'{"rootfs":{"type":"layers","diff_ids":["sha512:00"]}}', ToolkitError),
        (image(ONE).config.replace(b"rootfs", b"ROOTFS"), CorruptContent),
    ],
)
def test_a_broken_config_is_listed_and_hides_no_other_image(
    tmp_path: Path, config: bytes, error: type[ToolkitError]
) -> None:
    good = image(ONE).config
    listed = item("l.tar", names=["bad:1"]), item("l.tar", config="good.json", names=["good:1"])
    source = archive(tmp_path, *listed, c_json=config, good_json=good, l_tar=ONE)
    bad, fine = source.listings()
    assert (bool(bad.problem), fine.problem, fine.id) == (True, "", sha256(good))
    with pytest.raises(error):
        source.image("bad:1")
    assert diff_ids(only(source, "good:1")) == [sha256(ONE)]


def test_a_layer_that_leads_nowhere_or_to_itself_is_refused(tmp_path: Path) -> None:
    config = image(ONE).config
    for target, error in (("gone", MissingMember), ("l.tar", UnsafeArchive), ("../../x", UnsafeArchive)):
        with pytest.raises(error):
            archive(tmp_path, item("l.tar"), c_json=config, l_tar=Link(target)).listings()


@pytest.mark.parametrize("names", [["med:2"], []])
def test_a_layer_that_is_missing_is_no_disagreement_of_the_parts(tmp_path: Path, names: list[str]) -> None:
    """Two images as Docker 20.10 saves them; of the second a layer.tar is gone, its v1 folder is not."""
    sound, broken = image(ONE), image(TWO)
    folders = {**v1_folder(A, layer=ONE), **v1_folder(B, layer=TWO)}
    del folders[f"{B}/layer.tar"]
    listed = [
        item(f"{A}/layer.tar", config="a.json", names=["sound:1"]),
        item(f"{B}/layer.tar", config="b.json", names=names),
    ]
    files: dict[str, Body] = {
        **folders,
        "a.json": sound.config,
        "b.json": broken.config,
        "repositories": encode({"sound": {"1": A}, "med": {"2": B}}),
        "manifest.json": encode(listed),
    }
    report = verify(opened(written(tmp_path / "a.tar", files)))
    (error,) = report.errors
    assert (error.exit_code, error.check, error.images) == (5, "missing", tuple(names))
    assert error.problem == f"has no member '{B}/layer.tar'"
    assert [each.names for each in report.images] == [("sound:1",)]


def test_an_unknown_name_platform_or_layer_is_not_found() -> None:
    source = opened(VECTORS / SAVED)
    with pytest.raises(NotFound, match="v1id:x"):
        source.image("v1id:z")
    with pytest.raises(NotFound, match=r"is for linux/amd64, expected linux/arm64"):
        source.image("v1id:x", Platform("linux", "arm64"))
    for key in (sha256(EMPTY), "", "../manifest.json", "manifest.json"):
        with pytest.raises(NotFound):
            source.layer(key)


def test_a_file_that_is_cut_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes((VECTORS / SAVED).read_bytes())
    source = opened(path)
    layer = source.image("v1id:x").layers[0]
    with path.open("r+b") as file:
        file.truncate(2048)
    with pytest.raises((CorruptContent, Mismatch)):
        content(source, layer)


@pytest.mark.parametrize("name", ["{}.tar", "{}.tar.gz", "sha256:{}", "blobs/sha256/{}", "{}"])
def test_a_layers_file_that_is_called_by_another_digest_is_told(tmp_path: Path, name: str) -> None:
    packed = gzip.compress(ONE)
    picture = image(ONE)
    config = sha256(picture.config)[7:] + ".json"
    for hex_, layer, count in (
        (sha256(ONE)[7:], ONE, 0),
        (sha256(ONE)[7:], packed, 0),
        (sha256(packed)[7:], packed, 0),
        (sha256(TWO)[7:], ONE, 1),
        (sha256(packed)[7:], ONE, 1),
    ):
        member = name.format(hex_)
        items = [{"Config": config, "RepoTags": ["app:1"], "Layers": [member]}]
        files = {config: picture.config, member: layer, "manifest.json": encode(items)}
        path = written(tmp_path / "a.tar", files)
        fast = [each.check for each in verify(open_bundle(path), depth="fast").findings]
        assert fast.count("file-name") == (0 if layer is packed else count)
        report = verify(open_bundle(path))
        told = [finding for finding in report.findings if finding.check == "file-name"]
        assert [(finding.severity, finding.found) for finding in told] == [
            ("warning", f"sha256:{hex_}")
        ] * count
