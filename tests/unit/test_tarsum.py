"""The sums are those of Docker's own Go package: tests/data/README.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.layers import SOME_TIME, file, folder, layer
from toolkit.plumbing.tarball import Entries, StreamReader
from toolkit.plumbing.tarsum import Label, TarSum

VECTORS = Path(__file__).parents[1] / "data/vectors"
JSON = b'{"id":"x"}'
SUMS = [
    (1, "", b"", "7fd1920159862938b63541a070bedf265cbc271ee26cc02fee321b80d896d533"),
    (1, "", JSON, "2c09b038c39efddd9885fc65a8e3f8efb10e5828080425a54e9493c138964c32"),
    (1, ".v1", b"", "fa205ef98c66910b5d84a52e5b681a169cd6abf19920225be54278d5fd484f5e"),
    (1, ".v1", JSON, "7442b2416fd24679afd613570c1d0ed2257bbfeedbc879d0cb7000d263087e12"),
    (1, ".dev", b"", "fa205ef98c66910b5d84a52e5b681a169cd6abf19920225be54278d5fd484f5e"),
    (2, "", b"", "bdc2c0ea12427ba020fa46d89bee76c370c0c5d12858cf0c57a695b3e0858e45"),
    (2, "", JSON, "3a0e0897b3876de7220ca959edc33c42b50cc40341273550661be32def5e53ab"),
    (2, ".v1", b"", "990ce6509862cc189d4fbe9b0541bd17f7839f6930304f392290e8f06e16bfd8"),
    (2, ".v1", JSON, "8d62c997c24a733d5bb00d361c6bc877463eb51177ff275c318f07dc9c4618eb"),
    (3, "", b"", "48c0a236479b3e277e996239557ffae31783d08a2c25dd4506f749319acfcfad"),
    (3, ".v1", b"", "6f855e57fda23734ad29fe255c35ae5a1435413e97dd737d5f927ea38209f844"),
]
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def tarsum(tar: bytes, version: str = ".v1", algorithm: str = "sha256") -> TarSum:
    found = TarSum(Label(version, algorithm, ""))
    entries = Entries(StreamReader(iter([tar])), "layer", allow_sparse=True)
    for entry in entries:
        hash_ = found.begun(entry)
        for block in entries.body():
            hash_.update(block)
        found.add(entry, hash_.digest())
    return found


@pytest.mark.parametrize(("vector", "version", "extra", "hex_"), SUMS)
def test_it_is_the_sum_that_docker_gives(vector: int, version: str, extra: bytes, hex_: str) -> None:
    found = tarsum((VECTORS / f"tarsum-v{vector}.tar").read_bytes(), version)
    assert Label(version, "sha256", hex_) in found.labels(extra)


def test_where_no_path_stands_twice_there_is_one_sum() -> None:
    for vector, count in ((1, 1), (2, 1), (3, 3)):
        assert len(tarsum((VECTORS / f"tarsum-v{vector}.tar").read_bytes()).labels()) == count


def test_of_no_entries_it_is_the_digest_of_nothing() -> None:
    assert [label.hex for label in tarsum(bytes(1024), "").labels()] == [NOTHING]


def test_the_order_of_entries_does_not_count_and_since_v1_times_do_not() -> None:
    one, other = file("a", b"1"), file("b", b"2", mtime=SOME_TIME + 1)
    later = [file("a", b"1", mtime=9), file("b", b"2")]
    assert tarsum(layer(one, other)).labels() == tarsum(layer(other, one)).labels()
    assert tarsum(layer(one, other)).labels() == tarsum(layer(*later)).labels()
    assert tarsum(layer(one, other), "").labels() != tarsum(layer(*later), "").labels()


def test_contents_and_modes_count() -> None:
    sums = [
        tarsum(layer(each)).labels()[0]
        for each in (file("a", b"1"), file("a", b"2"), file("a", b"1", mode=0o755), file("b", b"1"))
    ]
    assert len(set(sums)) == 4


def test_where_a_path_stands_twice_among_many_nobody_knows_how_go_sorted() -> None:
    many = [file(f"f{number}") for number in range(20)]
    assert not tarsum(layer(*many)).depends
    assert tarsum(layer(*many, file("f3", b"again"))).depends
    assert not tarsum(layer(folder("a"), folder("./a/"))).depends


def test_a_sparse_file_was_summed_as_it_is_expanded() -> None:
    assert tarsum((VECTORS / "sparse-gnu.tar").read_bytes()).labels() == []


def test_other_hashes_have_their_length() -> None:
    (label,) = tarsum(layer(file("a")), algorithm="sha512").labels()
    assert len(label.hex) == 128


@pytest.mark.parametrize("text", [f"tarsum+sha256:{NOTHING}", f"tarsum.v1+sha512:{'0' * 128}"])
def test_a_label_parses_itself_and_prints_itself(text: str) -> None:
    assert str(Label.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"sha256:{NOTHING}",
        f"tarsum.v2+sha256:{NOTHING}",
        f"tarsum+md5:{NOTHING}",
        f"tarsum+sha512:{NOTHING}",
        f"tarsum+sha256:{NOTHING}\n",
        f"tarsum+sha256:{NOTHING.upper()}",
    ],
)
def test_other_text_is_no_label(text: str) -> None:
    assert Label.parse(text) is None
