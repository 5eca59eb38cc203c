"""That the sums are those of Docker's own Go package tests/cases says: case 38."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.layers import SOME_TIME, file, folder, layer
from toolkit.plumbing.tarball import Entries, StreamReader
from toolkit.plumbing.tarsum import Label, TarSum

VECTORS = Path(__file__).parents[1] / "data/vectors"
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


def test_where_no_path_stands_twice_there_is_one_sum() -> None:
    for vector, count in ((1, 1), (2, 1), (3, 3)):
        assert len(tarsum((VECTORS / f"tarsum-v{vector}.tar").read_bytes()).labels()) == count


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
