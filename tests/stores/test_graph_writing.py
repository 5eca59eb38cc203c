"""Writing legacy stores: what Docker 1.9.1 wrote is what must come out, file by file."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.layers import file, folder, hard_link, layer, symlink
from tests.stores.conftest import clone
from tests.stores.facts import DIFF_IDS, IDS, LAYERSIZES
from tests.treecompare import differences
from toolkit.bundles import open_bundle
from toolkit.errors import CorruptContent, StoreError, Unsupported
from toolkit.image import Layer
from toolkit.operations.copy import copy
from toolkit.ports import Block, Content
from toolkit.stores.graph.placing import LOCK, WORK, Placer
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.graph.writer import GraphSink

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: layers have owners and devices")
TAG, TRUSTY = "ubuntu:14.04", "ubuntu:trusty"
ENGINE_BEGAN = 1_795_460_400 * 10**9  # 2026-11-23 19:00 UTC: later times were the engine's clock


def golden(folder: Path, driver: str) -> Path:
    return folder / f"docker-1.9.1-{driver}"


def imported(source: Path, to: Path, driver: str = "", names: tuple[str, ...] = (TAG, TRUSTY)) -> Path:
    copy(GraphStore(source), GraphSink(to, driver), list(names))
    return to


def tar_of(store: GraphStore, layer: Layer) -> bytes:
    with store.open(layer) as content:
        return b"".join(map(bytes, content.blocks()))


@pytest.fixture
def written(engine_stores: Path, tmp_path: Path) -> Path:
    """An aufs root that we wrote."""
    return imported(golden(engine_stores, "aufs"), tmp_path / "written")


def by_the_clock(engine: Path) -> dict[str, bool]:
    """Which paths of the engine's root have a time that its clock gave."""
    return {
        os.path.relpath(path, engine): path.lstat().st_mtime_ns >= ENGINE_BEGAN
        for path in (engine, *engine.rglob("*"))
    }


@ROOT
@pytest.mark.root
@pytest.mark.parametrize("driver", ["aufs", "vfs"])
@pytest.mark.parametrize("source", ["aufs", "vfs", "overlay"])
def test_an_imported_image_looks_as_docker_wrote_it(
    engine_stores: Path, tmp_path: Path, source: str, driver: str
) -> None:
    engine, ours = golden(engine_stores, driver), tmp_path / "ours"
    imported(golden(engine_stores, source), ours, driver)
    for root in (clone(engine, tmp_path / "engine"), ours):
        root.chmod(0o755)  # the sample's own folder is nobody's
        for split in root.glob("graph/*/tar-data.json.gz"):
            split.write_bytes(gzip.decompress(split.read_bytes()))  # two gzips, one content
    clock = by_the_clock(tmp_path / "engine")
    assert differences(tmp_path / "engine", ours, clock=clock.__getitem__) == []


@ROOT
@pytest.mark.root
@pytest.mark.parametrize("driver", ["aufs", "vfs"])
def test_what_was_written_is_read_back_byte_for_byte(
    engine_stores: Path, tmp_path: Path, driver: str
) -> None:
    engine = golden(engine_stores, driver)
    store = GraphStore(imported(engine, tmp_path / "ours", driver))
    image = store.image(TAG)
    assert not image.findings
    assert tuple(each.key for each in image.layers) == IDS
    assert tuple(hashlib.sha256(tar_of(store, each)).hexdigest() for each in image.layers) == DIFF_IDS
    assert tuple(each.layersize.text for each in image.chain) == LAYERSIZES[driver]
    for each in image.chain:
        assert each.raw == (engine / "graph" / each.id / "json").read_bytes()


@ROOT
@pytest.mark.root
def test_a_bundle_brings_the_same_root_as_the_store(engine_stores: Path, tmp_path: Path) -> None:
    bundle = open_bundle(engine_stores / "docker-1.9.1.tar")
    copy(bundle, GraphSink(tmp_path / "ours"), [TAG])
    engine = golden(engine_stores, "aufs")
    assert differences(engine / "aufs", tmp_path / "ours/aufs", times=False) == []
    assert GraphStore(tmp_path / "ours").identify(TAG) == IDS[-1]


# ── modern images ──


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def oci_archive(path: Path, *layers: bytes, packed: int) -> list[str]:
    """Write an OCI archive of one image, app:1, of these layers; return their diffIDs."""
    diff_ids = [digest_of(tar) for tar in layers]
    history = [{"created_by": f"RUN {number}"} for number in range(len(layers))]
    config = json.dumps(
        {
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]}, "history": history,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
    ).encode()  # fmt: skip
    blobs = [gzip.compress(tar, mtime=0) if packed else tar for tar in layers]
    prefix = "application/vnd.oci.image."
    layer_type = prefix + ("layer.v1.tar+gzip" if packed else "layer.v1.tar")
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": descriptor(prefix + "config.v1+json", config),
            "layers": [descriptor(layer_type, blob) for blob in blobs],
        }
    ).encode()
    named = {"org.opencontainers.image.ref.name": "registry.example/app:1"}
    top = {**descriptor(prefix + "manifest.v1+json", manifest), "annotations": named}
    files = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [top]}).encode(),
        **{f"blobs/sha256/{digest_of(blob)[7:]}": blob for blob in (config, manifest, *blobs)},
    }
    path.write_bytes(layer(*(file(name, content) for name, content in files.items())))
    return diff_ids


def descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


@ROOT
@pytest.mark.root
@pytest.mark.parametrize("packed", [1, 0])
@pytest.mark.parametrize("driver", ["aufs", "vfs"])
def test_a_modern_image_with_a_layer_twice_gets_three_v1_layers(
    tmp_path: Path, driver: str, packed: int
) -> None:
    one = layer(folder("etc"), file("etc/one"), hard_link("again", "etc/one"), file(".wh.two", b""))
    two = layer(file("two", b"2"), file("etc/two", b"2"))
    diff_ids = oci_archive(tmp_path / "app.tar", one, two, one, packed=packed)
    name = "registry.example/app:1"
    copy(open_bundle(tmp_path / "app.tar"), GraphSink(tmp_path / "ours", driver), [name])
    store = GraphStore(tmp_path / "ours")
    image = store.image(name)
    assert [digest_of(tar_of(store, each)) for each in image.layers] == diff_ids
    assert [outline.history.created_by for outline in store.outline(name).layers] == [
        "RUN 0",
        "RUN 1",
        "RUN 2",
    ]
    assert not image.findings
    if driver == "vfs":
        top = tmp_path / "ours/vfs/dir" / image.chain[-1].id
        assert sorted(path.name for path in top.rglob("*")) == ["again", "etc", "one", "two"]
    else:
        lists = [(tmp_path / "ours/aufs/layers" / each.id).read_text() for each in image.chain]
        ids = [each.id for each in image.chain]
        assert lists == ["", f"{ids[0]}\n", f"{ids[1]}\n{ids[0]}\n"]


@ROOT
@pytest.mark.root
def test_a_modern_image_imported_twice_changes_nothing(tmp_path: Path) -> None:
    oci_archive(tmp_path / "app.tar", layer(file("a")), layer(file("b")), packed=1)
    for _ in range(2):
        copy(open_bundle(tmp_path / "app.tar"), GraphSink(tmp_path / "ours"), ["registry.example/app:1"])
        before = snapshot(tmp_path / "ours/graph") | snapshot(tmp_path / "ours/aufs")
    assert snapshot(tmp_path / "ours/graph") | snapshot(tmp_path / "ours/aufs") == before


@ROOT
@pytest.mark.root
@pytest.mark.parametrize("driver", ["aufs", "vfs"])
def test_cve_2014_6407_in_an_image_is_refused_and_leaves_nothing(tmp_path: Path, driver: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    oci_archive(tmp_path / "app.tar", layer(symlink("a", str(outside)), file("a/x")), packed=0)
    with pytest.raises(CorruptContent, match="a/x"):
        copy(
            open_bundle(tmp_path / "app.tar"),
            GraphSink(tmp_path / "ours", driver),
            ["registry.example/app:1"],
        )
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["app.tar", "outside"]


@ROOT
@pytest.mark.root
def test_cve_2026_17106_a_link_below_a_later_layer_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    layers = layer(symlink("a", str(outside))), layer(file("a/x"))
    oci_archive(tmp_path / "app.tar", *layers, packed=0)
    source, name = open_bundle(tmp_path / "app.tar"), "registry.example/app:1"
    with pytest.raises(CorruptContent, match="a/x"):
        copy(source, GraphSink(tmp_path / "vfs", "vfs"), [name])
    copy(source, GraphSink(tmp_path / "aufs"), [name])  # there each layer is a folder of its own
    assert list(outside.iterdir()) == []


# ── roots that are there already ──


@ROOT
@pytest.mark.root
def test_a_root_keeps_its_driver(engine_stores: Path, tmp_path: Path) -> None:
    root = clone(golden(engine_stores, "vfs"), tmp_path / "root")
    imported(golden(engine_stores, "aufs"), root, names=(TAG,))
    assert not (root / "aufs").exists()


@ROOT
@pytest.mark.root
def test_other_names_and_digests_stay(engine_stores: Path, written: Path) -> None:
    path = written / "repositories-aufs"
    table = json.loads(path.read_bytes())
    table["Repositories"]["other/app"] = {"1": IDS[0], "sha256:" + "a" * 64: IDS[0]}
    table["Repositories"]["ubuntu"] = {"old": IDS[1], "14.04": IDS[1]}
    path.write_text(json.dumps(table))
    imported(golden(engine_stores, "aufs"), written, names=(TAG,))
    assert path.read_bytes() == (
        b'{"Repositories":{"other/app":{"1":"%b","sha256:%b":"%b"},"ubuntu":{"14.04":"%b","old":"%b"}}}'
        % (IDS[0].encode(), b"a" * 64, IDS[0].encode(), IDS[3].encode(), IDS[1].encode())
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@ROOT
@pytest.mark.root
@pytest.mark.parametrize("driver", ["aufs", "vfs"])
def test_layers_that_are_there_are_kept_as_they_are(engine_stores: Path, tmp_path: Path, driver: str) -> None:
    engine = golden(engine_stores, driver)
    root = clone(engine, tmp_path / "root")
    imported(engine, root)
    (root / f"repositories-{driver}").unlink()
    (root / f"repositories-{driver}").write_bytes((engine / f"repositories-{driver}").read_bytes())
    (root / f"repositories-{driver}").chmod(0o600)
    lines = differences(engine, root, clock=lambda path: path in {".", f"repositories-{driver}"})
    assert lines == []


@ROOT
@pytest.mark.root
def test_missing_layers_join_those_that_are_there(engine_stores: Path, written: Path) -> None:
    forget(written, IDS[2], IDS[3])
    imported(golden(engine_stores, "aufs"), written)
    assert GraphStore(written).image(TAG).findings == ()


def forget(root: Path, *layer_ids: str) -> None:
    for layer_id in layer_ids:
        for path in root.glob(f"graph/{layer_id}"):
            shutil.rmtree(path)
        for path in root.glob(f"aufs/*/{layer_id}"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@ROOT
@pytest.mark.root
def test_another_json_under_the_same_id_is_refused(engine_stores: Path, written: Path) -> None:
    path = written / "graph" / IDS[1] / "json"
    path.write_bytes(path.read_bytes().replace(b'"docker_version":"1.6.2"', b'"docker_version":"1.6.3"'))
    before = snapshot(written)
    with pytest.raises(CorruptContent, match=rf"layer {IDS[1][:12]}: .*another json"):
        imported(golden(engine_stores, "aufs"), written)
    assert snapshot(written) == before


@ROOT
@pytest.mark.root
def test_cve_2014_8178_another_tar_under_the_same_id_is_refused(
    engine_stores: Path, written: Path, tmp_path: Path
) -> None:
    poisoned = clone(golden(engine_stores, "aufs"), tmp_path / "poisoned")
    (poisoned / "graph" / IDS[2] / "tar-data.json.gz").unlink()
    (poisoned / "aufs/diff" / IDS[2] / "etc/apt/sources.list").write_text("deb http://evil.example/ x main\n")
    before = snapshot(written)
    with pytest.raises(CorruptContent, match=f"layer {IDS[2][:12]}"):
        imported(poisoned, written)
    assert snapshot(written) == before


@ROOT
@pytest.mark.root
def test_a_folder_that_may_be_a_containers_is_not_touched(engine_stores: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "ours/aufs/diff" / IDS[2]
    theirs.mkdir(parents=True)
    (theirs / "data").write_text("precious")
    (tmp_path / "ours/graph").mkdir()
    with pytest.raises(StoreError, match="is there, and no image in graph has it"):
        imported(golden(engine_stores, "aufs"), tmp_path / "ours")
    assert (theirs / "data").read_text() == "precious"
    assert list((tmp_path / "ours/graph").iterdir()) == []


# ── refusals ──


@ROOT
@pytest.mark.root
def test_a_root_of_a_driver_that_is_only_read_is_refused(engine_stores: Path, tmp_path: Path) -> None:
    root = clone(golden(engine_stores, "overlay"), tmp_path / "root")
    with pytest.raises(Unsupported, match="overlay, which is only read"):
        imported(golden(engine_stores, "aufs"), root)


@ROOT
@pytest.mark.root
def test_a_root_of_two_drivers_asks_which(engine_stores: Path, written: Path) -> None:
    (written / "repositories-vfs").write_text('{"Repositories":{}}')
    with pytest.raises(Unsupported, match="aufs and vfs; name one"):
        imported(golden(engine_stores, "aufs"), written)


# ── what fails leaves nothing ──


def snapshot(top: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(top)): (path.lstat().st_mode, path.lstat().st_ino)
        for path in sorted(top.rglob("*"))
    }


class Broken:
    """A source whose layers end in an error."""

    def __init__(self, store: GraphStore, bad: str) -> None:
        self.store, self.bad = store, bad

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    def open(self, layer: Layer) -> object:
        return Half() if layer.key == self.bad else self.store.open(layer)


class Half:
    """Content that breaks off."""

    size = 5120

    def __enter__(self) -> Content:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def blocks(self) -> Iterator[Block]:
        yield bytes(512)
        raise CorruptContent("layer", "broke off")


@ROOT
@pytest.mark.root
@pytest.mark.parametrize("driver", ["aufs", "vfs"])
@pytest.mark.parametrize("bad", IDS)
def test_a_failed_import_leaves_nothing(engine_stores: Path, tmp_path: Path, driver: str, bad: str) -> None:
    source = Broken(GraphStore(golden(engine_stores, "aufs")), bad)
    with pytest.raises(CorruptContent):
        copy(source, GraphSink(tmp_path / "new/ours", driver), [TAG])  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@ROOT
@pytest.mark.root
def test_a_delivery_left_before_its_end_leaves_nothing(engine_stores: Path, tmp_path: Path) -> None:
    image = GraphStore(golden(engine_stores, "aufs")).image(TAG)
    with pytest.raises(StoreError, match="left before"), GraphSink(tmp_path / "ours").receive([image], {}):
        pass
    assert list(tmp_path.iterdir()) == []


@ROOT
@pytest.mark.root
@pytest.mark.parametrize("driver", ["aufs", "vfs"])
def test_damaged_names_stop_the_import_and_take_it_back(
    engine_stores: Path, tmp_path: Path, driver: str
) -> None:
    root = tmp_path / "ours"
    root.mkdir()
    (root / f"repositories-{driver}").write_text("{")
    before = snapshot(root)
    with pytest.raises(CorruptContent):
        imported(golden(engine_stores, "aufs"), root, driver)
    assert snapshot(root) == before


@ROOT
@pytest.mark.root
def test_what_a_killed_import_left_is_removed_by_the_next(
    engine_stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, source = tmp_path / "ours", golden(engine_stores, "aufs")
    child = os.fork()
    if not child:
        monkeypatch.setattr(Placer, "keep", lambda _: os._exit(9))  # as kill -9, all layers just placed
        imported(source, root)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (root / WORK).exists()
    assert (root / "graph" / IDS[0]).exists()
    copy(GraphStore(source), GraphSink(root), [IDS[0]])
    assert {path.name for path in (root / "graph").iterdir()} == {IDS[0], "_tmp"}
    assert {path.name for path in (root / "aufs/diff").iterdir()} == {IDS[0]}
    assert not (root / WORK).exists()
    assert not (root / LOCK).exists()


@ROOT
@pytest.mark.root
@pytest.mark.parametrize(("driver", "space"), [("aufs", "3m"), ("vfs", "3m"), ("vfs", "8m")])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    engine_stores: Path, tmp_path: Path, driver: str, space: str
) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={space}", "tmpfs", str(tmp_path)], check=True)
    try:
        with pytest.raises(StoreError, match=r"room|space"):
            imported(golden(engine_stores, "aufs"), tmp_path / "ours", driver)
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


# ── strong IDs (1.8.3 to 1.9.1) ──


@ROOT
@pytest.mark.root
def test_a_json_without_id_and_parent_keeps_its_place(engine_stores: Path, tmp_path: Path) -> None:
    strong = clone(golden(engine_stores, "aufs"), tmp_path / "strong")
    for layer_id, parent in zip(IDS, ("", *IDS), strict=False):
        folder = strong / "graph" / layer_id
        body = json.loads((folder / "json").read_bytes())
        del body["id"]
        body.pop("parent", None)
        if layer_id == IDS[2]:
            body["parent_id"] = f"sha256:{parent}"
        elif parent:
            (folder / "parent").write_text(parent)
        (folder / "json").write_text(json.dumps(body))
    ours = imported(strong, tmp_path / "ours", names=(TAG,))
    assert [(ours / "graph" / layer_id / "parent").exists() for layer_id in IDS] == [False, True, False, True]
    assert (ours / "graph" / IDS[3] / "parent").read_text() == IDS[2]
    for layer_id in IDS:
        assert (ours / "graph" / layer_id / "json").read_bytes() == (
            strong / "graph" / layer_id / "json"
        ).read_bytes()
    assert tuple(each.key for each in GraphStore(ours).image(TAG).layers) == IDS
