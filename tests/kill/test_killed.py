"""`kill -9` around calls that change the disk: nothing half-made looks finished, and a rerun ends clean.

Here every few calls of each scene, so that it stays quick; `tests/acceptance/40_kill.py` takes every one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kill.faults import Fault, faults, in_child
from tests.kill.scenes import TAG, Inputs, scenes, strays
from toolkit.operations.copy import copy
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.graph.writer import GraphSink

pytestmark = pytest.mark.kill

ROOT = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root to write a legacy root")]
MOMENTS = 16  # of each scene, evenly spread, the first and the last among them


@pytest.mark.parametrize(
    "name",
    [
        "unpack the sample",
        "copy to a bundle",
        "copy to a packed bundle",
        "copy to a dir",
        "copy over a dir",
        "copy recompressed",
        "export",
        "export from oci:",
        "import into oci:",
        "extract",
        "write a set",
        "write a set over another",
        pytest.param("import into graph+aufs:", marks=ROOT),
        pytest.param("import into graph+vfs:", marks=ROOT),
    ],
)
def test_what_was_killed_leaves_nothing_wrong_and_a_rerun_makes_it_right(
    inputs: Inputs, folder: Path, name: str
) -> None:
    scene = {scene.name: scene for scene in scenes(inputs, folder)}[name]
    ended, expected = scene.undisturbed()
    every = faults(ended.calls)
    step = max(1, (len(every) - 1) // (MOMENTS - 1))
    for fault in [*every[:-1:step], every[-1]]:
        scene.survives(fault, expected)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to write a legacy root")
def test_another_import_after_a_killed_one_leaves_no_layer_without_its_parent(
    inputs: Inputs, tmp_path: Path
) -> None:
    base = inputs.store.image(TAG).layers[0].key

    def work(root: Path, name: str) -> None:
        copy(inputs.store, GraphSink(root), [name])

    calls = in_child(lambda: work(tmp_path / "undisturbed", TAG), Fault()).calls
    for number in range(len(calls) - 60, len(calls) + 1):  # placing, keeping, naming, clearing up
        root = tmp_path / str(number)
        assert in_child(lambda: work(root, TAG), Fault(number)).was_killed  # noqa: B023 - it ends here
        work(root, base)
        layers = {path.name for path in (root / "graph").iterdir()} - {"_tmp"}
        assert len(layers) in {1, 4}, number
        assert layers == {path.name for path in (root / "aufs/diff").iterdir()}
        assert all(GraphStore(root).image(name) for name in layers)  # raises where a parent is missing
        assert strays(root) == []
