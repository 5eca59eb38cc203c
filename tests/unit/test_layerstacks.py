from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archives import image, layout, sha256, written
from tests.layers import file, folder, hard_link, layer
from toolkit.bundles import open_bundle
from toolkit.image import Finding
from toolkit.operations.layerstacks import UNKNOWN
from toolkit.operations.verify import verify
from toolkit.plumbing import pathtable

AMD64 = bytes.fromhex("7f454c46020101000000000000000000" + "03003e00" + "00" * 44)
ARM64 = bytes.fromhex("7f454c46020101000000000000000000" + "0300b700" + "00" * 44)
X32 = bytes.fromhex("7f454c46010101000000000000000000" + "03003e00" + "00" * 44)
Told = Callable[..., list[Finding]]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """What is told of an image of these layers that was looked into."""

    def run(*layers: bytes, architecture: str = "amd64") -> list[Finding]:
        picture = image(*layers, architecture=architecture)
        path = written(tmp_path / "in.tar", layout(("app:1", picture)))
        assert verify(open_bundle(path)).findings == ()
        return list(verify(open_bundle(path), depth="deep").findings)

    return run


def test_a_whiteout_of_what_a_lower_layer_has_is_fine(told: Told) -> None:
    assert told(layer(file("d/a")), layer(file("b")), layer(file(".wh.d", b""))) == []
    assert told(layer(file("d/a")), layer(file("d/.wh.a", b""))) == []


def test_a_whiteout_of_nothing_below_is_a_note(told: Told) -> None:
    tars = layer(file("a")), layer(file(".wh.b", b""), file(".wh.c", b""), file(".wh.a", b""))
    (finding,) = told(*tars)
    assert (finding.subject, finding.severity, finding.check) == (
        f"layer {sha256(tars[1])}",
        "note",
        "idle-whiteout",
    )
    assert finding.problem == "has whiteouts of what no layer below has: b and 1 more"
    assert [each.severity for each in told(tars[1], tars[0])] == ["note"]


def test_a_hard_link_into_a_lower_layer_is_a_warning(told: Told) -> None:
    (finding,) = told(layer(file("a")), layer(hard_link("b", "./a")))
    assert (finding.severity, finding.check) == ("warning", "hard-link")
    assert finding.problem == "has hard links to what only a lower layer has: a"


@pytest.mark.parametrize("above", [layer(hard_link("b", "c")), layer(hard_link("b", "c"), file("c"))])
def test_a_hard_link_to_nothing_before_it_is_an_error(told: Told, above: bytes) -> None:
    (finding,) = told(layer(file("a")), above)
    assert (finding.severity, finding.exit_code, finding.check) == ("error", 5, "hard-link")
    assert finding.problem == "has hard links to what stands nowhere before them: c"


def test_one_layer_in_two_images_is_held_against_what_lies_below_in_each(tmp_path: Path) -> None:
    above, below, other = layer(file(".wh.a", b"")), layer(file("a")), layer(file("b"))
    pictures = ("app:1", image(below, above)), ("app:2", image(other, above))
    path = written(tmp_path / "in.tar", layout(*pictures))
    assert [each.check for each in verify(open_bundle(path), ["app:1"], depth="deep").findings] == []
    assert [each.check for each in verify(open_bundle(path), depth="deep").findings] == ["idle-whiteout"]


def test_where_there_are_too_many_paths_nothing_is_said_of_them(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pathtable.Room.__init__, "__defaults__", (1,))
    (finding,) = told(layer(file("a"), file("b")), layer(hard_link("x", "y")))
    assert (finding.severity, finding.problem) == ("note", UNKNOWN)
    assert told(layer(file("a"), file("b")), layer(file("c"))) == []


def test_programs_for_another_machine_are_a_warning(told: Told) -> None:
    tar = layer(file("bin/a", ARM64), file("bin/b", ARM64), file("lib/c", AMD64))
    (finding,) = told(tar, architecture="amd64")
    assert (finding.severity, finding.check) == ("warning", "elf")
    assert (finding.fact, finding.expected, finding.found) == ("architecture", "amd64", "arm64")
    assert "2 of 3 programs and libraries in it run on arm64" in finding.problem
    assert told(tar, architecture="arm64") == []


def test_a_few_programs_for_another_machine_are_nothing_to_tell(told: Told) -> None:
    assert told(layer(file("a", AMD64), file("b", AMD64)), layer(file("c", ARM64), file("d", ARM64))) == []
    assert told(layer(folder("bin"), file("bin/sh", b"#!/bin/sh\n"))) == []


def test_another_name_of_the_architecture_is_the_same(told: Told) -> None:
    assert told(layer(file("a", ARM64)), architecture="aarch64") == []
    assert told(layer(file("a", AMD64)), architecture="") == []


def test_an_abi_that_only_libmagic_has_a_name_for_is_told(told: Told) -> None:
    found = told(layer(file("a", X32)), architecture="arm64")
    assert [each.check for each in found] == ["elf"]
