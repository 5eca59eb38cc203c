"""`docker-root:` on roots that Docker 20.10 and 29 wrote: exact tars, names, sizes, and what damage does."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Told
from tests.stores.conftest import clone
from tests.stores.facts import DIFF_IDS, IMAGE_ID
from toolkit.digest import Digest, chain_ids
from toolkit.errors import CorruptContent, NotFound, StoreError, ToolkitError, UnsafeArchive, Unsupported
from toolkit.image import Layer
from toolkit.operations.shortids import full_name
from toolkit.operations.verify import verify
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.ports import Source
from toolkit.reading import AS_IT_IS, Reading
from toolkit.stores.docker_root.store import DockerRoot, open_docker_root

ROOTS = ("docker-20.10-overlay2", "docker-20.10-vfs", "docker-29-overlay2")
TAG = "ubuntu:14.04"
DIGESTS = [Digest("sha256", hex_) for hex_ in DIFF_IDS]
CHAIN = [digest.hex for digest in chain_ids(DIGESTS)]
BASE, TOP = CHAIN[0], CHAIN[-1]
REBUILT = Reading(allow_rebuilt=True)
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: whiteouts are devices and xattrs")


@pytest.fixture
def root(engine_stores: Path, tmp_path: Path) -> Path:
    """A copy of the vfs root, which needs no devices, that a test may damage."""
    return clone(engine_stores / "docker-20.10-vfs", tmp_path / "root")


def bytes_of(store: Source, layer: Layer) -> bytes:
    with store.open(layer) as content:
        return b"".join(bytes(block) for block in content.blocks())


@pytest.mark.parametrize("name", ROOTS)
def test_each_layers_tar_is_the_one_docker_stored(engine_stores: Path, name: str) -> None:
    store = DockerRoot(engine_stores / name)
    layers = store.image(TAG).layers
    assert [hashlib.sha256(bytes_of(store, layer)).hexdigest() for layer in layers] == list(DIFF_IDS)
    assert [len(bytes_of(store, layer)) for layer in layers] == [layer.size for layer in layers]


@pytest.mark.parametrize("name", ROOTS)
def test_the_image_is_whole_and_has_the_id_that_docker_gave_it(engine_stores: Path, name: str) -> None:
    report = verify(DockerRoot(engine_stores / name))
    assert report.ok
    assert {finding.severity for finding in report.findings} == {"note"}
    assert {str(picture.config.image_id) for image in report.images for picture in image.images()} == {
        IMAGE_ID
    }


@pytest.mark.parametrize("name", ROOTS)
def test_both_names_are_one_line_and_parents_of_a_build_are_none(engine_stores: Path, name: str) -> None:
    (line,) = DockerRoot(engine_stores / name).listings()
    assert (line.names, line.id) == ((TAG, "ubuntu:trusty"), IMAGE_ID)
    recorded = (engine_stores / name / "image").glob("*/layerdb/sha256/*/size")
    assert line.size == sum(int(path.read_text()) for path in recorded)


def test_history_has_the_sizes_that_docker_recorded(engine_stores: Path) -> None:
    outline = DockerRoot(engine_stores / "docker-20.10-overlay2").outline(TAG)
    assert [layer.size for layer in outline.layers] == [2303448, 1001115, 1655, 0]
    assert outline.id == IMAGE_ID


@pytest.mark.parametrize("asked", [TAG, "docker.io/library/ubuntu:14.04", IMAGE_ID])
def test_an_image_is_found_by_what_people_call_it(root: Path, asked: str) -> None:
    assert DockerRoot(root).identify(asked) == IMAGE_ID


def test_what_is_not_there_is_told_with_what_is_near(root: Path) -> None:
    with pytest.raises(NotFound, match=r"image ubuntu:14\.10: is not in .*near it: ubuntu:14\.04"):
        DockerRoot(root).image("ubuntu:14.10")


def test_a_layer_is_found_by_its_key_alone(root: Path) -> None:
    """So does a task that knows the layer and not the image."""
    keys = DockerRoot(root).layer_keys(TAG)
    assert keys == tuple(map(str, DIGESTS))
    for key, digest in zip(keys, DIFF_IDS, strict=True):
        store = DockerRoot(root)
        assert hashlib.sha256(bytes_of(store, store.layer(key))).hexdigest() == digest


def test_reading_changes_nothing(root: Path) -> None:
    def state() -> list[tuple[str, int, int]]:
        return [
            (str(path), facts.st_mtime_ns, facts.st_size)
            for path in sorted(root.rglob("*"))
            if (facts := path.lstat())
        ]

    before = state()
    assert verify(DockerRoot(root)).ok
    DockerRoot(root).listings()
    assert state() == before


# ── several drivers, and none ──


def with_second_driver(root: Path, engine_stores: Path, image_id: str = IMAGE_ID) -> Path:
    for name in ("image", "overlay2"):
        subprocess.run(["cp", "-a", str(engine_stores / "docker-29-overlay2" / name), str(root)], check=True)
    path = root / "image/overlay2/repositories.json"
    path.write_text(path.read_text().replace(IMAGE_ID, image_id))
    return root


@AS_ROOT
def test_the_same_image_of_two_drivers_is_one(root: Path, engine_stores: Path) -> None:
    store = DockerRoot(with_second_driver(root, engine_stores))
    assert store.described()["driver"] == "overlay2, vfs"
    assert store.identify(TAG) == IMAGE_ID


@AS_ROOT
def test_a_name_that_is_two_images_is_refused_until_the_driver_is_named(
    root: Path, engine_stores: Path
) -> None:
    with_second_driver(root, engine_stores, "sha256:" + "a" * 64)
    with pytest.raises(UnsafeArchive, match=r"as different images of overlay2 and vfs; name the driver"):
        DockerRoot(root).image(TAG)
    assert DockerRoot(root, "vfs").identify(TAG) == IMAGE_ID


def test_a_driver_that_is_not_there_is_refused_with_those_that_are(root: Path) -> None:
    with pytest.raises(Unsupported, match="no images of the driver 'aufs'; it has vfs"):
        DockerRoot(root, "aufs")


def test_a_driver_that_nobody_here_reads_is_named(root: Path) -> None:
    (root / "image/vfs").rename(root / "image/windowsfilter")
    with pytest.raises(Unsupported, match="driver 'windowsfilter', expected one of overlay2"):
        DockerRoot(root)


def test_a_legacy_root_is_told_from_a_newer_one(engine_stores: Path) -> None:
    with pytest.raises(Unsupported, match=r"data root of a Docker 0\.7 to 1\.9; read it as graph:"):
        DockerRoot(engine_stores / "docker-1.9.1-vfs")


def test_what_is_no_root_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no image/DRIVER/imagedb in it"):
        DockerRoot(tmp_path)
    with pytest.raises(NotFound, match="is not there"):
        DockerRoot(tmp_path / "gone")


# ── damage: one sentence each, the right exit code, and the other image comes out ──


def layerdb(root: Path, chain_id: str, name: str = "") -> Path:
    return root / "image/vfs/layerdb/sha256" / chain_id / name


def config(root: Path) -> Path:
    return root / "image/vfs/imagedb/content/sha256" / IMAGE_ID.removeprefix("sha256:")


def tree(root: Path, chain_id: str) -> Path:
    return root / "vfs/dir" / layerdb(root, chain_id, "cache-id").read_text()


def edit(path: Path, offset: int = -20) -> None:
    raw = bytearray(path.read_bytes())
    raw[offset] ^= 1
    path.write_bytes(raw)


def cut_at_a_line(path: Path, lines: int) -> None:
    whole = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(whole[:lines])))


def swap_for_link(path: Path, target: str) -> None:
    path.rename(path.with_name(path.name + ".was"))
    path.symlink_to(target)


def second(path: Path, line: int, **members: object) -> None:
    """Change one line of a tar-split."""
    lines = [json.loads(each) for each in gzip.decompress(path.read_bytes()).splitlines()]
    lines[line] |= members
    path.write_bytes(gzip.compress("".join(json.dumps(each) + "\n" for each in lines).encode()))


SPLIT = "tar-split.json.gz"
DAMAGE: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "missing-layer-folder": (lambda r: tree(r, BASE).rename(r / "gone"), 5, "is not there"),
    "missing-layer-record": (lambda r: layerdb(r, BASE).rename(r / "gone"), 5, "its record"),
    "missing-cache-id": (lambda r: layerdb(r, BASE, "cache-id").unlink(), 5, "cache-id: is not there"),
    "empty-cache-id": (lambda r: os.truncate(layerdb(r, BASE, "cache-id"), 0), 5, "cache-id: is empty"),
    "missing-tar-split": (lambda r: layerdb(r, BASE, SPLIT).unlink(), 5, "no tar can be proven"),
    "missing-config": (lambda r: config(r).unlink(), 5, "has no config"),
    "edited-config": (lambda r: edit(config(r)), 5, "digest is"),
    "edited-diff": (lambda r: edit(layerdb(r, TOP, "diff")), 5, "diffID is"),
    "edited-parent": (lambda r: edit(layerdb(r, TOP, "parent")), 5, "parent is"),
    "edited-file": (lambda r: edit(tree(r, BASE) / "etc/services"), 5, "etc/services: CRC-64 is"),
    "longer-file": (lambda r: (tree(r, BASE) / "etc/rpc").write_bytes(b"x" * 912), 5, "etc/rpc: size is 912, expected 911"),
    "missing-file": (lambda r: (tree(r, BASE) / "etc/rpc").unlink(), 5, "is not there"),
    "damaged-tar-split": (lambda r: edit(layerdb(r, BASE, SPLIT)), 5, SPLIT),
    "truncated-tar-split": (lambda r: os.truncate(layerdb(r, BASE, SPLIT), 900), 5, SPLIT),
    "tar-split-cut-at-a-line": (lambda r: cut_at_a_line(layerdb(r, BASE, SPLIT), 20), 5, "digest is"),
    "tar-split-of-another-header": (lambda r: second(layerdb(r, BASE, SPLIT), 0, payload="QUJD"), 5, "digest is"),
    "tar-split-names-a-path-out": (lambda r: second(layerdb(r, BASE, SPLIT), 5, name="../../x"), 6, "leads out"),
    "cache-id-is-a-path": (lambda r: layerdb(r, BASE, "cache-id").write_text("../../etc"), 6, "its cache-id is '../../etc'"),
    "cache-id-has-a-line-end": (lambda r: layerdb(r, BASE, "cache-id").write_text("abc\n"), 6, "its cache-id is 'abc"),
    "layer-folder-is-a-link": (lambda r: swap_for_link(tree(r, BASE), "/etc"), 6, "is a link, expected a folder"),
    "layerdb-is-a-link": (lambda r: swap_for_link(layerdb(r, BASE), "/etc"), 6, "is a link, expected a folder"),
    "image-folder-is-a-link": (lambda r: swap_for_link(r / "image/vfs/layerdb", "/etc"), 6, "is a link, expected a folder"),
    "config-is-a-link": (lambda r: swap_for_link(config(r), "/etc/hostname"), 6, "is a link, expected a regular file"),
    "file-became-a-link": (lambda r: swap_for_link(tree(r, BASE) / "etc/rpc", "/etc/passwd"), 5, "is a link where a file was"),
    "names-are-no-json": (lambda r: (r / "image/vfs/repositories.json").write_text("[]"), 5, "expected an object"),
    "id-is-a-path": (lambda r: name_it(r, "../../x"), 5, "is not a digest"),
}  # fmt: skip


def name_it(root: Path, image_id: str) -> None:
    value = {"Repositories": {"ubuntu": {TAG: image_id}}}
    (root / "image/vfs/repositories.json").write_text(json.dumps(value))


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_told_in_one_sentence(root: Path, what: str, told: Told) -> None:
    damage, code, sentence = DAMAGE[what]
    damage(root)
    with pytest.raises(ToolkitError) as caught:
        read_all(root)
    told("docker-root", what, caught.value)
    assert sentence in str(caught.value)
    assert caught.value.exit_code == code
    assert "\n" not in str(caught.value)


def test_a_layer_that_says_it_is_larger_than_a_layer_may_be_is_refused_before_room_is_asked_for(
    root: Path,
) -> None:
    second(layerdb(root, BASE, SPLIT), 5, size=1 << 62)
    with pytest.raises(UnsafeArchive, match=f"layer sha256:{BASE}: holds more than 274877906944 bytes"):
        DockerRoot(root).image(TAG)


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link": (lambda path: path.symlink_to("/etc/hostname"), "is a link, expected a regular file"),
    "a folder": (Path.mkdir, "is no regular file, expected a regular file"),
    "a pipe": (os.mkfifo, "is no regular file, expected a regular file"),
    "too long": (lambda path: path.write_bytes(b"1" * 5000), "is 5000 bytes, expected at most 4096"),
}


@AS_ROOT
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("reading", [AS_IT_IS, Reading(allow_rebuilt=True)])
def test_a_recorded_size_that_cannot_be_read_is_named_and_stops_nothing(
    root: Path, odd: str, reading: Reading
) -> None:
    path = layerdb(root, BASE, "size")
    path.unlink()
    make, problem = ODD[odd]
    make(path)
    store = DockerRoot(root, "", reading)
    (finding,) = (each for each in store.image(TAG).findings if each.check == "layersize")
    assert (finding.subject, finding.severity) == (f"layer sha256:{BASE}", "warning")
    assert f"layersize cannot be read ({path}: {problem}" in finding.problem
    assert {line.problem for line in store.listings()} == {""}
    assert store.outline(TAG).layers
    read_all(root, reading)


def read_all(root: Path, reading: Reading = AS_IT_IS) -> None:
    store = DockerRoot(root, "", reading)
    for layer in store.image(TAG).layers:
        with store.open(layer) as content:
            transfer(content, layer, nowhere)


def test_the_images_beside_a_damaged_one_come_out(root: Path) -> None:
    """The golden root has the steps of the build too: images of fewer layers."""
    shutil.rmtree(layerdb(root, TOP))
    by_size = {
        len(json.loads(path.read_text())["rootfs"]["diff_ids"]): f"sha256:{path.name}"
        for path in config(root).parent.iterdir()
    }
    store = DockerRoot(root)
    (line,) = store.listings()
    assert "its record" in line.problem
    for image_id in (by_size[count] for count in (1, 2, 3) if count in by_size):
        for layer in store.image(image_id).layers:
            bytes_of(store, layer)


@pytest.mark.parametrize(
    ("chain_id", "name"),
    [(BASE, "diff"), (TOP, "diff"), (TOP, "parent")],
    ids=["base-diff", "top-diff", "top-parent"],
)
@pytest.mark.parametrize("lose", [Path.unlink, lambda path: os.truncate(path, 0)], ids=["gone", "empty"])
def test_records_that_the_chain_id_proves_may_be_lost(
    root: Path, chain_id: str, name: str, lose: Callable[[Path], object]
) -> None:
    """As after a power cut: the layers are found and proven, also by their keys alone."""
    path = layerdb(root, chain_id, name)
    lose(path)
    report = verify(DockerRoot(root))
    (told,) = [finding.problem for finding in report.findings if finding.severity != "note"]
    assert (report.ok, str(path) in told) == (True, True)
    for key, digest in zip(map(str, DIGESTS), DIFF_IDS, strict=True):
        store = DockerRoot(root)
        assert hashlib.sha256(bytes_of(store, store.layer(key))).hexdigest() == digest


@AS_ROOT
def test_a_layer_without_its_records_is_made_anew_by_its_key_alone(root: Path) -> None:
    for name in ("diff", "parent", SPLIT):
        layerdb(root, CHAIN[1], name).unlink()
    key = DockerRoot(root, "", REBUILT).layer_keys(TAG)[1]
    assert key.startswith("rebuilt-")
    store = DockerRoot(root, "", REBUILT)
    assert bytes_of(store, store.layer(key))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "layersize is ''"),
        ("12\n", "layersize is '12"),
        ("123", "which no rule of the vfs driver gives"),
    ],
)
def test_a_wrong_size_is_named_and_stops_nothing(root: Path, text: str, problem: str) -> None:
    layerdb(root, BASE, "size").write_text(text)
    (finding, _) = DockerRoot(root).image(TAG).findings
    assert problem in finding.problem
    assert finding.severity == "warning"
    read_all(root)


# ── layers made anew ──

MADE_ANEW = [
    "missing-tar-split", "damaged-tar-split", "truncated-tar-split", "tar-split-cut-at-a-line",
    "edited-file", "longer-file", "missing-file",
]  # fmt: skip


@AS_ROOT
@pytest.mark.parametrize("what", MADE_ANEW)
def test_what_cannot_be_proven_is_made_anew_only_when_allowed(root: Path, what: str) -> None:
    DAMAGE[what][0](root)
    store = DockerRoot(root, "", REBUILT)
    report = verify(store, [TAG])
    assert report.ok
    told = [finding.problem for finding in report.findings if finding.severity == "warning"]
    assert any("is made anew of its files, because its exact tar cannot be proven" in text for text in told)
    assert any(f"and was {IMAGE_ID}" in text for text in told)
    (picture,) = report.images[0].images()
    assert str(picture.config.image_id) != IMAGE_ID
    assert picture.config.diff_ids[1:] == tuple(DIGESTS[1:])  # the others are the exact ones


@AS_ROOT
def test_a_rebuilt_layer_is_found_by_its_key_alone(root: Path) -> None:
    layerdb(root, BASE, SPLIT).unlink()
    (key, *_) = DockerRoot(root, "", REBUILT).layer_keys(TAG)
    store = DockerRoot(root, "", REBUILT)
    first, again = (bytes_of(store, store.layer(key)) for _ in range(2))
    assert first == again


def test_a_whole_root_is_the_same_when_rebuilding_is_allowed(root: Path) -> None:
    assert [finding.severity for finding in DockerRoot(root, "", REBUILT).image(TAG).findings] == ["note"]
    read_all(root, REBUILT)


# ── drivers whose layers are file systems of their own ──


def as_driver(root: Path, driver: str, folder: str) -> Path:
    """Make the vfs root one of another driver of whole trees: where its folders lie is all that differs."""
    (root / "image/vfs").rename(root / "image" / driver)
    for tree in list((root / "vfs/dir").iterdir()):
        target = root / folder.format(id=tree.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        tree.rename(target)
    return root


FOLDERS = {
    "btrfs": "btrfs/subvolumes/{id}",
    "zfs": "zfs/graph/{id}",
    "devicemapper": "devicemapper/mnt/{id}/rootfs",
    "overlay": "overlay/{id}/root",
}


@pytest.mark.parametrize("driver", FOLDERS)
def test_any_driver_of_whole_trees_is_read(root: Path, driver: str) -> None:
    as_driver(root, driver, FOLDERS[driver])
    report = verify(DockerRoot(root))
    assert report.ok
    assert {finding.severity for finding in report.findings} == {"note"}


@pytest.mark.parametrize("driver", ["btrfs", "zfs", "devicemapper"])
@pytest.mark.parametrize("reading", [AS_IT_IS, REBUILT], ids=["exact", "rebuilt"])
def test_a_layer_that_is_not_mounted_is_told_so(root: Path, driver: str, reading: Reading) -> None:
    as_driver(root, driver, FOLDERS[driver])
    cache_id = (root / "image" / driver / "layerdb/sha256" / BASE / "cache-id").read_text()
    shutil.rmtree(root / FOLDERS[driver].format(id=cache_id))
    (root / FOLDERS[driver].format(id=cache_id)).mkdir()
    with pytest.raises(StoreError, match=rf"its {driver} tree .* is not mounted; (mount|activate)"):
        DockerRoot(root, "", reading).image(TAG)


# ── the containerd store of Docker 29 ──


def test_a_root_without_drivers_is_read_by_its_containerd(engine_stores: Path) -> None:
    store = open_docker_root(engine_stores / "docker-29-containerd")
    assert store.place == f"docker-root:{engine_stores}/docker-29-containerd"
    (line,) = store.listings()
    assert TAG in line.names
    report = verify(store, [TAG])
    assert report.ok
    assert {str(picture.config.image_id) for picture in report.images[0].images()} == {IMAGE_ID}


def test_a_root_with_both_is_read_by_its_drivers_unless_containerd_is_named(
    root: Path, engine_stores: Path
) -> None:
    subprocess.run(
        ["cp", "-a", str(engine_stores / "docker-29-containerd/containerd"), str(root)], check=True
    )
    assert isinstance(open_docker_root(root), DockerRoot)
    named = open_docker_root(root, "containerd")
    assert named.place == f"docker-root+containerd:{root}"
    assert (
        named.identify(TAG) != IMAGE_ID
    )  # there the manifest is kept, and its digest is what a name points at
    assert verify(named, [TAG]).ok


# ── names that are lost ──


@pytest.mark.parametrize("text", [None, "", "{", '{"Repositories":{"ubuntu":{"ubuntu:14.04'])
def test_without_names_every_image_is_listed_by_its_id(root: Path, text: str | None) -> None:
    path = root / "image/vfs/repositories.json"
    path.unlink() if text is None else path.write_text(text)
    store = DockerRoot(root)
    lines = store.listings()
    configs = {f"sha256:{each.name}" for each in config(root).parent.iterdir()}
    assert ({line.id for line in lines}, {line.names for line in lines}) == (configs, {()})
    (remark,) = store.remarks()
    assert "has lost the names of its images" in remark.problem
    with pytest.raises(CorruptContent, match=r"names are lost with it; .* ask for one by its ID"):
        store.image(TAG)
    assert full_name(store, IMAGE_ID.removeprefix("sha256:")[:12]) == IMAGE_ID  # as ls prints it
    assert verify(store, [IMAGE_ID]).ok


def test_a_store_beside_the_drivers_is_told_of(root: Path, engine_stores: Path) -> None:
    assert DockerRoot(root).remarks() == []
    subprocess.run(
        ["cp", "-a", str(engine_stores / "docker-29-containerd/containerd"), str(root)], check=True
    )
    (remark,) = DockerRoot(root).remarks()
    assert "images in a containerd store too: docker-root+containerd:PATH" in remark.problem


def test_a_data_root_without_images_says_where_they_may_be(tmp_path: Path) -> None:
    for name in ("buildkit", "containers", "volumes"):
        (tmp_path / name).mkdir()
    with pytest.raises(NotFound, match="with the system's containerd they are elsewhere; look into"):
        open_docker_root(tmp_path)


def test_files_that_give_the_very_tar_are_proven_by_the_diff_id(root: Path) -> None:
    """The top layer is empty: its tar is 1024 zero bytes, however it is made."""
    layerdb(root, TOP, SPLIT).unlink()
    image = DockerRoot(root, "", REBUILT).image(TAG)
    assert {finding.severity for finding in image.findings} == {"note"}
    assert any("its diffID proves it" in finding.problem for finding in image.findings)


def test_what_was_changed_is_told_with_the_way_to_save_it(root: Path) -> None:
    (tree(root, BASE) / "etc/rpc").unlink()
    with pytest.raises(ToolkitError) as caught:
        read_all(root)
    assert str(caught.value).startswith(f"layer sha256:{BASE}: ")
    assert "lading doctor says what can be saved, --allow-rebuilt makes the layer" in str(caught.value)
