"""What an engine saves goes straight to where it stays: no more of it than a bundle may have, nothing unasked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.archives import ONE, docker_item, encode, image, layout, sha256, tar, unpacked
from tests.attacks.hostile_engine import ID, Hostile, endless, hostile_engine, plain
from tests.cases.judging import ran
from toolkit.digest import Digest
from toolkit.stores.layout import LayoutStore
from toolkit.stores.layout_tidy import let_go, missing, unmake

MIB = 1 << 20
BIG = tar({"random": os.urandom(5 * MIB)})  # more than a document, so it lands
APP = image(ONE, BIG)
SAVED = {**layout(("app:1", APP)), "manifest.json": encode([docker_item(APP, "app:1")])}
STRAYS = [bytes([number]) * (6 * MIB) for number in range(3)]


def blob(content: bytes) -> str:
    return f"blobs/sha256/{sha256(content).removeprefix('sha256:')}"


WITH_STRAYS = tar({**{blob(stray): stray for stray in STRAYS}, **SAVED})


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    with hostile_engine() as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        for name in (ID, "app:1"):
            told = {"Id": ID, "Os": "linux", "RootFS": {"Layers": APP.layers}}
            engine.says(f"/images/{name}/json", told)
        yield engine


@pytest.fixture
def destinations(tmp_path: Path) -> dict[str, str]:
    return {"oci": f"oci:{tmp_path}/store", "file": f"{tmp_path}/out.tar"}


Limited = Callable[[int], object]


@pytest.fixture
def limited(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Limited:
    """Return how to set bundle_limit."""
    folder = tmp_path_factory.mktemp("settings")
    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    monkeypatch.chdir(folder)
    return lambda size: (folder / "luigi.cfg").write_text(f"[lading]\nbundle_limit = {size}\n")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["oci", "file"])
def test_a_stream_of_more_than_a_bundle_may_have(
    hostile: Hostile, tmp_path: Path, destinations: dict[str, str], kind: str, limited: Limited
) -> None:
    limited(12 * MIB)
    hostile.answers["/images/get"] = plain(WITH_STRAYS)
    done = ran("copy", "docker-daemon:", "app:1", destinations[kind])
    assert (done.code, "expected at most" in done.error, "bundle_limit" in done.error) == (6, True, True)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["oci", "file"])
def test_a_blob_that_says_it_is_larger_than_a_bundle(
    hostile: Hostile, tmp_path: Path, destinations: dict[str, str], kind: str, limited: Limited
) -> None:
    limited(64 * MIB)
    head = tar({blob(ONE): bytes(8 * MIB)})[:512]
    large = head[:124] + b"%011o\0" % (1 << 32) + head[136:148] + b" " * 8 + head[156:]
    summed = large[:148] + b"%06o\0 " % sum(large) + large[156:]
    hostile.answers["/images/get"] = endless(b"HTTP/1.1 200 OK\r\n\r\n" + summed, bytes(MIB))
    done = ran("copy", "docker-daemon:", "app:1", destinations[kind])
    assert (done.code, "ends at byte 4294967808" in done.error) == (6, True), done.err
    assert os.listdir(tmp_path) == []


def test_blobs_that_no_image_has(hostile: Hostile, tmp_path: Path, destinations: dict[str, str]) -> None:
    hostile.answers["/images/get"] = plain(WITH_STRAYS)
    assert ran("copy", "docker-daemon:", "app:1", destinations["oci"]).code == 0
    assert (tmp_path / "store" / blob(BIG)).read_bytes() == BIG
    assert not any(
        sha256(stray).removeprefix("sha256:") in each for stray in STRAYS for each in names(tmp_path)
    )


def test_blobs_that_no_image_has_and_that_were_there(
    hostile: Hostile, tmp_path: Path, destinations: dict[str, str]
) -> None:
    unpacked(tmp_path / "store", {**layout(), blob(STRAYS[0]): STRAYS[0]})
    hostile.answers["/images/get"] = plain(WITH_STRAYS)
    assert ran("copy", "docker-daemon:", "app:1", destinations["oci"]).code == 0
    there = [(tmp_path / "store" / blob(stray)).exists() for stray in STRAYS]
    assert there == [True, False, False]


@pytest.mark.parametrize("end", [len(WITH_STRAYS) - 2 * MIB, len(WITH_STRAYS)])
def test_blobs_of_a_delivery_that_fails(
    hostile: Hostile, tmp_path: Path, destinations: dict[str, str], end: int
) -> None:
    hostile.answers["/images/get"] = plain(WITH_STRAYS[:end].replace(b"app:1", b"app:2"))
    assert ran("copy", "docker-daemon:", "app:1", destinations["oci"]).code != 0
    assert os.listdir(tmp_path) == []


def test_while_another_delivery_is_under_way_everything_stays(
    hostile: Hostile, tmp_path: Path, destinations: dict[str, str]
) -> None:
    """It may have found a blob present, and be about to name it; `collect` will find what nobody names."""
    hostile.answers["/images/get"] = plain(WITH_STRAYS)
    with LayoutStore(tmp_path / "store").landing():
        assert ran("copy", "docker-daemon:", "app:1", destinations["oci"]).code == 0
        assert all((tmp_path / "store" / blob(stray)).exists() for stray in STRAYS)


def test_what_somebody_has_named_meanwhile_stays(tmp_path: Path) -> None:
    store = unpacked(tmp_path / "store", layout(("app:1", APP)))
    (store / ".lading").mkdir()
    before = names(store / "blobs")
    let_go(store, [Digest.parse(sha256(content)) for content in (BIG, ONE, APP.config)])
    assert names(store / "blobs") == before


@pytest.mark.parametrize("above", [0, 1, 2])
def test_a_copy_that_fails_leaves_no_new_folder(hostile: Hostile, tmp_path: Path, above: int) -> None:
    hostile.answers["/images/get"] = plain(b"no tar at all" * 1000)
    place = tmp_path.joinpath("there", *"ab"[:above], "store")
    (tmp_path / "there").mkdir()
    assert ran("copy", "docker-daemon:", "app:1", f"oci:{place}").code != 0
    assert os.listdir(tmp_path / "there") == []


def test_a_folder_that_was_there_stays_and_is_as_empty(hostile: Hostile, tmp_path: Path) -> None:
    hostile.answers["/images/get"] = plain(b"no tar at all" * 1000)
    (tmp_path / "store").mkdir()
    assert ran("copy", "docker-daemon:", "app:1", f"oci:{tmp_path}/store").code != 0
    assert os.listdir(tmp_path / "store") == []


def test_nothing_is_taken_apart_that_somebody_uses(tmp_path: Path) -> None:
    place = tmp_path / "new" / "store"
    made = missing(place)
    assert made == [place, tmp_path / "new"]
    with LayoutStore(place).receive([], {}):
        unmake(place, made)
        assert (place / "oci-layout").is_file()
    assert not (tmp_path / "new").exists()
    unpacked(place, layout(("app:1", APP)))
    unmake(place, made)
    assert (place / "index.json").is_file()
    (place / "index.json").unlink()
    (place / ".lading").mkdir()
    unmake(place, made)
    assert (place / "oci-layout").is_file()


def test_a_link_in_the_place_of_our_own_folder_is_not_followed(tmp_path: Path) -> None:
    other = LayoutStore(tmp_path / "other")
    with other.landing():
        (tmp_path / "store").mkdir()
        (tmp_path / "store" / ".lading").symlink_to(tmp_path / "other" / ".lading")
        assert ran("copy", "docker-daemon:", "app:1", f"oci:{tmp_path}/store").code != 0
        unmake(tmp_path / "store", ())
        assert sorted(os.listdir(tmp_path / "other" / ".lading")) == ["parts", "stamps", "writers.lock"]
