"""A root as a whole: several drivers, names and links; single layers are in test_graph_reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import A, B, C
from tests.eras import BASE, CAMEL, MIDDLE, v1_json
from tests.graphs import legacy_layer, name
from toolkit.ancestry import AS_DOCKER
from toolkit.errors import CorruptContent, MissingMember, NotFound, Unsupported
from toolkit.places import open_source
from toolkit.settings import Settings
from toolkit.stores.graph.drivers import DRIVERS
from toolkit.stores.graph.store import GraphStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root that was used with aufs, then with vfs, then on Windows."""
    root = tmp_path / "docker"
    legacy_layer(root, "aufs", A, {"f": b"aufs"}, size="4")
    legacy_layer(root, "vfs", B, {"f": b"vfs"}, size="3")
    name(root, "aufs", latest=A, old=A)
    name(root, "vfs", latest=B, new=B)
    name(root, "windows", other=C)
    return root


def content(store: GraphStore, image: str) -> bytes:
    (layer,) = store.image(image).layers
    with store.open(layer) as opened:
        return b"".join(map(bytes, opened.blocks()))


def test_the_images_of_every_driver_that_is_read_are_listed(root: Path) -> None:
    assert [(line.names, line.id, line.problem) for line in GraphStore(root).listings()] == [
        (("app:latest", "app:new"), B, ""), (("app:latest", "app:old"), A, ""),
    ]  # fmt: skip


def test_each_image_is_read_with_its_own_driver(root: Path) -> None:
    store = GraphStore(root)
    assert b"aufs" in content(store, "app:old")
    assert b"vfs" in content(store, "app:new")
    for image, driver in (("app:old", "aufs"), ("app:new", "vfs"), (A, "aufs"), (B, "vfs")):
        (layer,) = store.image(image).layers
        assert layer.v1
        assert layer.v1.layersize.driver == driver
        assert store.layer(layer.key).v1 == layer.v1


def test_graph_plus_driver_says_which_one_is_meant(root: Path) -> None:
    aufs, vfs = (open_source(f"graph+{driver}:{root}", Settings()) for driver in ("aufs", "vfs"))
    assert (aufs.identify("app:latest"), vfs.identify("app:latest")) == (A, B)
    assert vfs.place == f"graph+vfs:{root}"
    with pytest.raises(NotFound, match=r"app:old: is not in graph\+vfs:.*near it: app:"):
        vfs.identify("app:old")
    assert [line.names for line in vfs.listings() if line.names] == [("app:latest", "app:new")]


def test_a_driver_that_is_not_read_is_unsupported(root: Path) -> None:
    sentence = f"uses the storage driver 'windows', expected one of {', '.join(sorted(DRIVERS))}"
    with pytest.raises(Unsupported, match=sentence):
        open_source(f"graph+windows:{root}", Settings())
    for other in ("aufs", "vfs"):
        (root / f"repositories-{other}").unlink()
        (root / other).rename(root / f"was {other}")
    with pytest.raises(Unsupported, match=f"graph:{root}: {sentence}"):
        open_source(f"graph:{root}", Settings())


def test_a_driver_that_the_root_was_not_used_with_is_refused_with_those_that_it_has(root: Path) -> None:
    with pytest.raises(Unsupported) as caught:
        open_source(f"graph+overlay:{root}", Settings())
    assert str(caught.value) == (
        f"graph+overlay:{root}: has no images of the driver 'overlay'; it has aufs, vfs"
    )


def test_a_root_without_any_names_is_read_by_id(root: Path) -> None:
    for path in root.glob("repositories-*"):
        path.unlink()
    store = GraphStore(root)
    assert {(line.names, line.id, line.problem) for line in store.listings()} == {((), A, ""), ((), B, "")}
    assert store.identify(A) == A
    assert b"vfs" in content(store, B)


def test_names_are_lost_only_where_a_driver_has_layers(root: Path) -> None:
    (root / "overlay").mkdir()  # a Docker was started with it once
    assert GraphStore(root).remarks() == []
    (root / "repositories-vfs").unlink()
    store = GraphStore(root)
    (remark,) = store.remarks()
    assert remark.problem == f"has lost the names of its images: {root}/repositories-vfs: is not there"
    assert store.identify("app:old") == A
    with pytest.raises(CorruptContent, match="repositories-vfs: is not there; names are lost with it"):
        store.identify("app:new")


def test_a_root_given_through_a_link_is_the_same(tmp_path: Path, root: Path) -> None:
    (tmp_path / "link").symlink_to("docker")
    store = open_source(f"graph:{tmp_path}/link", Settings())
    assert isinstance(store, GraphStore)
    assert store.place == f"graph:{tmp_path}/link"
    assert content(store, "app:old") == content(GraphStore(root), "app:old")


@pytest.mark.parametrize(
    "asked", ["app", "app:latest", "docker.io/library/app:latest", "index.docker.io/library/app"]
)
def test_a_name_is_found_however_it_is_written(root: Path, asked: str) -> None:
    assert GraphStore(root, "aufs").identify(asked) == A


@pytest.mark.parametrize("asked", ["app:missing", C, A[:12], "../graph", "layer", ""])
def test_what_is_not_there_is_not_found(root: Path, asked: str) -> None:
    with pytest.raises(NotFound) as caught:
        GraphStore(root).identify(asked)
    assert caught.value.exit_code == 3


def test_an_image_whose_layer_no_driver_holds_is_listed_and_cannot_be_read(root: Path) -> None:
    name(root, "vfs", gone=C, new=B)
    store = GraphStore(root)
    problems = {line.names: line.problem for line in store.listings()}
    assert "is not there" in problems["app:gone",]
    with pytest.raises(MissingMember):
        store.image("app:gone")


def test_a_camelcase_json_that_docker_loaded_verbatim_is_read(tmp_path: Path) -> None:
    """Docker up to 1.3 stored the bytes that an archive of 0.12 to 1.0.1 had (formats A.3.1)."""
    root = tmp_path / "docker"
    for layer_id, parent in ((BASE, ""), (MIDDLE, BASE)):
        legacy_layer(root, "vfs", layer_id, {"f": layer_id.encode()}, parent=parent)
        (root / "graph" / layer_id / "json").write_bytes(v1_json("1.0.1", layer_id, CAMEL, "no number"))
    name(root, "vfs", latest=MIDDLE)
    store = GraphStore(root)
    assert store.identify("app:latest") == MIDDLE
    told = store.outline("app:latest")
    assert told.layers[-1].history.created_by == "/bin/sh -c echo middle > /etc/name && true"
    assert told.findings == store.image("app:latest").findings[-1:]
    assert "2 of its 2 v1 jsons are in the CamelCase" in told.findings[0].problem
    store.docker_compatible = True
    assert store.outline("app:latest").layers[-1].history.created_by == ""
    assert [layer.camelcase for layer in store.image("app:latest").chain] == [AS_DOCKER] * 2
