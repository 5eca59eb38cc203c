"""What containerd itself wrote, and told of it, is what its root tells us once it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.archives import ONE, TWO, image, index, layout, sha256, written
from tests.conformance import proven, snapshot
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.reference import meaning
from toolkit.stores.containerd.store import open_containerd
from toolkit.stores.layout import LayoutStore

from .conftest import started
from .engines import Containerd
from .workplace import EngineRefused, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from toolkit.ports import Source

pytestmark = [pytest.mark.engine, pytest.mark.root]

APP, ARM = image(ONE, created="2020-01-01T00:00:00Z"), image(ONE, TWO, architecture="arm64")
BOTH = index(APP, ARM)
TAGGED, INDEXED = "docker.io/library/app:1", "registry.example:5000/team/app:2.1"
MANY = 300  # images: their bucket is several pages, with a branch above them


@pytest.fixture
def engine() -> Iterator[Containerd]:
    yield from started(Containerd)


def told(source: Source) -> dict[tuple[str, ...], str]:
    """Return name, in normalised form → digest of manifest or index."""
    return {meaning(name): source.identify(name) for line in source.listings() for name in line.names}


def test_names_and_digests_are_those_that_ctr_lists(engine: Containerd, tmp_path: Path) -> None:
    archive = written(tmp_path / "images.tar", layout((TAGGED, APP), (INDEXED, BOTH)))
    for space in ("default", "k8s.io"):
        engine.ctr("--namespace", space, "images", "import", "--all-platforms", "--no-unpack", archive)
    for other in (f"docker.io/library/app@{APP.digest}", sha256(APP.config)):
        engine.ctr("--namespace", "k8s.io", "images", "tag", TAGGED, other)
    listed = engine.images()
    root = engine.stopped()
    before = snapshot(root)
    plain, kubernetes = open_containerd(root, "default"), open_containerd(root)
    assert listed == {TAGGED: APP.digest, INDEXED: BOTH.digest}
    assert told(plain) == {meaning(name): digest for name, digest in listed.items()}
    assert sorted(line.names for line in kubernetes.listings()) == [
        ("app:1", f"app@{APP.digest}"),
        (INDEXED,),
    ]
    assert proven(kubernetes, INDEXED).top.digest == proven(plain, INDEXED).top.digest
    copy(kubernetes, LayoutStore(tmp_path / "out"), ["app:1", INDEXED])
    assert told(LayoutStore(tmp_path / "out")) == told(plain)
    report = verify(kubernetes)
    assert [finding.problem for finding in report.findings] == [
        "has images in other namespaces too: default; name one with --namespace"
    ]
    assert snapshot(root) == before


def test_many_names_and_those_that_were_removed(engine: Containerd, tmp_path: Path) -> None:
    engine.ctr(
        "images", "import", "--no-unpack", written(tmp_path / "i.tar", layout((TAGGED, APP), (INDEXED, ARM)))
    )
    names = [f"registry.example/{'long/' * 20}app-{number}:tag" for number in range(MANY)]
    engine.ctr("images", "tag", TAGGED, *names)
    engine.ctr("images", "remove", "--sync", *names[::3], TAGGED)
    listed = engine.images()
    store = open_containerd(engine.stopped())
    assert len(listed) == MANY - MANY // 3 + 1
    assert told(store) == {meaning(name): digest for name, digest in listed.items()}


def test_a_root_is_read_from_a_file_system_that_is_read_only(engine: Containerd, tmp_path: Path) -> None:
    engine.ctr("images", "import", "--no-unpack", written(tmp_path / "i.tar", layout((TAGGED, APP))))
    root = engine.stopped()
    there = engine.home / "read-only"
    there.mkdir()
    try:
        run(["mount", "--bind", root, there], engine.home)
        run(["mount", "-o", "remount,bind,ro", there], engine.home)
    except EngineRefused as refused:
        pytest.skip(str(refused))
    assert told(open_containerd(there)) == {meaning(TAGGED): APP.digest}
    assert verify(open_containerd(there)).errors == []
