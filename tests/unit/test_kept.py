from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.downloads import CONTENT, DIGEST, MB, NAME, download, ended, laid
from toolkit.errors import CorruptContent, Mismatch, NotFound, RegistryError, Spoiled, StoreError
from toolkit.plumbing import kept as kept_module
from toolkit.plumbing.kept import Kept
from toolkit.plumbing.partials import Partials


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "partial"


def test_what_came_after_the_first_seconds_is_kept_and_there_the_next_time(folder: Path) -> None:
    ended(folder, 8)
    assert (folder / NAME).read_bytes() == (5 * MB).to_bytes(8, "big") + CONTENT[5 * MB : 8 * MB]
    with Partials(folder).keeping(DIGEST, len(CONTENT)) as kept:
        assert (kept.start, kept.began) == (5 * MB, 8 * MB)
    assert download(folder, 20, None) == CONTENT[5 * MB : 8 * MB]
    assert not folder.exists()


def test_it_goes_on_over_any_number_of_runs(folder: Path) -> None:
    for until in (7, 7, 9, 15):
        ended(folder, until)
    assert download(folder, 20, None) == CONTENT[5 * MB : 15 * MB]


def test_a_blob_that_is_whole_but_was_not_taken_stays(folder: Path) -> None:
    with pytest.raises(StoreError, match="full"):
        download(folder, 20, StoreError("bundle", "the disk is full"))
    assert download(folder, 20, None) == CONTENT[5 * MB :]
    assert not folder.exists()


def test_what_comes_quickly_or_is_nearly_there_leaves_no_trace(folder: Path) -> None:
    ended(folder, 5)
    assert not folder.parent.exists()
    with pytest.raises(RegistryError):
        download(folder, 9, content=CONTENT[: 9 * MB])
    assert not folder.parent.exists()


def test_who_wants_but_the_first_bytes_takes_nothing_away(folder: Path) -> None:
    laid(folder, 0, CONTENT[: 2 * MB])
    for _ in range(2):
        with Partials(folder).keeping(DIGEST, len(CONTENT)) as kept:
            next(kept.blocks())
    assert (folder / NAME).stat().st_size == 8 + 2 * MB


@pytest.mark.parametrize(
    "error",
    [
        Mismatch("layer", "digest", "", 1, 2),
        CorruptContent("layer", "is no gzip"),
        NotFound("blob", "is not there"),
        KeyError("a bug"),
        *(RegistryError("blob", "no", status=status) for status in (200, 206, 400, 405, 416, 501)),
        StoreError("file", "name too long"),
        OSError(5, "I/O"),
    ],
    ids=str,
)
def test_a_failure_that_may_come_of_what_was_kept_asks_to_begin_again(folder: Path, error: Exception) -> None:
    ended(folder, 8)
    with pytest.raises(Spoiled, match="not what an earlier run had kept of it") as caught:
        download(folder, 8, error)
    assert caught.value.__cause__ is error
    assert caught.value.exit_code == 75
    assert not folder.exists()


@pytest.mark.parametrize(
    ("error", "until"),
    [
        *((RegistryError("blob", "no", status=status), 8) for status in (0, 401, 403, 429, 500, 503)),
        (KeyboardInterrupt(), 8),
        (StoreError("file", "no space left on device"), 9),
    ],
    ids=str,
)
def test_a_failure_that_has_other_reasons_leaves_it(folder: Path, error: BaseException, until: int) -> None:
    ended(folder, 8)
    with pytest.raises(type(error)):
        download(folder, until, error)
    assert download(folder, 20, None) == CONTENT[5 * MB : until * MB]


def test_nothing_is_kept_of_what_is_wrong_from_the_start(folder: Path) -> None:
    with pytest.raises(Mismatch):
        download(folder, 20, Mismatch("layer", "digest", "", 1, 2))
    assert not folder.parent.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        bytes(7),
        bytes(8),
        bytes(8) + CONTENT + b"more",
        MB.to_bytes(8, "big") + CONTENT,
        b"\xff" * 4096,
    ],
    ids=["empty", "half a head", "a head", "too long", "too far", "anything"],
)
def test_what_is_no_piece_of_the_blob_is_removed(folder: Path, raw: bytes) -> None:
    folder.mkdir(parents=True, mode=0o700)
    (folder / NAME).write_bytes(raw)
    assert download(folder, 20, None) == b""
    assert not folder.exists()


def test_where_the_room_gets_short_it_is_given_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_module, "STEP", 4 * MB)
    path = laid(folder, 0, CONTENT[: 5 * MB])
    with Partials(folder).keeping(DIGEST, 1 << 60) as kept:
        kept.append(CONTENT[: 3 * MB], 5 * MB)
        assert path.stat().st_size == 8 + 8 * MB
        kept.append(CONTENT[:MB], 8 * MB)
        assert path.stat().st_size == 0
        kept.append(CONTENT[:MB], 9 * MB)
        with pytest.raises(CorruptContent, match="is gone"):
            next(kept.blocks())
    assert not folder.exists()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file can grow beyond that: what a full disk is like to whoever writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit", [0, 4, MB, 2 * MB + 8])
def test_a_full_disk_stops_nothing_but_the_keeping(folder: Path, limit: int) -> None:
    with largest_file(limit):
        assert download(folder, 20, None) == b""
        ended(folder, 18)
    assert not folder.exists()


def test_what_cannot_be_read_is_corrupt(tmp_path: Path) -> None:
    path = laid(tmp_path, 0, CONTENT[:MB])
    handle = os.open(path, os.O_RDWR)
    kept = Kept(len(CONTENT), lambda _: handle)
    kept.resume()
    os.truncate(path, 9)
    with pytest.raises(CorruptContent, match="ends after"):
        list(kept.blocks())
    os.close(handle)
    with pytest.raises(CorruptContent, match="cannot be read"):
        list(kept.blocks())
    kept = Kept(len(CONTENT), lambda _: handle)
    kept.resume()
    assert kept.began == 0
