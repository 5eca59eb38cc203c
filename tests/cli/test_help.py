"""The help of every command is a golden file; `python -m tests.cli.make_golden` writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Lading
from tests.cli.make_golden import GOLDEN, PAGES
from toolkit.bundles import FORMATS
from toolkit.place import AUTO, SCHEMES


@pytest.mark.parametrize("name", PAGES)
def test_the_help_of_a_command_is_its_golden_file(lading: Lading, name: str) -> None:
    ran = lading(*PAGES[name], "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("argv", [("--help",), ("-h",), ()])
def test_the_help_of_lading_is_its_golden_file(lading: Lading, argv: tuple[str, ...]) -> None:
    ran = lading(*argv)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (GOLDEN / "lading.txt").read_text(encoding="utf-8")


def test_every_golden_file_belongs_to_a_command() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(PAGES)


def test_help_offers_exactly_the_formats_that_can_be_written(lading: Lading) -> None:
    written = [row.name for row in FORMATS]
    assert f"--format [{'|'.join(written)}]" in lading("export", "--help").out


def test_help_names_every_kind_of_place_that_can_be_read(lading: Lading) -> None:
    text = " ".join(lading("--help").out.split())
    for scheme in SCHEMES - {AUTO, ""}:
        assert f"{scheme}:" in text


EN_DASH = "\N{EN DASH}"


def test_the_readme_tells_each_format_and_who_loads_it() -> None:
    rows = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").splitlines()
    for row in FORMATS:
        (line,) = (each for each in rows if each.startswith(f"| `{row.name}`") and "|---" not in each)
        assert line.endswith(f"| {row.serves.replace('-', EN_DASH)} |")
