"""Each case in a folder and a home of its own, and what came of it told to the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archives import Members, written

from .judging import Judge, Judged, judged

Tell = Callable[[object], None]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, whose settings are the defaults."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LADING_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    return tmp_path


@pytest.fixture
def ours(record_property: Callable[[str, object], None]) -> Tell:
    """Tell the table what we make of the case."""
    return lambda what: record_property("ours", str(what))


@pytest.fixture
def judge(here: Path, ours: Tell, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """`judge(PATH)`, or `judge(members)`: what `verify` and `import` make of an archive."""

    def of(what: Path | Members, *flags: str) -> Judged:
        path = what if isinstance(what, Path) else written(here / "a.tar", what)
        found = judged(path, tmp_path_factory.mktemp("judged"), *flags)
        ours(str(found).replace(f" of {path}", "").replace(f"{path}: ", "").replace(str(path), path.name))
        return found

    return of
