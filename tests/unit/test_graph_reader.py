"""One layer of each kind: with tar-split and without, base and child, of every rule of layersize."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.archives import A, B, Body, Link
from tests.descriptors import open_descriptors
from tests.graphs import legacy_layer, split_lines
from tests.layers import file, layer
from toolkit.ancestry import Layersize
from toolkit.errors import CorruptContent, MissingMember, UnsafeArchive
from toolkit.image import Finding, Layer
from toolkit.stores.graph.drivers import DRIVERS
from toolkit.stores.graph.reader import LayerReader, examine
from toolkit.stores.graph.root import GraphRoot

TAR = layer(file("new", b"1234567"), file("link", b""))  # S5 counts 7
SPLIT = split_lines(TAR[:512], ("new", b"1234567"), TAR[519:1536], ("link", b""), TAR[1536:])
BASE: dict[str, Body | None] = {"a": b"12345", "d/b": Link("a", hard=True)}
CHILD: dict[str, Body | None] = {"new": b"1234567", "link": Link("target"), "twice": Link("new", hard=True)}
REBUILT = Finding(f"layer {B[:12]}", "has no tar-split, so its tar is rebuilt and not verifiable")


def read(
    root: Path, driver: str, layer_id: str, size: str | None = None
) -> tuple[Layer, list[Finding], bytes]:
    graph = GraphRoot(root)
    v1 = replace(graph.layer(layer_id), layersize=Layersize(size, driver))
    found, findings = examine(graph, DRIVERS[driver], v1)
    with LayerReader.open(graph, DRIVERS[driver], v1) as reader:
        return found, findings, b"".join(map(bytes, reader.content(found.size).blocks()))


def rule(root: Path, driver: str, layer_id: str, size: int) -> str:
    found, _, _ = read(root, driver, layer_id, str(size))
    assert found.v1
    return found.v1.layersize.rule


def members(raw: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        return {member.name: member.type for member in tar}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_layer_with_tar_split_is_its_exact_tar(tmp_path: Path, driver: str) -> None:
    legacy_layer(tmp_path, driver, A, BASE)
    legacy_layer(tmp_path, driver, B, CHILD, parent=A, tar_split=SPLIT)
    found, findings, raw = read(tmp_path, driver, B, "7")
    assert raw == TAR
    assert (found.key, found.size) == (B, len(TAR))
    assert found.v1
    assert found.v1.proof == "tar-split"
    assert findings == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_layer_without_tar_split_is_rebuilt_from_its_changes(tmp_path: Path, driver: str) -> None:
    legacy_layer(tmp_path, driver, A, BASE)
    changes = {**CHILD, ".wh.a": b""} if driver == "aufs" else {**CHILD, "a": None}
    legacy_layer(tmp_path, driver, B, changes, parent=A)
    found, findings, raw = read(tmp_path, driver, B)
    assert members(raw) == {".wh.a": b"0", "link": b"2", "new": b"0", "twice": b"1"}
    assert found.v1
    assert found.v1.proof == "rebuilt"
    assert findings[-1] == REBUILT
    _, _, base = read(tmp_path, driver, A)
    assert members(base) == {"a": b"0", "d": b"5", "d/b": b"1"}


@pytest.mark.parametrize("tar_split", [None, SPLIT])
@pytest.mark.parametrize("driver", ["overlay", "vfs"])
def test_rule_s4_counts_changes_once_for_each_name(
    tmp_path: Path, driver: str, tar_split: bytes | None
) -> None:
    """0.7 to 1.4, and whenever Docker computed it again: 7 + 7 + 6; what the parent has counts nothing."""
    legacy_layer(tmp_path, driver, A, BASE)
    legacy_layer(tmp_path, driver, B, CHILD, parent=A, tar_split=tar_split)
    assert rule(tmp_path, driver, B, 7 + 7 + 6) == "S4"


@pytest.mark.parametrize("driver", DRIVERS)
def test_rule_s3_counts_the_tree_each_inode_once(tmp_path: Path, driver: str) -> None:
    """aufs always; the other drivers for a base layer of 0.7 to 1.4."""
    legacy_layer(tmp_path, driver, A, {**BASE, "link": Link("target")})
    assert rule(tmp_path, driver, A, 5 + 6) == "S3"


def test_rule_s2_counts_folders_too(tmp_path: Path) -> None:
    folder = legacy_layer(tmp_path, "aufs", A, BASE)
    folders = os.stat(folder).st_size + os.stat(folder / "d").st_size
    assert rule(tmp_path, "aufs", A, 5 + folders) == "S2"


@pytest.mark.parametrize("driver", ["overlay", "vfs"])
def test_rule_s5_counts_what_headers_state(tmp_path: Path, driver: str) -> None:
    legacy_layer(tmp_path, driver, A, BASE)
    legacy_layer(tmp_path, driver, B, CHILD, parent=A, tar_split=SPLIT)
    assert rule(tmp_path, driver, B, 7) == "S5"


def test_a_size_of_no_rule_is_told_and_stops_nothing(tmp_path: Path) -> None:
    legacy_layer(tmp_path, "vfs", A, BASE)
    legacy_layer(tmp_path, "vfs", B, CHILD, parent=A, tar_split=SPLIT)
    _, (finding,), raw = read(tmp_path, "vfs", B, "8")
    assert finding.problem == "layersize is 8, which no rule of the vfs driver gives"
    assert raw == TAR


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_size_above_that_of_the_files_that_a_tar_is_made_of_tells_that_some_may_be_missing(
    tmp_path: Path, driver: str
) -> None:
    """A warning, for 0.6 counted folders too, and every name of a file (rule S1)."""
    legacy_layer(tmp_path, driver, A, BASE)
    _, (size, _), _ = read(tmp_path, driver, A, "123456")
    told = f"layersize is 123456, which no rule of the {driver} driver gives"
    assert size.problem == f"{told}: its files make 5, and some may be missing"
    assert size.severity == "warning"
    _, (size, _), _ = read(tmp_path, driver, A, "4")
    assert size.problem == f"layersize is 4, which no rule of the {driver} driver gives"


def test_tar_split_needs_no_parent(tmp_path: Path) -> None:
    legacy_layer(tmp_path, "vfs", A, BASE)
    legacy_layer(tmp_path, "vfs", B, CHILD, parent=A, tar_split=SPLIT)
    (tmp_path / "vfs/dir" / A).rename(tmp_path / "gone")
    assert read(tmp_path, "vfs", B, "7")[2] == TAR
    (tmp_path / "graph" / B / "tar-data.json.gz").unlink()
    with pytest.raises(MissingMember, match=f"layer {A[:12]}: its folder"):
        read(tmp_path, "vfs", B, "7")


def test_nothing_stays_open(tmp_path: Path) -> None:
    legacy_layer(tmp_path, "vfs", A, BASE)
    legacy_layer(tmp_path, "vfs", B, CHILD, parent=A, tar_split=SPLIT)
    before = open_descriptors()
    read(tmp_path, "vfs", B, "8")
    assert open_descriptors() == before


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_file_that_goes_while_it_is_read_is_told_with_its_layer(tmp_path: Path, driver: str) -> None:
    folder = legacy_layer(tmp_path, driver, A, BASE)
    graph = GraphRoot(tmp_path)
    found, _ = examine(graph, DRIVERS[driver], graph.layer(A))
    with pytest.raises(CorruptContent, match=f"layer {A[:12]}: {folder}/a: came and went while it was read"):
        read_without(folder / "a", found.size, graph, driver)


def read_without(path: Path, size: int, graph: GraphRoot, driver: str) -> None:
    """Read a layer of which a file goes when its first header was read."""
    with LayerReader.open(graph, DRIVERS[driver], graph.layer(A)) as reader:
        blocks = reader.content(size).blocks()
        next(blocks)
        path.unlink()
        list(blocks)


@pytest.mark.parametrize("tar_split", [None, SPLIT.replace(b'"size":7', b'"size":4611686018427387904')])
def test_a_layer_that_is_measured_too_large_is_refused(tmp_path: Path, tar_split: bytes | None) -> None:
    folder = legacy_layer(tmp_path, "aufs", A, CHILD, tar_split=tar_split)
    os.truncate(folder / "new", 300 << 30)  # a hole
    graph = GraphRoot(tmp_path)
    with pytest.raises(UnsafeArchive, match=f"layer {A}: holds more than 274877906944 bytes"):
        examine(graph, DRIVERS["aufs"], graph.layer(A))
