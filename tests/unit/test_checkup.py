"""What is whole, what can be saved, and what is lost: on a real root that is damaged on purpose."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from toolkit.errors import StoreError
from toolkit.operations.checkup import LOST, REBUILDABLE, UNREAD, UNREADABLE, WHOLE, Checked, check_up
from toolkit.reading import Reading
from toolkit.stores.docker_root.store import DockerRoot

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
    base = "f888a183f32383130dd9f9cafc9b2e17c5395c95109c9395009901c8dec62d66"
    return root / "vfs/dir" / (root / "image/vfs/layerdb/sha256" / base / "cache-id").read_text()


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
    assert (found.state, found.layers) == (LOST, 0)
    assert [finding.exit_code for finding in found.findings if finding.severity == "error"] == [5]


def test_a_quick_look_reads_no_layer(root: Path) -> None:
    (a_tree(root) / "etc/services").write_bytes(b"changed")
    assert checked(root, fast=True).state == UNREAD


def test_what_may_not_be_read_is_not_called_lost(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise StoreError("a file", "permission denied")

    monkeypatch.setattr(DockerRoot, "open", refused)
    assert checked(root).state == UNREADABLE
