from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from toolkit.digest import Digest
from toolkit.errors import Mismatch
from toolkit.mirror.oldsets import files_of, fingerprint, old_sets, remove
from toolkit.mirror.records.baseline import FULL
from toolkit.mirror.records.blob import Blob
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.setrecord import BUILDING, LOST, SENT, SetRecord, VolumeSum

NOW = dt.datetime(2026, 11, 27, 2, tzinfo=dt.UTC)
NEEDED = (Blob(Digest("sha256", "a" * 64), 7),)


def set_(number: int, status: str = SENT, requires: Sequence[Blob] = NEEDED, size: int = 3) -> SetRecord:
    increment = Increment("plant-7", number, NOW.date(), FULL, (), (), tuple(requires))
    volumes = tuple(
        VolumeSum(f"{increment.name}.{part}of2.tar", size, hashlib.sha256(b"x" * size).hexdigest())
        for part in (1, 2)
    )
    return SetRecord(increment, status, volumes)


def receipt(*sets: int) -> Receipt:
    return Receipt("plant-7", NOW, "", sets, {}, Tip())


def numbers(records: Sequence[SetRecord], there: Receipt | None, keep: int) -> tuple[list[str], list[str]]:
    old, notes = old_sets(records, there, keep)
    return [each.name[-1] for each in old], [note.subject[-1] for note in notes]


SETS = [set_(number) for number in (1, 2, 3, 4)]


def test_of_old_sets_those_go_that_a_receipt_names_and_the_others_are_told() -> None:
    assert numbers(SETS, receipt(1, 3, 4), 1) == (["1", "3"], ["2"])
    assert numbers(SETS, receipt(1, 2, 3, 4), 3) == (["1"], [])
    assert numbers(SETS, None, 2) == ([], ["1", "2"])


def test_where_nothing_is_said_all_stay() -> None:
    assert numbers(SETS, receipt(1, 2, 3, 4), 0) == ([], [])


def test_what_is_before_a_set_that_requires_nothing_is_superseded() -> None:
    sets = [set_(1), set_(2, requires=()), set_(3), set_(4)]
    assert numbers(sets, None, 1) == (["1"], ["2", "3"])
    assert old_sets(sets, None, 1)[0][0].why == "superseded by plant-7_0002, which requires nothing"


def test_what_was_given_up_goes_and_does_not_count() -> None:
    sets = [set_(1, LOST), set_(2), set_(3, LOST), set_(4, BUILDING)]
    assert numbers(sets, None, 1) == (["1", "3"], [])


def test_a_whole_set_that_was_lost_supersedes_nothing() -> None:
    assert numbers([set_(1), set_(2, LOST, ()), set_(3)], None, 1) == (["2"], ["1"])


def test_its_digest_is_that_of_the_list_that_sha256sum_checks() -> None:
    record = set_(1)
    lines = "".join(f"{volume.sha256}  {volume.name}\n" for volume in record.volumes)
    assert fingerprint(record).hex == hashlib.sha256(lines.encode()).hexdigest()


@pytest.fixture
def media(tmp_path: Path) -> Path:
    for name in ("1of2.tar", "2of2.tar", "sha256", "sha256.minisig", "3of3.tar", "html"):
        (tmp_path / f"plant-7_0001.{name}").write_bytes(b"xxx")
    (tmp_path / "plant-7_0002.1of2.tar").write_bytes(b"xxx")
    return tmp_path


def test_the_files_of_a_set_go_and_no_other(media: Path) -> None:
    assert remove(set_(1), media) == 12
    assert sorted(path.name for path in media.iterdir()) == [
        "plant-7_0001.3of3.tar", "plant-7_0001.html", "plant-7_0002.1of2.tar"
    ]  # fmt: skip
    assert remove(set_(1), media) == 0


def test_a_file_that_was_written_over_is_not_removed(media: Path) -> None:
    (media / "plant-7_0001.2of2.tar").write_bytes(b"another")
    with pytest.raises(Mismatch, match="size is 7, expected 3"):
        remove(set_(1), media)
    assert (media / "plant-7_0001.1of2.tar").exists()


def test_a_link_or_folder_is_no_volume(media: Path) -> None:
    (media / "plant-7_0001.1of2.tar").unlink()
    (media / "plant-7_0001.1of2.tar").symlink_to(media / "plant-7_0002.1of2.tar")
    (media / "plant-7_0001.2of2.tar").unlink()
    (media / "plant-7_0001.2of2.tar").mkdir()
    assert [path.name for path in files_of(set_(1), media)] == [
        "plant-7_0001.sha256",
        "plant-7_0001.sha256.minisig",
    ]
    assert list(files_of(set_(1), media / "none")) == []
