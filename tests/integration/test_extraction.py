"""What `lading extract` makes of an image is what other programs make of it, file by file."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from tests.archives import image, layout, unpacked
from tests.layers import file, folder, hard_link, layer, symlink
from tests.stacks import Stack, stacks
from tests.treecompare import Facts, differences, facts
from toolkit.bundles import create_bundle
from toolkit.operations.copy import copy
from toolkit.operations.extract import Rules, extract
from toolkit.plumbing.profile import EVERYTHING, SAFE
from toolkit.stores.layout import LayoutStore

if TYPE_CHECKING:
    from .cargo import Cargo
    from .engines import Podman, Umoci

pytestmark = pytest.mark.engine

IS_ROOT = os.geteuid() == 0
AS_MUCH = EVERYTHING if IS_ROOT else SAFE
VECTOR = Path(__file__).parents[1] / "data/vectors/commit-layer-overlay2.tar"
USR = layer(
    folder("usr"), folder("usr/bin"), file("usr/bin/sh"), symlink("bin", "usr/bin"), symlink("s", "/")
)
LATER = layer(file("bin/ls"), hard_link("bin/dir", "bin/ls"), file("s/usr/new"), file("bin/deep/er"))


def unlike(ours: Path, theirs: Path) -> list[str]:
    """What differs between two trees, but for times of folders that only one of them has from a layer."""
    now = time.time() - 600
    clocks = {name for name, each in (*facts(ours), *facts(theirs)) if _is_later(each, now)}
    found = differences(theirs, ours, clock=clocks.__contains__)
    return [line for line in found if not line.startswith(".: ")]  # the top folder is not the image's


def _is_later(each: Facts, then: float) -> bool:
    modified = each["mtime"]
    assert isinstance(modified, int)
    return str(each["mode"]).startswith("d") and modified > then * 10**9


def test_random_layers_are_what_umoci_unpacks(umoci: Umoci) -> None:
    @settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
    @given(stacks(undisputed=True))
    def check(stack: Stack) -> None:
        with tempfile.TemporaryDirectory() as name:
            store = unpacked(Path(name) / "store", layout(("app", image(*stack.tars))))
            extract(LayoutStore(store), "app", Path(name) / "out", Rules(AS_MUCH))
            with umoci.unpacked(store, "app") as bundle:
                assert unlike(Path(name) / "out", bundle / "rootfs") == []

    check()


def test_what_lies_behind_links_of_lower_layers_is_where_umoci_puts_it(umoci: Umoci, tmp_path: Path) -> None:
    store = unpacked(tmp_path / "store", layout(("app", image(USR, LATER))))
    extract(LayoutStore(store), "app", tmp_path / "out", Rules(AS_MUCH))
    with umoci.unpacked(store, "app") as bundle:
        assert unlike(tmp_path / "out", bundle / "rootfs") == []
    assert (tmp_path / "out/usr/bin/deep/er").is_file()


@pytest.mark.root
def test_the_golden_image_is_what_umoci_unpacks(golden: Cargo, umoci: Umoci, tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "store")
    copy(golden.source, store, [golden.names[0]])
    extract(store, golden.names[0], tmp_path / "out", Rules(EVERYTHING))
    with umoci.unpacked(tmp_path / "store", golden.names[0]) as bundle:
        assert unlike(tmp_path / "out", bundle / "rootfs") == []


@pytest.mark.root
def test_the_golden_image_is_what_podman_mounts(golden: Cargo, podman: Podman, tmp_path: Path) -> None:
    name = golden.names[0]
    copy(golden.source, create_bundle(tmp_path / "b.tar", "oci"), [name])
    podman.load(tmp_path / "b.tar")
    extract(golden.source, name, tmp_path / "out", Rules(EVERYTHING))
    found = differences(podman.mounted(name), tmp_path / "out", times=False)  # podman takes those of links
    assert [line for line in found if not line.startswith(".: ")] == []


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="needs root: layers have owners and devices")
def test_a_layer_that_docker_made_is_what_tar_unpacks(tmp_path: Path) -> None:
    """Acceptance case 34."""
    store = unpacked(tmp_path / "store", layout(("app", image(VECTOR.read_bytes()))))
    (tmp_path / "theirs").mkdir()
    words = ["--numeric-owner", "-p", "--xattrs", "--xattrs-include=*", "--exclude=.wh.*"]
    subprocess.run(["tar", "-C", tmp_path / "theirs", *words, "-xf", VECTOR], check=True)
    done = extract(LayoutStore(store), "app", tmp_path / "ours")
    left_out = {"block device": "etc/dv", "fifo": "etc/fifo", "xattr": "etc/h1"}
    assert {kind: str(odd) for kind, odd in done.left_out.items()} == left_out
    extract(LayoutStore(store), "app", tmp_path / "all", Rules(EVERYTHING))
    assert unlike(tmp_path / "all", tmp_path / "theirs") == []
    assert dict(facts(tmp_path / "ours")).keys() < dict(facts(tmp_path / "all")).keys()
