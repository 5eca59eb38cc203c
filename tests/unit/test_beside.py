"""The list beside the volumes, on however many media it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import InvalidDocument, UnsafeArchive
from toolkit.mirror.media.beside import Broken, Lists

LINE = f"{'0' * 64}  set.1of1.tar\n"


def folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "set.sha256").write_text(content)
    return path


def test_a_list_is_found_in_any_folder(tmp_path: Path) -> None:
    one, two = tmp_path, folder(tmp_path / "two", LINE)
    found = Lists.of("set", [one, two])
    assert found.path == two / "set.sha256"
    assert found.checksums is not None
    assert found.checksums.sums == {"set.1of1.tar": "0" * 64}
    assert found.errors == ()


def test_equal_lists_are_one_and_others_are_told(tmp_path: Path) -> None:
    one, two, three = (
        folder(tmp_path / name, text)
        for name, text in zip("abc", (LINE, LINE, LINE.replace("0", "1", 1)), strict=True)
    )
    assert Lists.of("set", [one, two]).errors == ()
    [error] = Lists.of("set", [one, two, three]).errors
    assert isinstance(error, InvalidDocument)
    assert str(one / "set.sha256") in str(error)


@pytest.mark.parametrize(
    "content", ["", "nonsense\n", LINE + LINE, LINE.replace("set.", "../set."), LINE * 20_000]
)
def test_what_is_no_list_is_told(tmp_path: Path, content: str) -> None:
    found = Lists.of("set", [folder(tmp_path / "a", content)])
    assert found.checksums is None
    assert len(found.errors) == 1


def test_a_link_is_no_list(tmp_path: Path) -> None:
    real = folder(tmp_path / "real", LINE)
    (tmp_path / "set.sha256").symlink_to(real / "set.sha256")
    assert Lists.of("set", [tmp_path]).checksums is None
    assert len(Lists.of("set", [tmp_path]).errors) == 1


def test_a_broken_file_has_a_name() -> None:
    assert Broken("/media/a/set.1of1.tar", UnsafeArchive("it", "is odd")).name == "set.1of1.tar"
