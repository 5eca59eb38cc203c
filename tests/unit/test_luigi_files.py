from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import InvalidSetting
from toolkit.luigi_files import LuigiParser


def parser(path: Path, *lines: str, environ: dict[str, str] | None = None) -> LuigiParser:
    path.write_text("\n".join(["[mine]", *lines, ""]), encoding="utf-8")
    found = LuigiParser("mine", {"size": int, "a_name": str}, environ or {})
    found.merge(str(path))
    return found


def test_each_setting_is_read_by_its_reader(tmp_path: Path) -> None:
    found = parser(tmp_path / "x.cfg", "size = 12", "a-name = ${WHO}", environ={"WHO": "me"})
    found.refuse_unknown()
    assert (found.value("size"), found.value("a_name")) == (12, "me")
    assert [found.spelling(name) for name in ("size", "a_name", "other")] == ["size", "a-name", ""]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("size = x", r"^\[mine\] size: is 'x', expected invalid literal"),
        ("size = ${WHO}", r"^\[mine\] size: names the environment variable WHO, which is not set$"),
        ("size = 5%", r"^\[mine\] size: cannot be filled in \(.*\); write % as %%$"),
        ("sise = 5", r"^\[mine\] sise: is not a setting; the nearest one is size$"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_section(tmp_path: Path, line: str, sentence: str) -> None:
    found = parser(tmp_path / "x.cfg", line)
    with pytest.raises(InvalidSetting, match=sentence):
        found.value("size") if line.startswith("size") else found.refuse_unknown()


def test_rows_of_another_section_are_read_by_name_and_text(tmp_path: Path) -> None:
    found = parser(tmp_path / "x.cfg", "size = 1", "[table]", "host:80 = a", "b : c:80")
    assert found.rows("table", lambda name, text: (name, text)) == [("host:80", "a"), ("b", "c:80")]
    assert found.rows("none", lambda name, text: (name, text)) == []
    with pytest.raises(InvalidSetting, match=rf"^{tmp_path}/x\.cfg: \[table\] host:80: invalid literal"):
        found.rows("table", lambda name, text: int(name + text))
