from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.signers import DATA, KEY_ID, OTHER, PUBLIC, signing_key
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, InvalidDocument, Mismatch, NotFound, UsageError
from toolkit.mirror.records.chain import Tip
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.receiptfile import newest_in, read_receipt, write_receipt

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
RECEIPT = Receipt("plant-7", NOON, "j.doe", (1, 7), {"a:1": Digest.of(b"a")}, Tip(3, Digest.of(b"3")))


def test_a_receipt_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = write_receipt(tmp_path, RECEIPT)
    assert path.name == "plant-7_0007.receipt.json"
    assert read_receipt(path) == RECEIPT
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, path.name + ".sha256"]


def test_of_a_folder_the_newest_is_the_one_of_the_highest_set(tmp_path: Path) -> None:
    for sets in ((1,), (1, 10_000), (1, 9_999)):
        write_receipt(tmp_path, replace(RECEIPT, sets=sets))
    (tmp_path / "plant-7_10001.receipt.json.part").touch()
    assert newest_in(tmp_path) == tmp_path / "plant-7_10000.receipt.json"
    write_receipt(tmp_path, replace(RECEIPT, site="plant-8"))
    with pytest.raises(UsageError, match="has receipts of 2 sites, plant-7, plant-8; say which: --site NAME"):
        newest_in(tmp_path)
    for site in ("plant-10", "plant-9"):
        write_receipt(tmp_path, replace(RECEIPT, site=site))
    with pytest.raises(
        UsageError, match="has receipts of 4 sites, plant-10, plant-7, plant-8 and 1 more; say"
    ):
        newest_in(tmp_path)
    assert newest_in(tmp_path, "plant-8").name == "plant-8_0007.receipt.json"
    with pytest.raises(NotFound, match="has no receipt of plant-11 in it"):
        newest_in(tmp_path, "plant-11")


def test_a_signed_one_is_taken_with_its_key(tmp_path: Path) -> None:
    path = write_receipt(tmp_path, RECEIPT, signing_key())
    assert read_receipt(path, [OTHER, PUBLIC]) == RECEIPT


def test_what_is_beside_it_is_checked_by_coreutils_and_minisign(tmp_path: Path) -> None:
    path = write_receipt(tmp_path, RECEIPT, signing_key())
    sums = path.name + ".sha256"
    subprocess.run(["sha256sum", "--quiet", "-c", sums], cwd=tmp_path, check=True)
    if shutil.which("minisign") is None:
        pytest.skip("needs minisign")
    subprocess.run(["minisign", "-q", "-V", "-p", DATA / "plain.pub", "-m", sums], cwd=tmp_path, check=True)


def test_one_that_was_edited_is_refused_signed_or_not(tmp_path: Path) -> None:
    for key, keys in ((None, []), (signing_key(), [PUBLIC])):
        path = write_receipt(tmp_path, RECEIPT, key)
        path.write_bytes(path.read_bytes().replace(b"j.doe", b"x.doe"))
        with pytest.raises(
            Mismatch, match=r"sha256 is .*, expected .*; the receipt was changed after it was made"
        ):
            read_receipt(path, keys)


def test_one_whose_checksum_was_edited_with_it_needs_a_key_to_be_refused(tmp_path: Path) -> None:
    path = write_receipt(tmp_path, RECEIPT, signing_key())
    forged = bytes(replace(RECEIPT, operator="x.doe"))
    path.write_bytes(forged)
    path.with_name(path.name + ".sha256").write_text(f"{Digest.of(forged).hex}  {path.name}\n")
    assert read_receipt(path).operator == "x.doe"
    with pytest.raises(CorruptContent, match=f"is not what was signed by key {KEY_ID}"):
        read_receipt(path, [PUBLIC])


def test_one_signed_by_another_key_is_refused(tmp_path: Path) -> None:
    path = write_receipt(tmp_path, RECEIPT, signing_key())
    with pytest.raises(
        Mismatch, match=f"key ID is {KEY_ID}, expected {OTHER.key_id}; somebody else signed it"
    ):
        read_receipt(path, [OTHER])


def test_one_that_is_not_signed_is_refused_where_a_signature_is_asked_for(tmp_path: Path) -> None:
    path = write_receipt(tmp_path, RECEIPT)
    with pytest.raises(
        CorruptContent, match=f"has no .*minisig beside it; expected a signature by key {KEY_ID}"
    ):
        read_receipt(path, [PUBLIC])


def test_one_made_again_without_a_key_leaves_no_signature_of_the_other(tmp_path: Path) -> None:
    write_receipt(tmp_path, RECEIPT, signing_key())
    path = write_receipt(tmp_path, replace(RECEIPT, operator="a.n.other"))
    assert read_receipt(path).operator == "a.n.other"
    assert not path.with_name(path.name + ".sha256.minisig").exists()


def test_one_without_its_checksum_or_renamed_is_refused(tmp_path: Path) -> None:
    path = write_receipt(tmp_path, RECEIPT)
    renamed = tmp_path / "renamed.json"
    renamed.write_bytes(path.read_bytes())
    with pytest.raises(CorruptContent, match=r"has no renamed\.json\.sha256 beside it; carry both"):
        read_receipt(renamed)
    shutil.copy(path.with_name(path.name + ".sha256"), tmp_path / "renamed.json.sha256")
    with pytest.raises(CorruptContent, match=r"speaks of plant-7_0007\.receipt\.json, not of renamed\.json"):
        read_receipt(renamed)
    with pytest.raises(NotFound):
        read_receipt(tmp_path / "none.json")


def test_a_file_that_is_none_is_refused_whatever_vouches_for_it(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(b"[]")
    path.with_name("r.json.sha256").write_text(f"{Digest.of(b'[]').hex}  r.json\n")
    with pytest.raises(InvalidDocument, match="is a JSON array, expected an object"):
        read_receipt(path)
