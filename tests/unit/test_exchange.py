from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.plumbing.exchange import exchanged


def test_two_folders_change_places(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"of {name}").write_bytes(b"")
    assert exchanged(tmp_path / "a", tmp_path / "b")
    assert [path.name for name in "ab" for path in (tmp_path / name).iterdir()] == ["of b", "of a"]


def test_a_folder_and_a_link_change_places_and_the_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    assert exchanged(tmp_path / "folder", tmp_path / "link")
    assert (tmp_path / "folder").readlink() == Path("elsewhere")
    assert (tmp_path / "link").is_dir()


def test_what_cannot_be_exchanged_is_said_and_left(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    assert not exchanged(tmp_path / "a", tmp_path / "a/b")  # EINVAL, as where a file system has no such call
    assert (tmp_path / "a/b").is_dir()


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(FileNotFoundError):
        exchanged(tmp_path / "a", tmp_path / "b")
