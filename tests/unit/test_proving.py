"""One volume, hashed as a whole: what is kept of it is of the bytes that were hashed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sets import DOCUMENT, Made, flip, made_set
from toolkit.errors import CorruptContent, Mismatch
from toolkit.limits import MIB
from toolkit.mirror.media.healing import Healer
from toolkit.mirror.media.proving import is_kept, proven_file, proven_healed
from toolkit.mirror.media.setmap import SetMap
from toolkit.mirror.media.volumefile import read_header

PLACE = (512, 512 + len(DOCUMENT))  # of index.json in the stream


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return made_set(tmp_path, 1 * MIB, [2_500_000], parity=True)


def test_a_volume_that_is_listed_tells_its_header_and_its_documents(made: Made) -> None:
    [file] = made.found().files[1]
    found = proven_file(file, made.files[0].sha256)
    assert found.header == read_header(file.path)
    assert found.file == file
    assert found.parts == {PLACE: DOCUMENT}


def test_any_other_part_of_the_stream_is_kept_where_it_is_asked_for(made: Made) -> None:
    [file] = made.found().files[2]
    begin = file.header.offset
    ranges = [(begin - 1000, begin + 10), (begin + 2000, begin + 5000), (0, 10)]
    found = proven_file(file, made.files[1].sha256, ranges)
    kept = [(begin, begin + 10), (begin + 2000, begin + 5000)]
    assert found.parts == {(first, last): made.stream[first:last] for first, last in kept}


def test_one_with_another_sum_or_another_header_than_when_it_was_found_is_refused(made: Made) -> None:
    [file] = made.found().files[1]
    with pytest.raises(Mismatch, match="sha256 is"):
        proven_file(file, made.files[1].sha256)
    true = made.path(1).read_bytes()
    at = true.index(b'"sha256:') + 8
    made.path(1).write_bytes(true[:at] + (b"b" if true[at : at + 1] == b"a" else b"a") + true[at + 1 :])
    [other] = made.found().files[1]
    made.path(1).write_bytes(true)
    with pytest.raises(CorruptContent, match="was changed since it was found"):
        proven_file(other, made.files[0].sha256)


def test_a_volume_that_is_healed_is_proven_by_the_same_sum(made: Made) -> None:
    made.path(1).unlink()
    volumes = made.found()
    parity = read_header(str(made.path(0)))
    healer = Healer(SetMap.of_parity(parity, volumes.subject), parity, volumes.sources(parity))
    found = proven_healed(healer, parity.of_volume(1), made.files[0].sha256)
    assert (found.file, found.header.number, found.parts) == (None, 1, {PLACE: DOCUMENT})
    with pytest.raises(Mismatch, match="healed"):
        proven_healed(healer, parity.of_volume(1), made.files[1].sha256)
    flip(made.path(2), 50_000)
    with pytest.raises(CorruptContent, match="cannot be healed"):
        proven_healed(healer, parity.of_volume(1), made.files[0].sha256)


def test_documents_of_a_set_are_kept_and_nothing_else_that_is_called_so_or_is_too_large() -> None:
    assert is_kept("increment.json", 16 * MIB)
    assert not is_kept("increment.json", 16 * MIB + 1)
    assert not is_kept("manifest.json", 10)
