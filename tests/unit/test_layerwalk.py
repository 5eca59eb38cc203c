from __future__ import annotations

import gzip
import io
import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.layers import device, file, folder, hard_link, layer, symlink
from tests.unit.test_tarsum import tarsum
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Spoiled, StoreError
from toolkit.image import Layer
from toolkit.operations.layerguard import STOPPED
from toolkit.operations.layerwalk import LayerWalk
from toolkit.plumbing.layerlook import LayerLook
from toolkit.plumbing.streams import Stream
from toolkit.plumbing.tarsum import Label, TarSum
from toolkit.plumbing.unpacking import unpacked

ODD = layer(
    folder("etc"), file("etc/passwd", b"root"), file("etc/passwd"), symlink("sh", "dash"), file(".wh.x", b"x"),
    file("../up"), hard_link("h", "nowhere"), device("null", 1, 3), file("su", b"\x7fELF" + bytes(2000), mode=0o4755),
    file("n" * 300, b"long"), file("empty", b""),
)  # fmt: skip
CUT = ODD[: len(ODD) // 2]
BROKEN = ODD.replace(b"root\0", b"root!", 1)[:1536] + b"\1" + ODD[1537:]
TARS = (ODD, CUT, BROKEN, ODD + b"behind the end", b"", bytes(512), b"no tar at all" * 99)


def walked(tar: bytes, sizes: list[int] | None = None, *, look: bool = True) -> LayerWalk:
    blocks = iter([tar]) if sizes is None else pieces(tar, sizes)
    sums = [TarSum(Label(".v1", "sha256", ""))]
    return LayerWalk("layer a", LayerLook("layer a") if look else None, sums).run(blocks)


def pieces(content: bytes, sizes: list[int]) -> Iterator[bytes]:
    stream, steps = io.BytesIO(content), itertools.cycle(sizes)
    return iter(lambda: stream.read(next(steps)), b"")


def verdict(walk: LayerWalk) -> tuple[object, ...]:
    return walk.findings(), walk.sizes, [each.labels() for each in walk.sums]


@pytest.mark.property
@given(tar=st.sampled_from(TARS), sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=9))
def test_the_verdict_does_not_depend_on_chunking(tar: bytes, sizes: list[int]) -> None:
    assert verdict(walked(tar, sizes)) == verdict(walked(tar))


@pytest.mark.property
@given(
    tar=st.sampled_from(TARS),
    pack=st.sampled_from((gzip.compress, bytes)),
    sizes=st.lists(st.integers(1, 999), min_size=1, max_size=9),
)
def test_nor_does_that_of_a_blob(tar: bytes, pack: type[bytes], sizes: list[int]) -> None:
    blob = pack(tar)
    known = Layer("a", len(blob), Digest.of(blob), Digest.of(tar))
    walk = LayerWalk("layer a", LayerLook("layer a"))
    proof, _ = unpacked(Stream(len(blob), pieces(blob, sizes), "a"), known, walk.run)
    assert (proof.digest, proof.diff_id) == (known.digest, known.diff_id)
    assert verdict(walk) == (*verdict(walked(tar))[:2], [])


def test_one_walk_tells_everything() -> None:
    walk = walked(ODD)
    assert [finding.check for finding in walk.findings()] == [
        "escape", "duplicate", "name", "whiteout", "setuid", "device",
    ]  # fmt: skip
    assert [each.labels() for each in walk.sums] == [tarsum(ODD).labels()]
    assert walk.sizes == {"S3": 4 + 7 + 4 + 1 + 7 + 2004 + 4, "S5": 4 + 7 + 1 + 7 + 2004 + 4}


@pytest.mark.parametrize(
    ("tar", "problem"),
    [
        (CUT, "the archive ends too early"),
        (BROKEN, "its checksum is wrong"),
        (b"no tar at all" * 99, "this is not a tar archive"),
    ],
)
def test_where_the_tar_breaks_off_the_walk_ends_and_says_so(tar: bytes, problem: str) -> None:
    walk = walked(tar)
    (broken, *others) = walk.findings()
    assert problem in broken.problem
    assert (broken.severity, broken.exit_code) == ("error", 5)
    assert broken.advice.endswith(STOPPED)
    assert (walk.sizes, walk.sums) == (None, ())
    assert ("duplicate" in [each.check for each in others]) == (tar is CUT)


@pytest.mark.parametrize(
    "error", [StoreError("disk", "fails"), CorruptContent("gzip", "is cut"), Spoiled("x", "y")]
)
def test_what_the_bytes_fail_with_is_not_said_of_the_tar(error: Exception) -> None:
    def blocks() -> Iterator[bytes]:
        yield ODD[:700]
        raise error

    with pytest.raises(type(error)) as raised:
        LayerWalk("layer a", LayerLook("layer a")).run(blocks())
    assert raised.value is error


@pytest.mark.parametrize(
    ("tar", "severity", "problem"),
    [
        (ODD + bytes(512) + b"x", "warning", "bytes after its end that are not all zero"),
        (layer(file("a"))[:1024], "note", "the end of its tar is missing"),
        (layer(file("a"))[:1536], "note", "the end of its tar is single"),
        (b"", "note", "the end of its tar is missing"),
    ],
)
def test_an_odd_end_is_told(tar: bytes, severity: str, problem: str) -> None:
    found = [finding for finding in walked(tar).findings() if finding.check == "structure"]
    assert [finding.severity for finding in found] == [severity]
    assert problem in found[0].problem


def test_padding_behind_the_end_is_no_odd_end() -> None:
    assert not [finding for finding in walked(bytes(10240)).findings() if finding.check == "structure"]


def test_without_a_look_inside_only_a_broken_tar_is_told() -> None:
    assert walked(ODD + b"behind the end", look=False).findings() == []
    assert len(walked(CUT, look=False).findings()) == 1
