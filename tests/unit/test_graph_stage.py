"""layersize of a written layer; the layers themselves are in tests/stores."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.layers import file, folder, layer, symlink
from toolkit.ancestry import Layersize, V1Layer
from toolkit.digest import Digest
from toolkit.errors import MissingMember
from toolkit.image import Layer
from toolkit.plumbing.streams import Stream
from toolkit.stores.graph.chains import Link
from toolkit.stores.graph.drivers import DRIVERS
from toolkit.stores.graph.placing import Placer
from toolkit.stores.graph.stage import AufsStage, Stage, VfsStage, only_proven

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: layers have owners and devices"),
]
ONE = "1" * 64
TAR = layer(folder("d"), file("d/a", b"12345"), symlink("s", "target"))
STAGES: dict[str, Callable[[Placer], Stage]] = {"aufs": AufsStage, "vfs": VfsStage}


def content() -> Stream:
    return Stream(len(TAR), iter([TAR]), "layer")


def link(size: Layersize) -> Link:
    bare = V1Layer.from_bytes(b'{"id":"%b"}' % ONE.encode())
    return Link(V1Layer(ONE, "", bare.raw, bare.node, size), Digest.of(TAR), Digest.of(TAR))


@pytest.mark.parametrize(
    ("driver", "recorded", "size"),
    [
        ("aufs", Layersize(None), "11"),  # rule S3: a link counts as long as its target
        ("vfs", Layersize(None), "5"),  # rule S5: sizes in headers
        ("aufs", Layersize("99", "aufs"), "99"),
        ("vfs", Layersize("99", "vfs"), "99"),
        ("vfs", Layersize("11", "aufs", "S3"), "5"),
        ("aufs", Layersize("-1", "aufs"), "11"),
        ("aufs", Layersize("12\n", "aufs"), "11"),
    ],
)
def test_layersize_follows_the_driver_that_is_written(
    tmp_path: Path, driver: str, recorded: Layersize, size: str
) -> None:
    with Placer.open(tmp_path, DRIVERS[driver]) as placer:
        stage = STAGES[driver](placer)
        proof = stage.take(Layer("key", len(TAR)), content())
        assert proof.diff_id == Digest.of(TAR)
        assert stage.made(link(recorded))[1] == size


@pytest.mark.parametrize("driver", STAGES)
def test_a_layer_that_never_came_is_an_error(tmp_path: Path, driver: str) -> None:
    with Placer.open(tmp_path, DRIVERS[driver]) as placer, pytest.raises(MissingMember, match="not received"):
        STAGES[driver](placer).made(link(Layersize(None)))


def test_a_layer_nobody_needs_is_proven_all_the_same() -> None:
    assert only_proven(Layer("key", len(TAR)), content()).diff_id == Digest.of(TAR)
