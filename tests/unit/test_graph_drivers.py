from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import A, B, Body
from tests.graphs import FOLDERS, legacy_layer
from tests.neighbours import made
from toolkit.errors import CorruptContent, MissingMember, StoreError, UnsafeArchive, Unsupported
from toolkit.stores.graph.drivers import DRIVERS, driver_named, holds, layer_tree, stands_for_a_tree


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_layer_is_where_its_driver_keeps_it(tmp_path: Path, driver: str) -> None:
    assert not holds(tmp_path, DRIVERS[driver], A)
    legacy_layer(tmp_path, driver, A, {"f": b"content"})
    assert (tmp_path / FOLDERS[driver].format(A)).is_dir()
    assert holds(tmp_path, DRIVERS[driver], A)
    with layer_tree(tmp_path, DRIVERS[driver], A) as tree:
        assert tree.lstat(b"f") is not None


@pytest.mark.parametrize("name", ["windows", "overlay2", "AUFS", ""])
def test_another_driver_is_unsupported_by_name(name: str) -> None:
    with pytest.raises(Unsupported) as caught:
        driver_named(name, "graph:/p")
    known = ", ".join(sorted(DRIVERS))
    assert str(caught.value) == f"graph:/p: uses the storage driver {name!r}, expected one of {known}"


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_missing_folder_is_named(tmp_path: Path, driver: str) -> None:
    legacy_layer(tmp_path, driver, B, {"f": b"of another layer"})
    made(tmp_path / "devicemapper/metadata" / B)
    with pytest.raises(MissingMember, match=f"layer {A[:12]}: its folder .*{A}.* is not there"):
        layer_tree(tmp_path, DRIVERS[driver], A)


def test_what_the_migration_from_0_6_left_is_looked_for_inside_the_root(tmp_path: Path) -> None:
    (tmp_path / "aufs/diff").mkdir(parents=True)
    (tmp_path / "aufs/diff" / A).symlink_to(f"/var/lib/docker/graph/{A}/layer")
    with pytest.raises(MissingMember):
        layer_tree(tmp_path, DRIVERS["aufs"], A)
    (tmp_path / "graph" / A / "layer").mkdir(parents=True)
    (tmp_path / "graph" / A / "layer/f").write_bytes(b"")
    assert holds(tmp_path, DRIVERS["aufs"], A)
    with layer_tree(tmp_path, DRIVERS["aufs"], A) as tree:
        assert tree.lstat(b"f") is not None


@pytest.mark.parametrize(
    "target", ["/etc", f"../../graph/{A}/layer", f"/x/graph/{'b' * 64}/layer", f"/graph/{A}/layer/..", "."]
)
def test_another_link_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "graph" / A / "layer").mkdir(parents=True)
    (tmp_path / "aufs/diff").mkdir(parents=True)
    (tmp_path / "aufs/diff" / A).symlink_to(target)
    with pytest.raises(UnsafeArchive, match="is a link to"):
        layer_tree(tmp_path, DRIVERS["aufs"], A)


@pytest.mark.parametrize("link", ["vfs", "vfs/dir"])
def test_a_drivers_folder_that_is_a_link_is_not_followed(tmp_path: Path, link: str) -> None:
    legacy_layer(tmp_path / "elsewhere", "vfs", A, {"f": b"secret"})
    root = tmp_path / "root"
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(tmp_path / "elsewhere" / link)
    with pytest.raises(CorruptContent):
        layer_tree(root, DRIVERS["vfs"], A)


def test_the_layer_that_the_migration_left_may_be_no_link_itself(tmp_path: Path) -> None:
    (tmp_path / "graph" / A).mkdir(parents=True)
    (tmp_path / "graph" / A / "layer").symlink_to("/etc")
    (tmp_path / "aufs/diff").mkdir(parents=True)
    (tmp_path / "aufs/diff" / A).symlink_to(f"/var/lib/docker/graph/{A}/layer")
    with pytest.raises(CorruptContent, match="is no folder"):
        layer_tree(tmp_path, DRIVERS["aufs"], A)


MOUNTED = [driver for driver in DRIVERS if DRIVERS[driver].mount]


def test_the_drivers_whose_layers_are_file_systems_are_those_that_are_mounted() -> None:
    assert MOUNTED == ["btrfs", "zfs", "devicemapper"]


@pytest.mark.parametrize("driver", MOUNTED)
def test_a_root_without_any_tree_is_not_mounted(tmp_path: Path, driver: str) -> None:
    with pytest.raises(StoreError) as caught:
        layer_tree(tmp_path, DRIVERS[driver], A)
    folder = tmp_path / FOLDERS[driver].format(A)
    assert str(caught.value).startswith(f"layer {A[:12]}: its {driver} tree {folder} is not mounted; ")
    assert str(caught.value).endswith(DRIVERS[driver].mount)
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("folder", ["", "devicemapper/mnt/" + A])
def test_a_thin_device_that_is_recorded_is_held_and_not_mounted(tmp_path: Path, folder: str) -> None:
    made(tmp_path / "devicemapper/metadata" / A)
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    assert holds(tmp_path, DRIVERS["devicemapper"], A)
    with pytest.raises(StoreError, match="is not mounted; activate the thin device"):
        layer_tree(tmp_path, DRIVERS["devicemapper"], A)


@pytest.mark.parametrize("driver", MOUNTED)
def test_an_empty_folder_of_a_mounted_kind_may_be_a_stub(tmp_path: Path, driver: str) -> None:
    layers: list[tuple[str, dict[str, Body | None], bool]] = [(A, {}, True), (B, {"f": b""}, False)]
    for layer_id, files, is_one in layers:
        legacy_layer(tmp_path, driver, layer_id, files)
        with layer_tree(tmp_path, DRIVERS[driver], layer_id) as tree:
            assert stands_for_a_tree(tmp_path, DRIVERS[driver], tree) is is_one


@pytest.mark.parametrize("driver", ["aufs", "overlay", "vfs"])
def test_an_empty_folder_of_another_driver_is_an_empty_layer(tmp_path: Path, driver: str) -> None:
    legacy_layer(tmp_path, driver, A, {})
    with layer_tree(tmp_path, DRIVERS[driver], A) as tree:
        assert not stands_for_a_tree(tmp_path, DRIVERS[driver], tree)


@pytest.mark.parametrize("link", ["btrfs", "btrfs/subvolumes", f"btrfs/subvolumes/{A}"])
def test_a_link_is_named_where_a_tree_should_be(tmp_path: Path, link: str) -> None:
    legacy_layer(tmp_path / "elsewhere", "btrfs", A, {"f": b"secret"})
    root = tmp_path / "root"
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(tmp_path / "elsewhere" / link)
    with pytest.raises(UnsafeArchive, match="is a link"):
        layer_tree(root, DRIVERS["btrfs"], A)
