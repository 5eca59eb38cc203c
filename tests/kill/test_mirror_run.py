"""`kill -9` around calls that change the disk, while a night is run: the next run makes the same volumes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, tar
from tests.kill.faults import Fault, faults, in_child
from tests.kill.scenes import all_verify, strays
from tests.mirrors import ConnectedSide, volumes
from tests.webregistry import MemoryRegistry
from toolkit.mirror.media.searching import find_sets
from toolkit.mirror.media.setcheck import verify_set
from toolkit.mirror.records.setrecord import LOST, SENT

pytestmark = pytest.mark.kill

LARGE = image(ONE, tar({"large": bytes(range(251)) * 8000}))
MOMENTS = 40


@pytest.fixture
def side(tmp_path: Path) -> Iterator[ConnectedSide]:
    with MemoryRegistry() as web:
        web.push("app:1", image(ONE, TWO)).push("large:1", LARGE)
        yield ConnectedSide(web, tmp_path / "home")


def two_nights(side: ConnectedSide, compression: str) -> None:
    """Send two images; in the second night nothing but a tag is new."""
    cut = {"volume": "1MiB", "parity": 1, "compression": compression}
    side.run(side.job("app:1", bundle=cut))
    side.sleep()
    side.run(side.job("app:1", "large:1", bundle=cut))


def look(side: ConnectedSide) -> None:
    """What is there is whole: blobs, records, and what has a list."""
    folder = side.home / "mirror/plant-7/volumes"
    for found in find_sets([folder]) if folder.exists() else ():
        if found.checksums is not None:
            assert verify_set(found).findings == []
    if (side.home / "store/index.json").exists():
        all_verify(side.store)
    assert {record.number for record in side.site.sets()} <= {1, 2}


@pytest.mark.parametrize("compression", ["keep", "zstd"])
def test_a_night_that_was_killed_ends_with_the_same_volumes(side: ConnectedSide, compression: str) -> None:
    ended = in_child(lambda: two_nights(side, compression), Fault())
    assert ended.code == 0, ended.said
    folder = side.home / "mirror/plant-7/volumes"
    expected = volumes(folder)
    assert [name for name in expected if "0002" in name][-1] == "plant-7_0002.sha256"
    every, killed = faults(ended.calls), 0
    for fault in every[:: max(1, len(every) // MOMENTS)]:
        shutil.rmtree(side.home)
        ended = in_child(
            lambda: two_nights(side, compression), fault
        )  # threads may need a few calls less, and end before
        assert ended.was_killed or ended.code == 0, f"{fault}: {ended.said}"
        killed += ended.was_killed
        look(side)
        again = in_child(lambda: two_nights(side, compression))
        assert again.code == 0, f"{fault}: {again.said}"
        assert volumes(folder) == expected, fault
        pages = [path.name for path in sorted(folder.glob("*.html"))]
        assert pages == ["plant-7_0001.html", "plant-7_0002.html"], fault
        assert strays(side.home) == [], fault
        assert [record.status for record in side.site.sets()] == [SENT, SENT], fault
        assert LOST not in {record.status for record in side.site.sets()}
    assert killed >= MOMENTS - 2
