"""Two processes at once, on one target: both succeed, nothing is lost, nothing is left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kill.faults import Child, Fault
from tests.kill.scenes import (
    TAG,
    Inputs,
    export,
    import_,
    layout_is_whole,
    root_is_whole,
    strays,
    to_bundle,
    unlike,
)
from tests.kill.scenes import state as state_of
from toolkit.bundles import create_bundle
from toolkit.operations.copy import copy
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.graph.writer import GraphSink
from toolkit.stores.layout import LayoutStore
from toolkit.stores.sample import sample_store

pytestmark = pytest.mark.kill

TRUSTY = "ubuntu:trusty"
SLOWLY = Fault(delay=0.002)  # so that both are at work at the same time, whoever begins
TIMES = 3
TASK_FAILED = 30  # pipelines/defaults.cfg


def both(*works: Callable[[], int | None]) -> None:
    """Do several things at once; raise AssertionError unless each succeeds."""
    children = [Child(work, SLOWLY) for work in works]
    for ended in [child.end() for child in children]:
        assert ended.code == 0, ended.said


@pytest.mark.parametrize("_", range(TIMES))
def test_two_exports_of_one_image_leave_what_one_leaves(inputs: Inputs, folder: Path, _: int) -> None:
    source = f"graph:{inputs.folder / 'sample'}"
    both(lambda: export(source, folder), lambda: export(source, folder))
    assert (folder / "var/bundles/ubuntu_14.04.tar").read_bytes() == inputs.bundle.read_bytes()
    found = state_of(folder)
    assert [name for name in found if name.startswith("var/layers/")] == []
    assert strays(folder) == []


@pytest.mark.parametrize("_", range(TIMES))
def test_two_copies_to_one_bundle_leave_one(inputs: Inputs, folder: Path, _: int) -> None:
    both(lambda: to_bundle(inputs, folder), lambda: to_bundle(inputs, folder))
    assert [path.name for path in folder.iterdir()] == ["out.tar"]
    assert (folder / "out.tar").read_bytes() == inputs.bundle.read_bytes()


@pytest.mark.parametrize("_", range(TIMES))
def test_two_imports_into_one_layout_lose_no_name(inputs: Inputs, folder: Path, _: int) -> None:
    names = [TAG, TRUSTY]

    def work(name: str) -> Callable[[], None]:
        return lambda: void(copy(inputs.store, LayoutStore(folder / "store"), [name]))

    both(*map(work, names))
    store = LayoutStore(folder / "store")
    assert sorted(name for listing in store.listings() for name in listing.names) == names
    layout_is_whole(folder)
    assert strays(folder) == []


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to write a legacy root")
@pytest.mark.parametrize("driver", ["aufs", "vfs"])
def test_two_imports_into_one_legacy_root_lose_no_name(inputs: Inputs, folder: Path, driver: str) -> None:
    names = [TAG, TRUSTY]

    def work(name: str) -> Callable[[], None]:
        return lambda: void(copy(inputs.store, GraphSink(folder / "root", driver), [name]))

    both(*map(work, names))
    store = GraphStore(folder / "root")
    assert sorted(name for listing in store.listings() for name in listing.names) == names
    root_is_whole(folder)
    assert strays(folder) == []


@pytest.mark.parametrize("_", range(TIMES))
def test_two_that_unpack_the_sample_do_it_once(folder: Path, _: int) -> None:
    both(lambda: void(sample_store(folder / "home")), lambda: void(sample_store(folder / "home")))
    sample_store(folder / "alone")
    assert not unlike(state_of(folder / "alone"), state_of(folder / "home"))


def test_a_bundle_that_is_replaced_while_it_is_imported_fails_the_import_or_does_not(
    inputs: Inputs, folder: Path
) -> None:
    bundle = folder / "out.tar"
    to_bundle(inputs, folder)

    def again() -> None:
        copy(inputs.store, create_bundle(bundle), [TAG])

    exporting, importing = (
        Child(again, SLOWLY),
        Child(lambda: import_(bundle, f"oci:{folder / 'store'}", folder), SLOWLY),
    )
    assert exporting.end().code == 0
    assert importing.end().code in {0, TASK_FAILED}
    layout_is_whole(folder)


def void(_: object) -> None:
    """What a child's work returns is its exit code."""
