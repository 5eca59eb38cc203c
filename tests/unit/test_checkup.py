"""What is whole, what can be saved, and what is lost: on a real root that is damaged on purpose."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.archives import EMPTY, ONE, TWO, A, blob, image, index, layout, sha256, unpacked
from tests.containerds import CONTENT, containerd_root
from tests.graphs import legacy_layer, name
from tests.registries import Registry
from toolkit.errors import MissingMember, StoreError, Unsupported
from toolkit.operations.checkup import (
    LOST,
    PARTIAL,
    REBUILDABLE,
    UNREAD,
    UNREADABLE,
    WHOLE,
    Checked,
    check_up,
)
from toolkit.operations.copy import copy
from toolkit.places import open_source
from toolkit.platform import Platform
from toolkit.reading import Reading
from toolkit.settings import Settings
from toolkit.stores.docker_root.store import DockerRoot
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.layout import LayoutStore
from toolkit.stores.trees import stored

BASE = "f888a183f32383130dd9f9cafc9b2e17c5395c95109c9395009901c8dec62d66"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the tree has files of many owners")


@pytest.fixture
def root(engine_stores: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-a", str(engine_stores / "docker-20.10-vfs"), str(tmp_path / "root")], check=True)
    return tmp_path / "root"


def checked(root: Path, *, fast: bool = False) -> Checked:
    (found,) = check_up(
        DockerRoot(root), lambda: DockerRoot(root, "", Reading(allow_rebuilt=True)), fast=fast
    )
    return found


def a_tree(root: Path) -> Path:
    """The base layer's files."""
    return root / "vfs/dir" / (root / "image/vfs/layerdb/sha256" / BASE / "cache-id").read_text()


def test_a_whole_image_is_whole(root: Path) -> None:
    found = checked(root)
    assert (found.state, found.layers, found.name) == (WHOLE, 4, "ubuntu:14.04")
    assert {finding.severity for finding in found.findings} == {"note"}


@AS_ROOT
def test_a_changed_file_costs_the_proof_and_not_the_image(root: Path) -> None:
    (a_tree(root) / "etc/services").write_bytes(b"changed")
    found = checked(root)
    assert (found.state, found.layers) == (REBUILDABLE, 4)
    assert any(
        f"{finding.subject}: {finding.problem}".count("etc/services: size is 7") for finding in found.findings
    )


def test_a_missing_tree_is_a_lost_image(root: Path) -> None:
    a_tree(root).rename(root / "gone")
    found = checked(root)
    assert (found.state, found.layers) == (LOST, 4)
    assert [finding.exit_code for finding in found.findings if finding.severity == "error"] == [5]


@pytest.mark.parametrize("fast", [False, True])
def test_a_legacy_image_with_a_layer_that_has_to_be_made_anew_is_rebuildable(
    tmp_path: Path, *, fast: bool
) -> None:
    legacy_layer(tmp_path, "aufs", A, {"a": b"12345"}, size="5")
    name(tmp_path, "aufs", latest=A)
    (found,) = check_up(GraphStore(tmp_path), lambda: GraphStore(tmp_path, allow_rebuilt=True), fast=fast)
    assert (found.state, found.layers) == (REBUILDABLE, 1)
    assert ["not verifiable" in finding.problem for finding in found.findings] == [True]


def test_a_quick_look_reads_no_layer(root: Path) -> None:
    (a_tree(root) / "etc/services").write_bytes(b"changed")
    assert checked(root, fast=True).state == UNREAD


def test_what_may_not_be_read_is_not_called_lost(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise StoreError("a file", "permission denied")

    monkeypatch.setattr(DockerRoot, "open", refused)
    assert checked(root).state == UNREADABLE


def test_what_could_be_made_anew_if_it_might_be_read_is_not_called_lost(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise StoreError("a tree", "permission denied", "run as root")

    (record,) = root.glob(f"image/vfs/layerdb/sha256/{BASE}/tar-split.json.gz")
    record.unlink()
    monkeypatch.setattr(stored, "all_changes", refused)
    found = checked(root)
    assert (found.state, found.layers) == (UNREADABLE, 4)
    told = [(each.exit_code, each.advice) for each in found.findings if each.severity == "error"]
    assert told == [(5, "--allow-rebuilt makes one of its files"), (7, "run as root")]


def test_what_neither_has_its_tar_nor_its_files_is_lost_whoever_looks(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise MissingMember("a file", "is not there")

    (record,) = root.glob(f"image/vfs/layerdb/sha256/{BASE}/tar-split.json.gz")
    record.unlink()
    monkeypatch.setattr(stored, "all_changes", gone)
    assert checked(root).state == LOST


def test_what_is_not_for_us_is_not_called_lost(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise Unsupported("image app:1", "is kept by composefs")

    monkeypatch.setattr(DockerRoot, "image", refused)
    assert checked(root).state == UNREADABLE


AMD, ARM = image(ONE, ONE, EMPTY), image(ONE, TWO, architecture="arm64")
BOTH, TWO_DIGEST, CONFIG = index(AMD, ARM), sha256(TWO), sha256(ARM.config)
LOST_ARM = "image app:1: has lost linux/arm64"
DAMAGE = {  # what of the image for arm64 → how, whether it was not pulled or is lost, and what is told first
    "its manifest is not there": (
        ARM.digest,
        None,
        "warning",
        f"manifest {ARM.digest}: is incomplete: the index",
    ),
    "its layer is not there": (TWO_DIGEST, None, "error", "of it is not there, and so linux/arm64 is lost"),
    "its layer was changed": (TWO_DIGEST, TWO.replace(b"22", b"23"), "error", LOST_ARM),
    "its config was changed": (
        CONFIG,
        ARM.config.replace(b"linux", b"linuX"),
        "error",
        "but for linux/amd64",
    ),
    "its config was cut": (CONFIG, ARM.config[:-4], "error", "image app:1: is damaged but for linux/amd64"),
}


def a_root(kind: str, folder: Path) -> Callable[[str], Path]:
    """Write the image in a store of this kind; return where a blob lies in it."""
    if kind == "registry-root":
        registry = Registry(folder)
        registry.push("app:1", BOTH)
        return registry.data
    if kind == "oci":
        unpacked(folder, layout(("app:1", BOTH)))
        return lambda digest: folder / blob(digest)
    containerd_root(folder, {"moby": {"docker.io/library/app:1": BOTH}})
    return lambda digest: folder / CONTENT / blob(digest)


@pytest.mark.parametrize("what", DAMAGE)
@pytest.mark.parametrize("kind", ["containerd-root", "oci", "registry-root"])
def test_an_image_that_lost_a_platform_is_partial_and_the_others_are_saved(
    tmp_path: Path, kind: str, what: str
) -> None:
    digest, content, severity, told = DAMAGE[what]
    victim = a_root(kind, tmp_path / "root")(digest)
    victim.unlink()
    if content is not None:
        victim.write_bytes(content)
    source = open_source(f"{kind}:{tmp_path / 'root'}", Settings())
    (found,) = [each for each in check_up(source, lambda: source) if each.listing.names]
    assert (found.state, found.layers, found.listing.platforms[0]) == (PARTIAL, 3, "linux/amd64")
    first = found.findings[0]
    assert (told in f"{first.subject}: {first.problem}", first.severity) == (True, severity)
    asked = Platform.parse(found.platforms[0]) if found.platforms else None
    (saved,) = copy(source, LayoutStore(tmp_path / "saved"), ["app:1"], platform=asked)
    assert [str(each.config.image_id) for each in saved.images()] == [sha256(AMD.config)]


def test_an_attestation_that_was_not_pulled_is_no_platform(tmp_path: Path) -> None:
    attestation = replace(ARM, platform={"architecture": "unknown", "os": "unknown"})
    unpacked(tmp_path, layout(("app:1", index(AMD, attestation))))
    (tmp_path / blob(ARM.digest)).unlink()
    source = LayoutStore(tmp_path)
    (found,) = check_up(source, lambda: source)
    assert (found.state, found.layers) == (WHOLE, 3)
