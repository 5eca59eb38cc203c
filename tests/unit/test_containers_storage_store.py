"""A root of podman's as a whole, laid out by hand; roots that podman wrote are in tests/integration."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archives import (
    EMPTY,
    LAYER,
    ONE,
    TWO,
    A,
    B,
    Folder,
    Link,
    Picture,
    encode,
    image,
    index,
    sha256,
    tar,
)
from tests.conftest import Told
from tests.storages import Storage
from toolkit.configured import ConfiguredImage
from toolkit.errors import CorruptContent, NotFound, StoreError, ToolkitError, UnsafeArchive, Unsupported
from toolkit.image import ProvenImage
from toolkit.places import open_source
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.ports import Source
from toolkit.reading import Reading
from toolkit.settings import Settings
from toolkit.stores.containers_storage.store import ContainersStorage
from toolkit.stores.trees.rebuiltimage import RebuiltImage

HISTORY = [{"created": "2024-01-02T03:04:05Z", "created_by": f"RUN {number}"} for number in range(3)]
APP = image(ONE, TWO, history=HISTORY[:2])
OTHER = image(tar({"other": b"beside"}), EMPTY, history=HISTORY[:2])
PACKED = [gzip.compress(raw, mtime=0) for raw in (ONE, TWO)]
PULLED = image(
    *PACKED,
    diff_ids=[sha256(ONE), sha256(TWO)],
    media_types=[f"{LAYER}+gzip"] * 2,
    config={"Env": ["PULLED=1"]},
)
NAME, BESIDE = "localhost/app:1", "localhost/beside:1"


@pytest.fixture(params=["overlay", "vfs"])
def storage(tmp_path: Path, request: pytest.FixtureRequest) -> Storage:
    """An image of two layers, and one beside it."""
    storage = Storage(tmp_path / "storage", request.param)
    storage.add(APP, NAME)
    storage.add(OTHER, BESIDE)
    return storage


def proven(source: Source, name: str = NAME) -> ProvenImage:
    offered = source.image(name)
    proofs = {}
    for layer in offered.layers:
        with source.open(layer) as content:
            proofs[layer.key] = transfer(content, layer, nowhere)
    return offered.proven(proofs)


def problems(storage: Storage) -> dict[tuple[str, ...], str]:
    return {line.names: line.problem for line in ContainersStorage(storage.root).listings()}


def test_a_manifest_that_lists_the_layers_as_they_are_is_kept(storage: Storage) -> None:
    found = proven(ContainersStorage(storage.root))
    assert (str(found.top.digest), found.findings) == (APP.digest, ())
    assert {str(digest): document.raw for digest, document in found.documents.items()} == {
        sha256(APP.config): APP.config,
        APP.digest: APP.raw,
    }


def test_a_manifest_of_compressed_layers_is_made_anew_and_the_old_one_named(storage: Storage) -> None:
    storage.add(PULLED, "quay.io/team/app:1", tars=[ONE, TWO])
    found = proven(ContainersStorage(storage.root), "quay.io/team/app:1")
    (picture,) = found.images()
    assert picture.config.raw == PULLED.config
    assert [str(layer.digest) for layer in picture.manifest.layers] == [sha256(ONE), sha256(TWO)]
    (finding,) = found.findings
    assert finding.severity == "note"
    assert f"has the manifest {PULLED.digest}, whose layers are not kept as it lists them" in finding.problem


def test_a_manifest_that_calls_its_config_something_else_is_not_kept(storage: Storage) -> None:
    raw = APP.raw.replace(b"application/vnd.oci.image.config.v1+json", b"application/vnd.other.config+json")
    storage.data(storage.images[0]["id"], "manifest").write_bytes(raw)
    storage.images[0]["big-data-digests"]["manifest"] = sha256(raw)
    storage.write()
    found = proven(ContainersStorage(storage.root))
    assert [picture.config.raw for picture in found.images()] == [APP.config]
    assert sha256(raw) in found.findings[0].problem


@pytest.mark.parametrize("picture", [image(ONE, TWO), PULLED], ids=["kept", "made anew"])
def test_a_manifest_that_is_here_once_more_costs_nothing_and_is_told(
    storage: Storage, picture: Picture
) -> None:
    name = storage.add(picture, "localhost/cut:1", tars=[ONE, TWO])
    whole = proven(ContainersStorage(storage.root), name)
    storage.data(name, "manifest").write_bytes(b"")
    found = proven(ContainersStorage(storage.root), name)
    assert found.top == whole.top
    (told,) = set(found.findings) - set(whole.findings)
    assert (told.severity, told.subject) == ("warning", f"image {name}")
    assert "has a damaged manifest, which is taken of the copy that podman keeps" in told.problem
    assert str(storage.data(name, "manifest")) in told.problem


def test_an_image_without_a_manifest_gets_one(storage: Storage) -> None:
    storage.images[0]["big-data-names"].remove("manifest")
    storage.write()
    found = ContainersStorage(storage.root).image(NAME)
    assert isinstance(found, ConfiguredImage)
    assert [finding.problem for finding in found.findings] == [
        "has no manifest here, so its manifest is made here, and so is its digest"
    ]


def test_names_are_as_podman_shows_them_and_images_without_come_last(storage: Storage) -> None:
    storage.add(
        image(ONE, history=HISTORY[:1], config={"Env": ["A=1"]}), "docker.io/library/z:1", "quay.io/a:2"
    )
    dangling = storage.add(image(TWO))
    assert [line.names or line.id for line in ContainersStorage(storage.root).listings()] == [
        ("docker.io/library/z:1", "quay.io/a:2"), (NAME,), (BESIDE,), dangling,
    ]  # fmt: skip


def test_nameless_images_that_others_are_built_on_are_not_listed(storage: Storage) -> None:
    below = storage.add(image(ONE, history=HISTORY[:1]))
    beside = storage.add(image(ONE, history=[HISTORY[2]]))
    dangling = storage.add(image(ONE, TWO, history=HISTORY[1:]))
    source = ContainersStorage(storage.root)
    assert [line.id for line in source.listings() if not line.names] == [beside, dangling]
    assert source.identify(below) == below


def test_a_list_of_manifests_is_no_image_and_that_is_told(storage: Storage) -> None:
    raw = index(APP).raw
    record = {
        **storage.images[0],
        "id": A,
        "names": ["localhost/list:1"],
        "layer": "",
        "big-data-names": ["manifest", "instances.json"],
    }
    storage.images.append({**record, "big-data-digests": {"manifest": sha256(raw)}})
    storage.data(A, "manifest").parent.mkdir()
    storage.data(A, "manifest").write_bytes(raw)
    storage.write()
    source = ContainersStorage(storage.root)
    assert problems(storage) == {(NAME,): "", (BESIDE,): ""}
    (told,) = source.remarks()
    assert "is a list of manifests and no image, and left out" in told.problem
    assert (told.subject, told.severity) == ("image localhost/list:1", "note")
    with pytest.raises(Unsupported, match="whose images are stored each by itself; export those"):
        source.image("localhost/list:1")


def test_an_image_without_layers_is_read(storage: Storage) -> None:
    storage.add(image(config={"Cmd": ["/bin/sh"]}), "localhost/nothing:1")
    assert proven(ContainersStorage(storage.root), "localhost/nothing:1").blobs == ()


def test_of_an_unknown_name_the_one_under_localhost_is_near(storage: Storage) -> None:
    with pytest.raises(NotFound, match=r"image app:1: is not in .*; near it: localhost/app:1"):
        ContainersStorage(storage.root).image("app:1")


def test_both_drivers_are_read_and_one_may_be_named(storage: Storage) -> None:
    other = Storage(storage.root, "vfs" if storage.driver == "overlay" else "overlay")
    other.add(OTHER, NAME)
    other.add(PULLED, "localhost/more:1", tars=[ONE, TWO])
    whole = ContainersStorage(storage.root)
    assert [line.names[0] for line in whole.listings()] == [NAME, NAME, BESIDE, "localhost/more:1"]
    assert proven(whole, "localhost/more:1").images()[0].config.raw == PULLED.config
    with pytest.raises(
        UnsafeArchive, match=r"has localhost/app:1 twice.*name the driver: containers-storage\+"
    ):
        whole.image(NAME)
    for driver, picture in ((storage.driver, APP), (other.driver, OTHER)):
        named = open_source(f"containers-storage+{driver}:{storage.root}", Settings())
        assert named.place == f"containers-storage+{driver}:{storage.root}"
        assert named.identify(NAME) == sha256(picture.config)


@pytest.mark.parametrize("driver", ["btrfs", "../vfs", "none"])
def test_a_driver_without_images_is_unsupported(storage: Storage, driver: str) -> None:
    with pytest.raises(Unsupported, match=f"has no images of the driver.*it has {storage.driver}"):
        ContainersStorage(storage.root, driver)


def test_what_is_no_root_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is not there"):
        ContainersStorage(tmp_path / "none")
    with pytest.raises(NotFound, match="there is no DRIVER-images in it"):
        ContainersStorage(tmp_path)
    (tmp_path / "zfs-images").mkdir()
    with pytest.raises(Unsupported, match="has images of the driver 'zfs', expected overlay or vfs"):
        ContainersStorage(tmp_path)


def test_a_layer_of_no_entries_a_link_and_a_whiteout_come_back_exactly(storage: Storage) -> None:
    odd = tar([
        ("folder/", Folder()), ("folder/.wh..wh..opq", b""), ("folder/new", b"new"), (".wh.one", b""),
        ("link", Link("folder/new")), ("same", Link("folder/new", hard=True)), ("é" * 60, b"long name"),
    ])  # fmt: skip
    storage.add(image(ONE, odd, EMPTY), "localhost/odd:1")
    source = ContainersStorage(storage.root)
    for layer, expected in zip(source.image("localhost/odd:1").layers, (ONE, odd, EMPTY), strict=True):
        with source.open(layer) as content:
            assert b"".join(map(bytes, content.blocks())) == expected


def test_a_layer_is_found_by_its_key_without_its_image(storage: Storage) -> None:
    storage.add(PULLED, "localhost/parts:1", tars=[ONE, TWO])
    storage.layers[1] |= {"diff-digest": "", "toc-digest": sha256(b"toc"), "diff-size": -1}
    storage.write()
    for raw in (ONE, TWO):  # the diffID of the second stands in the configs alone
        source = ContainersStorage(storage.root)
        with source.open(source.layer(sha256(raw))) as content:
            assert b"".join(map(bytes, content.blocks())) == raw


def test_a_layer_pulled_in_parts_is_read_where_its_tar_split_came_along(storage: Storage) -> None:
    for layer in storage.layers[:2]:
        del layer["diff-digest"], layer["diff-size"]
        layer["toc-digest"] = sha256(b"toc")
    storage.write()
    assert str(proven(ContainersStorage(storage.root)).top.digest) == APP.digest


def test_a_layer_pulled_in_parts_without_one_is_unsupported_unless_rebuilt(storage: Storage) -> None:
    storage.layers[1]["toc-digest"] = sha256(b"toc")
    storage.write()
    storage.split(storage.layers[1]["id"]).unlink()
    with pytest.raises(Unsupported, match=r"pulled in parts, and its exact tar is not kept; --allow-rebuilt"):
        ContainersStorage(storage.root).image(NAME)
    if storage.driver == "overlay" and os.geteuid():
        return  # only root sees the marks of deleted files
    source = ContainersStorage(storage.root, reading=Reading(allow_rebuilt=True))
    assert isinstance(source.image(NAME), RebuiltImage)
    found = proven(source)
    (picture,) = found.images()
    assert str(picture.config.diff_ids[0]) == sha256(ONE)
    assert str(picture.config.diff_ids[1]) != sha256(TWO)
    assert any("it has layers that were made anew" in finding.problem for finding in found.findings)
    assert source.layer(source.image(NAME).layers[1].key) == source.image(NAME).layers[1]


def test_a_layer_kept_by_composefs_is_unsupported(tmp_path: Path) -> None:
    storage = Storage(tmp_path, "overlay")
    storage.add(APP, NAME)
    (storage.tree(storage.layers[0]["id"]).parent / "composefs-data").mkdir()
    for reading in (Reading(), Reading(allow_rebuilt=True)):
        with pytest.raises(Unsupported, match="is kept by composefs, as objects and not as a tree"):
            ContainersStorage(storage.root, reading=reading).image(NAME)


def test_layers_of_containers_are_no_images_and_disturb_nobody(storage: Storage) -> None:
    top = storage.images[0]["layer"]
    storage.layers.append({"id": B, "parent": top, "names": ["container"], "created": "now"})
    storage.layers.append({"id": 5})
    storage.write()
    (storage.layers_json.parent / "volatile-layers.json").write_bytes(encode([storage.layers[0]]))
    assert set(problems(storage).values()) == {""}
    assert str(proven(ContainersStorage(storage.root)).top.digest) == APP.digest


def test_a_recorded_size_that_is_wrong_is_a_warning(storage: Storage) -> None:
    storage.layers[0]["diff-size"] = 3
    storage.write()
    found = proven(ContainersStorage(storage.root))
    assert [(finding.subject, finding.problem, finding.severity) for finding in found.findings] == [
        (
            f"layer {sha256(ONE)}",
            f"its recorded size is 3, expected {len(ONE)}, the size of its tar",
            "warning",
        )
    ]


def test_reading_takes_no_lock_and_changes_nothing(storage: Storage) -> None:
    storage.root.chmod(0o500)
    before = {path: os.lstat(path) for path in storage.root.rglob("*")}
    source = ContainersStorage(storage.root)
    source.listings()
    proven(source)
    storage.root.chmod(0o700)
    assert {path: os.lstat(path) for path in storage.root.rglob("*")}.keys() == before.keys()
    for path, facts in before.items():
        assert os.lstat(path).st_mtime_ns == facts.st_mtime_ns


def test_a_store_of_other_users_is_read_within_podman_unshare(storage: Storage) -> None:
    closed = storage.tree(storage.layers[0]["id"])
    closed.chmod(0)
    source = ContainersStorage(storage.root)
    own = os.geteuid()
    if own == 0:
        for path in (storage.root, *storage.root.parents):
            if os.stat(path).st_mode & 0o005 != 0o005 and path.parts[:2] == ("/", "tmp"):
                path.chmod(0o755)
        for path in storage.root.rglob("*"):
            path.chmod(0o755 if path.is_dir() and path != closed else path.stat().st_mode | 0o044)
        closed.chmod(0o700)
        os.seteuid(65534)
    try:
        with pytest.raises(
            StoreError, match=r"permission denied; run it within podman unshare, or as root"
        ) as caught:
            proven(source)
    finally:
        os.seteuid(own)
        closed.chmod(0o755)
    assert caught.value.exit_code == 7


Damage = Callable[[Storage], object]


def edit_file(storage: Storage) -> None:
    (storage.tree(storage.layers[0]["id"]) / "one").write_bytes(b"9")


def drop_folder(storage: Storage) -> None:
    shutil.rmtree(storage.tree(storage.layers[0]["id"]))


def link_folder(storage: Storage) -> None:
    tree = storage.tree(storage.layers[0]["id"])
    tree.rename(storage.root / "elsewhere")
    tree.symlink_to(storage.root / "elsewhere")


def drop_split(storage: Storage) -> None:
    storage.split(storage.layers[0]["id"]).unlink()


def truncate_split(storage: Storage) -> None:
    path = storage.split(storage.layers[0]["id"])
    path.write_bytes(path.read_bytes()[:-20])


def cut_split(storage: Storage) -> None:
    path = storage.split(storage.layers[0]["id"])
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[:2])))


def edit_config(storage: Storage) -> None:
    path = storage.data(storage.images[0]["id"], sha256(APP.config))
    path.write_bytes(path.read_bytes().replace(b"amd64", b"arm64"))


def drop_config(storage: Storage) -> None:
    storage.data(storage.images[0]["id"], sha256(APP.config)).unlink()


def edit_manifest(storage: Storage) -> None:
    for key in ("manifest", f"manifest-{APP.digest}"):
        storage.data(sha256(APP.config), key).write_bytes(APP.raw + b" ")


def swap_manifest(storage: Storage) -> None:
    storage.data(storage.images[0]["id"], "manifest").write_bytes(OTHER.raw)
    storage.images[0]["big-data-digests"]["manifest"] = OTHER.digest


def record(where: str, number: int, **members: object) -> Damage:
    def change(storage: Storage) -> None:
        getattr(storage, where)[number].update(members)

    return change


def parent_cycle(storage: Storage) -> None:
    storage.layers[0]["parent"] = storage.layers[1]["id"]


def base_gone(storage: Storage) -> None:
    del storage.layers[0]


def no_json(storage: Storage) -> None:
    storage.layers_json.unlink()
    storage.layers_json.write_bytes(b"[{]")


def twice(where: str) -> Damage:
    return lambda storage: getattr(storage, where).append(dict(getattr(storage, where)[0]))


DAMAGE: dict[str, tuple[Damage, str, int]] = {
    "folder gone": (drop_folder, "its folder .* is not there", 5),
    "folder a link": (link_folder, "is a link, expected a folder", 6),
    "file edited": (edit_file, r"one: .*expected", 5),
    "tar-split gone": (drop_split, "its tar-split .* is not there: no tar can be proven", 5),
    "tar-split truncated": (truncate_split, "tar-split", 5),
    "tar-split cut at a line": (cut_split, r"size is \d+, expected 10240", 5),
    "config edited": (edit_config, "digest is sha256:.*it was changed", 5),
    "config gone": (drop_config, "is not there", 5),
    "manifest edited": (edit_manifest, "digest is sha256:.*it was changed", 5),
    "manifest another's": (swap_manifest, "its manifest: config is sha256:", 5),
    "image ID a path": (record("images", 0, id="../../etc"), "its ID 'sha256:../../etc' is not a digest", 5),
    "top layer a path": (record("images", 0, layer="../../etc"), "names the layer '../../etc', expected 64", 6),
    "layer ID a path": (record("layers", 0, id="../../etc"), "its record in .* is not there", 5),
    "parent a path": (record("layers", 1, parent="../../etc"), "names the layer '../../etc', expected 64", 6),
    "parents in a circle": (parent_cycle, "is its own ancestor", 5),
    "layer gone": (base_gone, "its record in .*layers.json is not there", 5),
    "parent missing": (record("layers", 1, parent=""), "has 1 layers and 2 diffIDs", 5),
    "layer of another digest": (
        record("layers", 1, **{"diff-digest": sha256(b"")}), "diff-digest is sha256:e3b0c442.*, expected", 5,
    ),
    "digest none": (record("layers", 1, **{"diff-digest": "md5:1"}), "diff-digest: .*is not a digest", 5),
    "layer incomplete": (record("layers", 1, flags={"incomplete": True}), "is marked as incomplete", 5),
    "size a text": (record("layers", 1, **{"diff-size": "5"}), "diff-size: int required, found str", 5),
    "names no list": (record("images", 0, **{"big-data-names": 5}), "big-data-names: list required", 5),
    "image twice": (twice("images"), "has the image .* 2 times, expected once", 6),
    "layer twice": (twice("layers"), "has the layer .* 2 times, expected once", 6),
    "layers.json no JSON": (no_json, "is not valid JSON", 5),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_one_sentence_and_other_images_are_still_listed(
    storage: Storage, what: str, told: Told
) -> None:
    damage, sentence, exit_code = DAMAGE[what]
    damage(storage)
    if damage is not no_json:
        storage.write()
    source = ContainersStorage(storage.root)
    with pytest.raises(CorruptContent, match=sentence) as caught:
        proven(source, NAME)
    told("containers-storage", what, caught.value)
    assert caught.value.exit_code == exit_code
    assert "\n" not in str(caught.value)
    listed = problems(storage)
    assert listed.keys() == {(NAME,), (BESIDE,)}
    assert bool(listed[BESIDE,]) == (damage is no_json)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"[" * 2000 + b"]" * 2000, "images.json: is nested deeper"),
        (b"[" + b"{}," * 600_000 + b"{}]", "images.json: holds about"),
        (b" " * (17 << 20), "images.json: is 17825792 bytes"),
    ],
)
def test_a_list_of_images_that_is_an_attack_is_one_sentence(
    storage: Storage, text: bytes, sentence: str
) -> None:
    storage.images_json.write_bytes(text)
    source = ContainersStorage(storage.root)
    for ask in (source.listings, lambda: source.image(NAME)):
        with pytest.raises(CorruptContent, match=sentence):
            ask()


def test_records_that_are_none_disturb_nobody(storage: Storage) -> None:
    storage.images_json.write_bytes(
        encode(
            [5, None, {}, {"id": 5}, {"id": A, "names": 5}, {"id": B, "names": [5, "x:1"]}, *storage.images]
        )
    )
    lines = ContainersStorage(storage.root).listings()
    assert [line.names for line in lines] == [(NAME,), (BESIDE,), ("x:1",), ()]
    assert [bool(line.problem) for line in lines] == [False, False, True, True]


def test_a_name_of_two_images_is_refused(storage: Storage) -> None:
    storage.images[1]["names"] = [NAME]
    storage.write()
    with pytest.raises(
        UnsafeArchive, match=r"localhost/app:1: is sha256:.* and sha256:.*, expected one image"
    ):
        ContainersStorage(storage.root).image(NAME)
    assert len(ContainersStorage(storage.root).listings()) == 2


def test_a_second_spelling_of_a_key_is_refused(storage: Storage) -> None:
    storage.images[0]["Layer"] = B
    storage.write()
    with pytest.raises(UnsafeArchive, match="Layer is a second spelling"):
        ContainersStorage(storage.root).image(NAME)


def test_what_podman_changes_meanwhile_is_seen(storage: Storage) -> None:
    source = ContainersStorage(storage.root)
    assert source.identify(NAME)
    storage.images[0]["names"] = ["localhost/renamed:1"]
    storage.write()
    assert source.identify("localhost/renamed:1") == sha256(APP.config)
    with pytest.raises(ToolkitError, match="is not in"):
        source.identify(NAME)
