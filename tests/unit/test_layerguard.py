from __future__ import annotations

import pytest

from tests.layers import file, layer
from toolkit.operations.layerguard import STOPPED, Guard

UNSAFE = layer(file("a"), file("../b"), file("../c"), file("d", b"x" * 3000))


@pytest.mark.parametrize("size", [1, 511, 512, 1 << 20])
@pytest.mark.parametrize("tar", [layer(file("a"), file("b")), UNSAFE, b"no tar", b""])
def test_every_block_passes_as_it_is(tar: bytes, size: int) -> None:
    blocks = [tar[at : at + size] for at in range(0, len(tar), size)]
    assert list(Guard("layer x").watched(iter(blocks))) == blocks


def test_what_would_trick_an_engine_is_told_once_and_nothing_is_stopped() -> None:
    guard = Guard("layer x")
    assert b"".join(map(bytes, guard.watched(iter([UNSAFE[:700], UNSAFE[700:]])))) == UNSAFE
    (finding,) = guard.findings()
    assert (finding.subject, finding.severity, finding.exit_code) == ("layer x: ../b", "error", 6)
    assert (finding.check, finding.advice) == ("unsafe", STOPPED)


def test_what_is_odd_and_no_danger_is_a_warning() -> None:
    guard = Guard("layer x")
    list(guard.watched(iter([b"this is no tar".ljust(1024)])))
    (finding,) = guard.findings()
    assert (finding.subject, finding.severity, finding.check) == ("layer x", "warning", "structure")
