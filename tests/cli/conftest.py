"""The command, run in this process, in a folder and a home of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.signers import DATA, TEXT
from toolkit.cli import main

SAMPLE = "sample:"
IMAGE = "ubuntu:14.04"


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.err.splitlines()[-1] if self.err else ""

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was told to machines while it worked: every line parses alone."""
        return [json.loads(line) for line in self.err.splitlines()]

    @property
    def sentence(self) -> str:
        """Why it failed, whichever way it was told."""
        return (
            str(self.events[-1]["sentence"])
            if self.last.startswith("{")
            else self.last.removeprefix("error: ")
        )


Lading = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder settings call home; the working folder is the one above it, and has no luigi.cfg."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LADING_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    return tmp_path / "home"


@pytest.fixture
def lading(home: Path, capsys: pytest.CaptureFixture[str]) -> Lading:
    """`lading("ls", PLACE)` runs the command."""
    del home

    def run(*argv: str) -> Ran:
        capsys.readouterr()
        code = main(argv)
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def bundle(lading: Lading, tmp_path: Path) -> Path:
    """A universal bundle of the sample's image."""
    path = tmp_path / "bundle.tar"
    assert lading("export", IMAGE, "--from", SAMPLE, "-o", str(path)).code == 0
    return path


@pytest.fixture
def required(tmp_path: Path, home: Path) -> Path:
    """The working folder, where a signature by one of two keys is required; no store is there yet."""
    del home
    (tmp_path / "luigi.cfg").write_text(f"[lading]\nrequire_signature = {DATA / 'locked.pub'}, {TEXT}\n")
    return tmp_path
