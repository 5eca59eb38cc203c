"""--docker-compatible, on every command that reads v1 jsons."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Lading
from tests.eras import IMAGE_IDS, LOSSY_IDS, saved_by

FULL, LOSSY = IMAGE_IDS["1.0.1"][0], LOSSY_IDS["1.0.1"][0]
COMMAND = "/bin/sh -c #(nop) CMD [/bin/sh]"
FLAG = "--docker-compatible"


@pytest.fixture
def saved(tmp_path: Path) -> str:
    (tmp_path / "saved.tar").write_bytes(saved_by("1.0.1"))
    return str(tmp_path / "saved.tar")


@pytest.fixture
def readable(tmp_path: Path) -> str:
    """An archive that Docker can read too."""
    (tmp_path / "readable.tar").write_bytes(saved_by("1.0.1", comment="no number"))
    return str(tmp_path / "readable.tar")


@pytest.mark.parametrize("verb", ["import", "verify", "export"])
def test_the_image_is_the_full_one_or_with_the_flag_the_one_that_docker_has(
    lading: Lading, saved: str, readable: str, verb: str
) -> None:
    for place, flags, expected in ((saved, [], FULL), (readable, [FLAG], LOSSY)):
        words = ["app:1", "--from", place, "-o", f"{place}.new"] if verb == "export" else [place, "app:1"]
        ran = lading(verb, *words, *flags, "--json")
        (image,) = ran.json["images"]
        assert (ran.code, [each["image_id"] for each in image["platforms"]]) == (0, [expected])


def test_history_and_inspect_tell_the_same(lading: Lading, readable: str) -> None:
    for flags, command, fate in (([], COMMAND, "kept, and"), ([FLAG], "", "left out, as")):
        told = lading("history", readable, "app:1", *flags, "--json").json["history"]
        shown = lading("inspect", readable, "app:1", *flags, "--json").json["images"][0]
        assert (told[0]["created_by"], told) == (command, shown["history"][::-1])
        finding = shown["findings"][0]
        assert f"ContainerConfig and DockerVersion are {fate} Docker loses them" in finding["problem"]


def test_a_camelcase_archive_says_so(lading: Lading, saved: str) -> None:
    ran = lading("import", saved)
    assert ran.code == 0
    assert "note: image 2c2c2c2c2c2c: 3 of its 3 v1 jsons are in the CamelCase" in ran.err
    assert "note: image 2c2c2c2c2c2c: Comment of a v1 json is no text" in ran.err
    assert lading("import", saved, "--strict").code == 0


def test_the_flag_refuses_what_docker_refuses(lading: Lading, saved: str) -> None:
    ran = lading("import", saved, "app:1", FLAG)
    sentence = "Comment is 2014, no text, so Docker cannot read it"
    advice = "leave out --docker-compatible, and it is read as the text it was"
    assert (ran.code, ran.out) == (5, "")
    assert ran.last.endswith(f"{sentence}; {advice}")


def test_the_flag_changes_nothing_elsewhere(lading: Lading, bundle: Path) -> None:
    assert lading("verify", str(bundle), FLAG).out == lading("verify", str(bundle)).out
