from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.downloads import BROKE_OFF, CONTENT, DIGEST, MB, NAME, Clock, download, ended, laid
from tests.neighbours import neighbour
from toolkit.digest import Digest
from toolkit.errors import RegistryError
from toolkit.plumbing import kept as kept_module
from toolkit.plumbing import partials
from toolkit.plumbing.partials import Partials


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "partial"


def test_a_small_blob_is_not_kept(folder: Path) -> None:
    clock = Clock()
    with suppress(RegistryError), Partials(folder, clock).keeping(DIGEST, MB - 1) as kept:
        clock.now += 1000
        kept.append(b"first", 0)
        raise BROKE_OFF
    assert not folder.parent.exists()


def test_only_what_was_made_for_it_goes_with_it(folder: Path) -> None:
    folder.parent.mkdir()
    assert download(folder, 20, None) == b""
    assert list(folder.parent.iterdir()) == []
    laid(folder, 0, b"another", f"sha256-{'a' * 64}")
    download(folder, 20, None)
    assert len(list(folder.iterdir())) == 1


def test_a_blob_has_one_holder(folder: Path) -> None:
    ended(folder, 8)
    before = (folder / NAME).read_bytes()
    with neighbour("neighbour", holds=folder / NAME, lock="flock"):
        assert download(folder, 20, None) == b""
        ended(folder, 12)
    assert (folder / NAME).read_bytes() == before


def test_what_nobody_went_on_with_for_a_week_goes(folder: Path) -> None:
    names = {days: laid(folder, 0, b"x", f"sha256-{days % 100:064x}") for days in (0, 6, 8, -8, 9000)}
    for days, path in names.items():
        os.utime(path, times=(0, time.time() - days * 24 * 3600))
    others = [laid(folder, 0, b"x", name) for name in ("notes", f"sha256-{'A' * 64}", f"md5-{'a' * 32}")]
    for path in others:
        os.utime(path, times=(0, 0))
    with neighbour("neighbour", holds=names[9000], lock="flock"):
        download(folder, 1, None)
    assert set(folder.iterdir()) == {names[0], names[6], names[9000], *others}


def test_the_oldest_make_room_for_the_new(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partials, "MOST", 17 * MB)
    names = [laid(folder, 0, bytes(MB), f"sha256-{number:064x}") for number in range(4)]
    for number, path in enumerate(names):
        os.utime(path, times=(0, time.time() - 1000 + number))
    ended(folder, 8)  # 15 MB are to come when it begins
    assert set(folder.iterdir()) == {*names[3:], folder / NAME}


def test_a_blob_that_does_not_fit_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_module, "WORTH", 0.0)
    with suppress(RegistryError), Partials(folder).keeping(DIGEST, 1 << 60) as kept:
        kept.append(CONTENT, 0)
        raise BROKE_OFF
    assert not folder.parent.exists()


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
def test_only_a_file_is_written_to(folder: Path, tmp_path: Path, kind: str) -> None:
    folder.mkdir(parents=True, mode=0o700)
    target = tmp_path / "target"
    if kind != "dangling":
        target.write_bytes(bytes(8) + CONTENT[:MB])
    make: dict[str, Callable[[Path], object]] = {"pipe": os.mkfifo, "folder": os.mkdir}
    make.get(kind, lambda path: path.symlink_to(target))(folder / NAME)
    assert download(folder, 20, None) == b""
    ended(folder, 9)
    assert os.path.lexists(folder / NAME)
    assert not target.exists() or target.read_bytes() == bytes(8) + CONTENT[:MB]


def test_another_name_of_the_file_keeps_its_bytes(folder: Path, tmp_path: Path) -> None:
    laid(folder, 0, CONTENT[:MB])
    os.link(folder / NAME, tmp_path / "other")
    ended(folder, 9)
    assert (tmp_path / "other").read_bytes() == bytes(8) + CONTENT[:MB]


def test_a_folder_that_is_a_link_is_not_used(folder: Path, tmp_path: Path) -> None:
    folder.parent.mkdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    old = laid(folder, 0, CONTENT[:MB])
    os.utime(old, times=(0, 0))
    assert download(folder, 20, None) == b""
    ended(folder, 9)
    assert old.read_bytes() == bytes(8) + CONTENT[:MB]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
@pytest.mark.parametrize("which", ["folder", "file"])
def test_what_belongs_to_somebody_else_is_left_alone(folder: Path, which: str) -> None:
    path = laid(folder, 0, CONTENT[:MB])
    os.chown(folder if which == "folder" else path, 65534, -1)
    assert download(folder, 20, None) == b""
    ended(folder, 9)
    assert path.read_bytes() == bytes(8) + CONTENT[:MB]


def test_a_home_that_cannot_be_made_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    assert download(tmp_path / "home" / "partial", 20, None) == b""
    ended(tmp_path / "home" / "partial", 9)


def test_nobody_else_may_read_it(folder: Path) -> None:
    before = os.umask(0)
    try:
        ended(folder, 8)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600


def test_without_a_folder_nothing_is_kept() -> None:
    clock = Clock()
    with Partials(None, clock).keeping(DIGEST, 1 << 40) as kept:
        clock.now += 1000
        kept.append(b"first", 0)
        assert kept.end == 0


def test_many_at_once_get_in_nobodys_way_and_leave_nothing(folder: Path) -> None:
    clock = Clock()
    shared = Partials(folder, clock)

    def often(number: int) -> None:
        digest = Digest.of(bytes([number]))
        for _ in range(25):
            with shared.keeping(digest, len(CONTENT)) as kept:
                clock.now += 1000
                kept.append(b"first", 0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(often, range(8)))
    assert not folder.parent.exists()


def test_what_is_there_by_now_or_was_left_for_a_week_is_stray_and_what_is_held_is_not(folder: Path) -> None:
    names = [f"sha256-{digit * 64}" for digit in "abcd"]
    for name in names:
        laid(folder, 0, b"12345", name)
    os.utime(folder / names[1], (0, 0))
    there = {Digest("sha256", digit * 64) for digit in "ad"}
    size = (folder / names[0]).stat().st_size
    with neighbour("neighbour", holds=folder / names[3], lock="flock"):
        assert partials.remove_stray(folder, there.__contains__) == 2 * size
    assert sorted(path.name for path in folder.iterdir()) == names[2:]
    assert partials.remove_stray(folder / "none", there.__contains__) == 0
