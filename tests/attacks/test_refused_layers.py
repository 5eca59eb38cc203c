"""Layers that an engine refuses are told of by verify whatever its depth that reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import EMPTY, ONE, TWO, image, layout, written
from toolkit.bundles import create_bundle, open_bundle
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify

BLOCK = 512
HELD = ONE.rstrip(b"\0") + bytes(-len(ONE.rstrip(b"\0")) % BLOCK)  # its entry, without an end


@pytest.mark.parametrize("tar", [bytes(BLOCK) + ONE, HELD + bytes(BLOCK) + TWO])
@pytest.mark.parametrize("depth", ["full", "deep"])
def test_one_zero_block_with_more_after_it_is_told(tmp_path: Path, tar: bytes, depth: str) -> None:
    """Podman 4.3.1 and containerd 1.6.20: archive/tar: invalid tar header."""
    path = written(tmp_path / "x.tar", layout(("a:1", image(tar))))
    found = verify(open_bundle(path), depth=depth).findings
    assert any("one zero block" in each.problem and each.severity != "note" for each in found)
    assert not verify(open_bundle(path), depth=depth, strict=True).ok


def test_it_is_told_where_it_is_carried_too(tmp_path: Path) -> None:
    path = written(tmp_path / "x.tar", layout(("a:1", image(bytes(BLOCK) + ONE))))
    (proven,) = copy(open_bundle(path), create_bundle(tmp_path / "y.tar"), ["a:1"])
    assert any("one zero block" in each.problem for each in proven.findings)


@pytest.mark.parametrize(
    "tar", [ONE, EMPTY, HELD + bytes(BLOCK), HELD, HELD + bytes(2 * BLOCK) + b"x" * BLOCK]
)
def test_other_ends_are_no_reason_to_refuse_a_layer(tmp_path: Path, tar: bytes) -> None:
    report = verify(open_bundle(written(tmp_path / "x.tar", layout(("a:1", image(tar))))))
    assert report.findings == ()


def test_a_history_without_any_layer_of_its_own_is_taken_by_engines_and_here(tmp_path: Path) -> None:
    """Podman 4.3.1 and containerd 1.6.20 unpack it; Docker refuses more items than layers, not fewer."""
    path = written(tmp_path / "x.tar", layout(("a:1", image(ONE, history=[{"empty_layer": True}] * 2))))
    assert verify(open_bundle(path), strict=True).findings == ()
