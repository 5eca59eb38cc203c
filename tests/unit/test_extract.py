"""One image of any place into one folder: which layers, where to, and what is left where it fails."""

from __future__ import annotations

import gzip
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    ONE,
    TWO,
    Picture,
    artifact,
    image,
    index,
    layout,
    sha256,
    signature,
    unpacked,
    written,
)
from tests.layers import file, folder, layer, member, symlink
from toolkit.bundles import open_bundle
from toolkit.errors import (
    CorruptContent,
    Mismatch,
    NotFound,
    Spoiled,
    StoreError,
    ToolkitError,
    UnsafeArchive,
    Unsupported,
    UsageError,
)
from toolkit.event import BlobDone, BlobsExpected, Event
from toolkit.image import Layer
from toolkit.limits import Limits, hold
from toolkit.operations.extract import Extracted, Rules, extract
from toolkit.operations.through import Through
from toolkit.platform import Platform
from toolkit.plumbing.streams import Stream
from toolkit.ports import Content, Source
from toolkit.stores.layout import LayoutStore
from toolkit.stores.sample import sample_store

NAME = "app:1"
ARM = Platform("linux", "arm64")
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for the whole disk."""
    monkeypatch.setattr("toolkit.operations.extract.sync_file_system", os.fstat)


def source_of(folder: Path, picture: Picture) -> Source:
    return open_bundle(written(folder / "image.tar", layout((NAME, picture))))


def done(folder: Path, picture: Picture, **words: Any) -> Extracted:
    return extract(source_of(folder, picture), NAME, folder / "out", **words)


def nothing_left(folder: Path) -> bool:
    return {path.name for path in folder.iterdir()} <= {"image.tar"}


# ── which image ──


def test_what_was_done_is_told(tmp_path: Path) -> None:
    picture = image(ONE, layer(folder("d"), symlink("d/s", "x"), file("two", b"22")))
    found = done(tmp_path, picture)
    assert (found.name, found.folder) == (NAME, tmp_path / "out")
    assert str(found.image.config.image_id) == sha256(picture.config)
    assert [str(blob.digest) for blob, _ in found.image.layers] == picture.layers
    census = found.census
    assert (census.files, census.folders, census.symlinks, census.size) == (2, 1, 1, 3)


def test_of_several_platforms_the_usual_one_is_taken_or_the_one_asked_for(tmp_path: Path) -> None:
    both = index(image(TWO, architecture="arm64"), image(ONE))
    (tmp_path / "arm").mkdir()
    assert str(done(tmp_path, both).image.config.platform) == "linux/amd64"
    assert str(done(tmp_path / "arm", both, platform=ARM).image.config.platform) == "linux/arm64"
    assert (tmp_path / "out/one").read_bytes() == b"1"
    assert (tmp_path / "arm/out/two").read_bytes() == b"22"


def test_layers_of_other_platforms_are_not_read(tmp_path: Path) -> None:
    picture = index(image(TWO, architecture="arm64"), image(ONE))
    events: list[Event] = []
    done(tmp_path, picture, progress=events.append)
    (expected,) = [event for event in events if isinstance(event, BlobsExpected)]
    assert [each.key for each in expected.layers] == [sha256(ONE)]
    assert sum(isinstance(event, BlobDone) for event in events) == 1


def test_a_platform_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="linux/arm64"):
        done(tmp_path, image(ONE), platform=ARM)
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("picture", [artifact(None, b"text"), signature(image(ONE))[1]])
def test_an_artifact_has_no_files(tmp_path: Path, picture: Picture) -> None:
    with pytest.raises(Unsupported, match="is an artifact"):
        done(tmp_path, picture)
    assert nothing_left(tmp_path)


def test_a_legacy_image_gets_its_id_on_the_way(tmp_path: Path) -> None:
    found = extract(sample_store(tmp_path / "home"), "ubuntu:14.04", tmp_path / "out")
    image_id = "sha256:192ecff0be21839de44a855480f6306150b7fb833f9071f6653900c8d5e415f0"  # by docker 20.10.24
    assert (str(found.image.config.image_id), len(found.image.layers)) == (image_id, 4)


def test_a_layer_in_any_compression_is_proven_by_both_digests(tmp_path: Path) -> None:
    packed = gzip.compress(ONE, mtime=0)
    picture = image(packed, diff_ids=[sha256(ONE)], media_types=[GZIP])
    assert done(tmp_path, picture).findings == ()
    assert (tmp_path / "out/one").read_bytes() == b"1"


@pytest.mark.parametrize(
    "picture",
    [
        image(ONE, TWO, diff_ids=[sha256(ONE), sha256(ONE)]),
        image(ONE, gzip.compress(TWO), diff_ids=[sha256(ONE), sha256(ONE)], media_types=[GZIP, GZIP]),
    ],
)
def test_a_layer_that_is_not_what_the_config_says_leaves_nothing(tmp_path: Path, picture: Picture) -> None:
    with pytest.raises(ToolkitError, match="diffID"):
        done(tmp_path, picture)
    assert nothing_left(tmp_path)


def test_a_damaged_layer_leaves_nothing(tmp_path: Path) -> None:
    store = unpacked(tmp_path / "store", layout((NAME, image(ONE, TWO))))
    blob = store / "blobs/sha256" / sha256(TWO)[7:]
    blob.write_bytes(TWO.replace(b"22", b"23"))
    with pytest.raises(Mismatch, match="digest"):
        extract(LayoutStore(store), NAME, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_layer_that_is_no_tar_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptContent, match="not a tar"):
        done(tmp_path, image(b"x" * 1000))
    assert nothing_left(tmp_path)


# ── where to ──


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("x")
    with pytest.raises(UsageError, match="is not empty; name a new folder"):
        done(tmp_path, image(ONE))
    assert os.listdir(tmp_path / "out") == ["mine"]


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to(".."), os.mkfifo])
def test_what_is_no_folder_stays(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "out")
    before = (tmp_path / "out").lstat()
    with pytest.raises(UsageError, match="is there and no folder"):
        done(tmp_path, image(ONE))
    assert (tmp_path / "out").lstat() == before


def test_an_empty_folder_gives_way(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(0o700)
    done(tmp_path, image(ONE))
    assert os.listdir(tmp_path / "out") == ["one"]


def test_the_working_folder_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    with pytest.raises(UsageError, match=r"is the working folder.*out/rootfs"):
        done(tmp_path, image(ONE))
    assert os.listdir(tmp_path / "out") == []


def test_a_folder_that_somebody_fills_meanwhile_keeps_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    def fill(event: Event) -> None:
        if isinstance(event, BlobDone):
            (tmp_path / "out/mine").write_text("x")

    with pytest.raises(StoreError, match="not empty"):
        done(tmp_path, image(ONE), progress=fill)
    assert os.listdir(tmp_path / "out") == ["mine"]
    assert sorted(os.listdir(tmp_path)) == ["image.tar", "out"]


def test_a_folder_in_no_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="mkdir -p"):
        extract(source_of(tmp_path, image(ONE)), NAME, tmp_path / "no/out")


def test_what_a_killed_run_left_is_cleared_also_where_it_is_closed(tmp_path: Path) -> None:
    left = tmp_path / ".out.part"
    (left / "d/e").mkdir(parents=True)
    (left / "d/e/f").touch()
    (left / "d/e").chmod(0)
    (left / "d").chmod(0o500)
    done(tmp_path, image(ONE))
    assert sorted(os.listdir(tmp_path)) == ["image.tar", "out"]


def test_until_all_is_there_nobody_else_comes_in(tmp_path: Path) -> None:
    """CVE-2021-41091: what is on its way is not open to others."""
    seen: list[int] = []

    def look(event: Event) -> None:
        if isinstance(event, BlobDone):
            part = tmp_path / ".out.part"
            seen.append(stat.S_IMODE(part.stat().st_mode))
            seen.append(stat.S_IMODE((part / "d").stat().st_mode))

    done(tmp_path, image(layer(folder("d", 0o777), file("d/su", mode=0o4755)), ONE), progress=look)
    assert seen == [0o700] * 4
    assert stat.S_IMODE((tmp_path / "out/d").stat().st_mode) == 0o777


def test_a_full_disk_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, size: int, place: str) -> None:
        assert (os.fstat(handle).st_ino, size) == (
            (tmp_path / ".out.part").stat().st_ino,
            len(ONE) + len(TWO),
        )
        raise StoreError(place, f"needs {size} bytes and its file system has 1 free")

    monkeypatch.setattr("toolkit.operations.extract.require_space", refuse)
    with pytest.raises(StoreError, match="needs 20480 bytes"):
        done(tmp_path, image(ONE, TWO))
    assert nothing_left(tmp_path)


# ── limits, warnings, and content that comes twice ──


@pytest.mark.parametrize(
    ("lowered", "match"),
    [
        (Limits(layer=len(ONE) - 1), f"holds more than {len(ONE) - 1} bytes"),
        (Limits(entry=1), "has more than 1 entries"),
    ],
)
def test_a_layer_above_a_limit_is_refused(tmp_path: Path, lowered: Limits, match: str) -> None:
    hold(lowered)
    with pytest.raises(UnsafeArchive, match=match):
        done(tmp_path, image(layer(file("a"), file("b"))))
    assert nothing_left(tmp_path)


def test_a_path_above_a_limit_is_refused(tmp_path: Path) -> None:
    for name, match in (("d/" * 2100 + "f", "path of 4201 bytes"), ("d/" * 300 + "f", "path of 301 names")):
        with pytest.raises(UnsafeArchive, match=match):
            done(tmp_path, image(layer(file(name))))
    with pytest.raises(UnsafeArchive, match="link target of 5000 bytes"):
        done(tmp_path, image(layer(symlink("a", "x" * 5000))))
    assert nothing_left(tmp_path)


def test_warnings_are_errors_where_that_is_asked_for(tmp_path: Path) -> None:
    odd = image(layer(file("a"), file(".wh.a", b"")))
    with pytest.raises(CorruptContent, match="strict"):
        done(tmp_path, odd, rules=Rules(strict=True))
    assert nothing_left(tmp_path)
    assert len(done(tmp_path, odd).findings) == 1


def test_notes_are_no_warnings(tmp_path: Path) -> None:
    picture = image(layer(file("a", mode=0o4755), member("f", b"6")))
    assert done(tmp_path, picture, rules=Rules(strict=True)).left_out.keys() >= {"setuid bit", "fifo"}


class Twice(Through):
    """A source of which the second layer is wrong the first time, as one that was kept (ports.Resumes)."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.opened: list[str] = []

    @contextmanager
    def open(self, layer: Layer) -> Iterator[Content]:
        """Open a layer; of the second one other bytes, the first time."""
        self.opened.append(layer.key)
        if self.opened.count(layer.key) > 1 or layer.key != sha256(TWO):
            with self.source.open(layer) as content:
                yield content
            return
        yield Stream(layer.size, self._spoiled(layer.size), "layer")

    def _spoiled(self, size: int) -> Iterator[bytes]:
        wrong = tar_of_wrong()
        yield wrong + bytes(size - len(wrong) - 512)
        raise Spoiled("layer", "was kept wrong")


def tar_of_wrong() -> bytes:
    return layer(file("wrong"), file("one", b"wrong"))[: 4 * 512]


def test_what_was_kept_wrong_of_a_layer_is_no_part_of_the_tree(tmp_path: Path) -> None:
    source = Twice(source_of(tmp_path, image(ONE, TWO)))
    found = extract(source, NAME, tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["one", "two"]
    assert (tmp_path / "out/one").read_bytes() == b"1"
    assert source.opened == [sha256(ONE), sha256(TWO)] * 2
    assert replace(found.census, size=0).files == 2
