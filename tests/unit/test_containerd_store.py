from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import ONE, TWO, blob, image, index, sha256
from tests.bolts import Tree, database, varint
from tests.conformance import snapshot
from tests.containerds import CONTENT, META, containerd_root, extracted, record, tree
from toolkit.errors import CorruptContent, MissingMember, NotFound, UnsafeArchive, Unsupported
from toolkit.image import SourceImage
from toolkit.places import open_sink, open_source
from toolkit.reading import Reading
from toolkit.settings import Settings
from toolkit.stores.containerd.store import ContainerdStore, open_containerd
from toolkit.stores.kinds import holds_containerd

DATA = Path(__file__).parents[1] / "data/containerd"
APP = image(ONE, created="2020-01-01T00:00:00Z")
ARM = image(ONE, TWO, architecture="arm64")
BOTH = index(APP, ARM)
UBUNTU, OTHER = "docker.io/library/ubuntu:14.04", "registry.example:5000/team/other:1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return containerd_root(tmp_path / "root", {"moby": {UBUNTU: APP, OTHER: ARM}})


def problems(image_: SourceImage) -> list[str]:
    return [str(finding.problem) for finding in image_.findings]


@pytest.mark.parametrize("below", ["", "/containerd/daemon"])
def test_an_empty_one_inside_a_docker_says_where_that_has_its_images(tmp_path: Path, below: str) -> None:
    containerd_root(tmp_path / "containerd/daemon", {"moby": {}})
    content = tmp_path / "image/overlay2/imagedb/content/sha256"
    content.mkdir(parents=True)
    store = open_containerd(Path(f"{tmp_path}{below}"))
    assert store.remarks() == []  # Docker makes that folder also where it keeps its images here
    (content / sha256(APP.config)[7:]).write_bytes(APP.config)
    (remark,) = store.remarks()
    assert remark.problem == "is kept by a Docker for its containers, and its images lie with a graph driver"
    assert (remark.severity, remark.advice) == ("warning", f"read docker-root:{tmp_path}")
    containerd_root(tmp_path / "containerd/daemon", {"moby": {UBUNTU: APP}})
    assert open_containerd(tmp_path).remarks() == []


def test_images_are_listed_once_with_all_their_names(tmp_path: Path) -> None:
    config = sha256(APP.config)
    named = {
        UBUNTU: APP, f"docker.io/library/ubuntu@{APP.digest}": APP, config: APP, "docker.io/library/x:1": APP,
        f"moby-dangling@{ARM.digest}": ARM, OTHER: BOTH,
    }  # fmt: skip
    store = ContainerdStore(containerd_root(tmp_path, {"k8s.io": named}))
    lines = [(line.names, line.id, line.problem) for line in store.listings()]
    assert lines == [
        ((OTHER,), BOTH.digest, ""),
        (("ubuntu:14.04", f"ubuntu@{APP.digest}", "x:1"), config, ""),
        ((), sha256(ARM.config), ""),
    ]
    for line in store.listings():
        for name in (*line.names, line.id):
            assert store.image(name).top.digest == store.image(line.id).top.digest


def test_an_image_has_nothing_of_a_layout_to_tell(root: Path) -> None:
    for name in ("ubuntu:14.04", UBUNTU, OTHER, ARM.digest):
        assert ContainerdStore(root).image(name).findings == ()


def test_platforms_that_were_not_pulled_are_told(tmp_path: Path) -> None:
    root = containerd_root(tmp_path, {"moby": {UBUNTU: BOTH}})
    (root / CONTENT / blob(ARM.digest)).unlink()
    image_ = ContainerdStore(root).image(UBUNTU)
    assert problems(image_) == ["is incomplete: the index names it for linux/arm64, and it is not there"]
    assert [str(layer.digest) for layer in image_.layers] == APP.layers


def test_content_that_no_namespace_lists_is_served_all_the_same(tmp_path: Path) -> None:
    root = containerd_root(tmp_path, {"moby": {UBUNTU: APP}}, ARM)
    store = ContainerdStore(root)
    assert store.layer(ARM.layers[1]).size == len(TWO)
    with pytest.raises(NotFound):
        store.image(ARM.digest)  # yet an image is what has a name, or had one


def test_a_namespace_is_one_clients_images(tmp_path: Path) -> None:
    root = containerd_root(tmp_path, {"moby": {UBUNTU: APP}, "k8s.io": {UBUNTU: ARM}})
    found = [ContainerdStore(root, space).identify(UBUNTU) for space in ("", "moby", "k8s.io")]
    assert found == [APP.digest, APP.digest, ARM.digest]
    with pytest.raises(NotFound, match=r"namespace x: is not in containerd-root:.*; it has k8s.io, moby"):
        ContainerdStore(root, "x").listings()


def test_names_that_changed_are_read_anew(root: Path) -> None:
    store = ContainerdStore(root)
    assert store.identify(UBUNTU) == APP.digest
    (root / META).write_bytes(database(tree({"moby": {UBUNTU: ARM}})) + b"longer")
    assert store.identify(UBUNTU) == ARM.digest


def test_layers_that_were_discarded_can_be_pulled_again(root: Path) -> None:
    (root / CONTENT / blob(ARM.layers[1])).unlink()
    store = ContainerdStore(root)
    with pytest.raises(MissingMember) as caught:
        store.image(OTHER)
    assert str(caught.value) == (
        f"blob {ARM.layers[1]}: is not on this disk, and without it this image is not whole; pull the image again, or"
        " export it from another node: containerd can discard layers that it has unpacked"
        " (discard_unpacked_layers)"
    )
    assert [bool(line.problem) for line in store.listings()] == [True, False]


def test_without_its_database_a_store_has_images_without_names(root: Path) -> None:
    (root / META).unlink()
    store = ContainerdStore(root)
    assert {(line.names, line.id) for line in store.listings()} == {
        ((), sha256(each.config)) for each in (APP, ARM)
    }
    assert problems(store.image(sha256(ARM.config))) == [
        f"has lost names of images: {root / META}: is not there"
    ]
    with pytest.raises(MissingMember) as caught:
        store.image("ubuntu:14.04")
    assert str(caught.value).startswith(
        f"{root / META}: is not there; names are lost with it; lading ls lists"
    )
    with pytest.raises(NotFound):
        store.image("sha256:" + "0" * 64)


def test_of_a_damaged_database_the_names_that_can_be_read_stay(root: Path) -> None:
    keys: Tree = {b"v1": {b"moby": {b"images": {UBUNTU.encode(): record(APP), OTHER.encode(): {b"x": b""}}}}}
    (root / META).write_bytes(database(keys))
    store = ContainerdStore(root)
    assert [line.names for line in store.listings()] == [("ubuntu:14.04",), ()]
    assert "has no target/digest" in problems(store.image(UBUNTU))[0]
    with pytest.raises(CorruptContent, match="target/digest; names are lost with it"):
        store.image(OTHER)


def test_a_size_that_is_not_the_blobs_costs_one_image(root: Path) -> None:
    wrong = record(APP)
    wrong[b"target"] = {**wrong[b"target"], b"size": varint(1)}  # type: ignore[dict-item]
    keys: Tree = {b"v1": {b"moby": {b"images": {UBUNTU.encode(): wrong, OTHER.encode(): record(ARM)}}}}
    (root / META).write_bytes(database(keys))
    assert [line.problem for line in ContainerdStore(root).listings()] == [
        "", f"blob {APP.digest}: size is {len(APP.raw)}, expected 1"]  # fmt: skip


def test_a_root_is_found_in_a_docker_data_root(tmp_path: Path, root: Path) -> None:
    data = containerd_root(tmp_path / "data/containerd/daemon", {"moby": {UBUNTU: ARM}}).parents[1]
    assert holds_containerd(root) == root
    assert holds_containerd(data) == data / "containerd/daemon"
    assert holds_containerd(tmp_path) is None
    assert holds_containerd(tmp_path / "nothing") is None
    assert open_containerd(data).identify(UBUNTU) == ARM.digest
    assert open_containerd(data).place == f"containerd-root:{data}"
    assert ContainerdStore(root, "moby", "docker-root:/d").place == "docker-root:/d"


@pytest.mark.parametrize("name", ["containerd", "containerd/daemon", f"containerd/daemon/{CONTENT}"])
def test_a_root_behind_a_link_is_none(tmp_path: Path, name: str) -> None:
    data = containerd_root(tmp_path / "data/containerd/daemon", {"moby": {UBUNTU: ARM}}).parents[1]
    (data / name).rename(tmp_path / "moved")
    (data / name).symlink_to(tmp_path / "moved")
    with pytest.raises(UnsafeArchive, match="is a link, expected a folder"):
        open_containerd(data)


def test_what_is_no_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"holds no store of containerd: there is no io.containerd.content"):
        open_containerd(tmp_path)
    with pytest.raises(NotFound, match="is not there"):
        open_containerd(tmp_path / "nothing")


def test_the_place_is_opened_by_its_uri_and_not_written(tmp_path: Path, root: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    assert open_source(f"containerd-root:{root}", settings).identify(UBUNTU) == APP.digest
    with pytest.raises(NotFound, match="namespace default"):
        open_source(f"containerd-root:{root}", settings, Reading(namespace="default")).listings()
    with pytest.raises(Unsupported, match="cannot be imported into"):
        open_sink(f"containerd-root:{root}", settings)


def test_what_containerd_1_6_wrote_is_read(tmp_path: Path) -> None:
    root = extracted(DATA / "containerd-1.6.20.tar.xz", tmp_path)
    before = snapshot(root)
    app = "352da1815b592458ed3362686bb4ba9ffb38a5d43e5f92bc1216fdd69343e1dd"
    store = open_containerd(root)
    assert {entry.names: entry.top.digest.hex for entry in store.entries()} == {
        ("app:1", f"app@sha256:{app}"): app,
        ("registry.example:5000/team/app:2.1",): (
            "f6174c187f5868206b3f4595ce540762a2f7619e1e48699af6e255702ba9b27e"
        ),
    }
    assert [line.problem for line in store.listings()] == ["", ""]
    other = open_containerd(root, "default").identify("other")
    assert other == "sha256:041aa9ae599dfbdc8ff39584b0c1f467e0f1416bee114e8129c00ac2c4ae5fed"
    assert snapshot(root) == before


def test_the_names_that_docker_29_wrote_are_read(tmp_path: Path) -> None:
    store = open_containerd(extracted(DATA / "docker-29.tar.xz", tmp_path))
    top = "sha256:dc073b01ec239d8bdb0cc365b276385bee48f21a80b057444e0af88a9e304468"
    (entry,) = store.entries()
    assert (entry.names, str(entry.top.digest)) == (("ubuntu:14.04", "ubuntu:trusty"), top)
    assert entry.top.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    assert entry.top.size == 894
