from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.archives import A, B, C, encode, v1_json
from tests.graphs import legacy_layer, name
from toolkit.errors import (
    CorruptContent,
    InvalidDocument,
    MissingMember,
    NotFound,
    StoreError,
    UnsafeArchive,
    Unsupported,
)
from toolkit.stores.graph.root import GraphRoot

CHAIN_LIMIT, TEXT_LIMIT = 1024, 4 << 10


@pytest.fixture
def root(tmp_path: Path) -> GraphRoot:
    legacy_layer(tmp_path, "aufs", A, {}, size="5")
    legacy_layer(tmp_path, "aufs", B, {}, parent=A)
    return GraphRoot(tmp_path)


@contextmanager
def locked_out(folder: Path) -> Iterator[None]:
    folder.chmod(0)
    was = os.geteuid()
    os.seteuid(was or 65534)
    try:
        yield
    finally:
        os.seteuid(was)
        folder.chmod(0o755)


# ── what is a root ──


def test_a_folder_without_graph_is_no_root(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"holds no data root of Docker 0.7 to 1.9: there is no graph in it"):
        GraphRoot(tmp_path)
    with pytest.raises(NotFound):
        GraphRoot(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("folder", "sentence"), [("image", "Docker 1.10 or later"), ("overlay-images", "podman")]
)
def test_a_newer_store_is_told_apart(tmp_path: Path, folder: str, sentence: str) -> None:
    (tmp_path / folder).mkdir()
    with pytest.raises(Unsupported, match=sentence):
        GraphRoot(tmp_path)


def test_a_root_that_may_not_be_entered_is_one_sentence(tmp_path: Path) -> None:
    """As /var/lib/docker for everybody but root."""
    tmp_path.chmod(0o755)
    (tmp_path / "shut").mkdir()
    with locked_out(tmp_path / "shut"), pytest.raises(StoreError, match=r"permission denied.*run as root"):
        GraphRoot(tmp_path / "shut")


# ── names ──


def test_every_driver_that_recorded_names_is_found(tmp_path: Path, root: GraphRoot) -> None:
    for driver in ("vfs", "aufs", "devicemapper"):
        name(tmp_path, driver, latest=A)
    for other in (
        "repositories",
        "repositories-",
        "repositories-AUFS",
        "repositories-x.json",
        "xrepositories-vfs",
    ):
        (tmp_path / other).write_bytes(b"")
    assert root.drivers() == ["aufs", "devicemapper", "vfs"]


def test_names_are_kept_as_they_stand(tmp_path: Path, root: GraphRoot) -> None:
    digest = f"sha256:{C}"
    table = {"ubuntu": {"14.04": A, digest: B}, "host:5000/a/b": {"latest": "not even an ID"}}
    (tmp_path / "repositories-aufs").write_bytes(encode({"Repositories": table}))
    assert dict(root.names("aufs").names) == {
        "host:5000/a/b:latest": "not even an ID", "ubuntu:14.04": A, f"ubuntu@{digest}": B,
    }  # fmt: skip
    assert list(root.names("vfs").names) == []


@pytest.mark.parametrize(
    "raw", [b"{}", b'{"Repositories":null}', b'{"Repositories":{}}', b'{"Repositories":{"a":null}}']
)
def test_a_table_may_be_empty(tmp_path: Path, root: GraphRoot, raw: bytes) -> None:
    (tmp_path / "repositories-aufs").write_bytes(raw)
    assert list(root.names("aufs").names) == []
    assert root.lost("aufs") is None


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b'{"Repositories":[1]}', b'{"Repositories":{"a":"b"}}', b'{"Repositories":{"a":{"b":1}}}'],
)
def test_a_damaged_table_tells_no_names_and_why(tmp_path: Path, root: GraphRoot, raw: bytes) -> None:
    (tmp_path / "repositories-aufs").write_bytes(raw)
    assert list(root.names("aufs").names) == []
    lost = root.lost("aufs")
    assert isinstance(lost, InvalidDocument)
    assert "repositories-aufs" in str(lost)


def test_a_table_that_is_no_file_is_refused_and_not_lost(tmp_path: Path, root: GraphRoot) -> None:
    (tmp_path / "repositories-aufs").symlink_to("/etc/hostname")
    for read in (root.names, root.lost):
        with pytest.raises(UnsafeArchive, match="is a link"):
            read("aufs")


def test_a_table_that_is_not_there_is_told(tmp_path: Path, root: GraphRoot) -> None:
    assert str(root.lost("aufs")) == f"{tmp_path}/repositories-aufs: is not there"


# ── layers ──


def test_only_ids_are_layers(tmp_path: Path, root: GraphRoot) -> None:
    for other in ("_tmp", ":tmp:x", A.upper(), A[:12], "x" * 64):
        (tmp_path / "graph" / other).mkdir()
    assert list(root.layer_ids()) == [A, B]


def test_a_chain_is_read_base_first(root: GraphRoot) -> None:
    assert [layer.id for layer in root.chain(B)] == [A, B]
    assert [layer.parent for layer in root.chain(B)] == ["", A]


def test_a_layersize_is_read_as_it_stands(tmp_path: Path, root: GraphRoot) -> None:
    assert (root.layersize(A, "aufs").text, root.layersize(A, "aufs").value) == ("5", 5)
    assert root.layersize(B, "aufs").text is None
    (tmp_path / "graph" / B / "layersize").write_bytes(b"1\xff\n")
    assert root.layersize(B, "aufs").text == "1\\xff\n"


def test_a_missing_layer_is_named(root: GraphRoot) -> None:
    with pytest.raises(MissingMember, match=f"layer {C[:12]}: .*graph/{C}/json is not there"):
        root.chain(C)


@pytest.mark.parametrize("layer_id", ["", "../x", A[:12], A.upper(), A + "\n", "/" + A])
def test_what_is_no_id_is_never_a_path(root: GraphRoot, layer_id: str) -> None:
    with pytest.raises(UnsafeArchive, match="is no layer ID"):
        root.chain(layer_id)


def test_a_cycle_of_parents_ends(tmp_path: Path, root: GraphRoot) -> None:
    (tmp_path / "graph" / A / "json").write_bytes(v1_json(A, B))
    with pytest.raises(UnsafeArchive, match="the parents form a cycle"):
        root.chain(B)


def test_an_endless_chain_ends(tmp_path: Path, root: GraphRoot) -> None:
    for number in range(CHAIN_LIMIT + 1):
        folder = tmp_path / "graph" / f"{number:064x}"
        folder.mkdir()
        (folder / "json").write_bytes(v1_json(f"{number:064x}", f"{number + 1:064x}"))
    with pytest.raises(UnsafeArchive, match=f"more than {CHAIN_LIMIT} ancestors"):
        root.chain(f"{0:064x}")


def test_a_file_parent_overrides_the_json(tmp_path: Path, root: GraphRoot) -> None:
    (tmp_path / "graph" / B / "parent").write_text(C)
    assert root.layer(B).parent == C


# ── files ──


@pytest.mark.parametrize("link", ["graph", f"graph/{A}", f"graph/{A}/json"])
def test_no_link_in_the_metadata_is_followed(tmp_path: Path, root: GraphRoot, link: str) -> None:
    (tmp_path / link).rename(tmp_path / "was")
    (tmp_path / link).symlink_to(tmp_path / "was")
    with pytest.raises(CorruptContent):
        root.layer(A)


def test_reading_is_bounded(tmp_path: Path, root: GraphRoot) -> None:
    (tmp_path / "graph" / A / "parent").write_bytes(b"1" * (TEXT_LIMIT + 1))
    with pytest.raises(UnsafeArchive, match=f"expected at most {TEXT_LIMIT}"):
        root.layer(A)


def test_a_fifo_is_not_waited_for(tmp_path: Path, root: GraphRoot) -> None:
    os.mkfifo(tmp_path / "graph" / A / "parent")
    with pytest.raises(UnsafeArchive, match="expected a regular file"):
        root.layer(A)


def test_tar_split_is_there_or_not(tmp_path: Path, root: GraphRoot) -> None:
    assert root.tar_data(A) is None
    (tmp_path / "graph" / A / "tar-data.json.gz").write_bytes(b"x")
    handle = root.tar_data(A)
    assert handle is not None
    assert os.read(handle, 10) == b"x"
    os.close(handle)
