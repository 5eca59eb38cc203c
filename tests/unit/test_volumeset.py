"""What is known of a set before a byte of a slice is read."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.sets import NAME, flip, made_set, told
from toolkit.limits import MIB
from toolkit.mirror.media.searching import find_sets
from toolkit.mirror.media.volumeset import HEALS, VolumeSet


def found(folder: Path) -> VolumeSet:
    [volumes] = find_sets([folder])
    return volumes


def test_a_whole_set_has_no_problems_and_tells_its_facts(tmp_path: Path) -> None:
    made = made_set(tmp_path, parity=True)
    volumes = found(tmp_path)
    assert volumes.problems() == []
    assert sorted(volumes.files) == list(range(len(made.files)))
    assert volumes.checksums is not None
    assert volumes.checksums.sums == {file.path.name: file.sha256 for file in made.files}
    assert volumes.claimed_map().files == made.cargo.files
    assert {blob for one in volumes.claimed_headers() for blob in one.blobs} == set(made.cargo.blobs)


def test_a_damaged_slice_is_no_problem_of_its_header(tmp_path: Path) -> None:
    made = made_set(tmp_path)
    flip(made.path(1), 100_000)
    assert found(tmp_path).problems() == []


def test_one_missing_volume_is_a_warning_with_parity_and_two_are_errors(tmp_path: Path) -> None:
    made = made_set(tmp_path, 1 * MIB, parity=True)
    made.path(2).unlink()
    [finding] = found(tmp_path).problems()
    assert (finding.severity, finding.advice) == ("warning", HEALS)
    made.path(3).unlink()
    assert [finding.severity for finding in found(tmp_path).problems()] == ["error", "error"]


def test_a_lost_parity_volume_is_a_warning(tmp_path: Path) -> None:
    made = made_set(tmp_path, parity=True)
    made.path(0).unlink()
    volumes = found(tmp_path)
    assert told(volumes.problems(), "warning") == [
        f"set {NAME}: lacks its parity volume: no damage can be healed"
    ]
    assert volumes.claimed_parity() is None


def test_a_file_whose_header_is_damaged_is_told_and_known_by_its_name_where_there_is_parity(
    tmp_path: Path,
) -> None:
    made = made_set(tmp_path, parity=True)
    flip(made.path(1), 3)
    volumes = found(tmp_path)
    assert volumes.missing() == []
    [warning] = told(volumes.problems(), "warning")
    assert warning.startswith(f"{made.path(1)}: cannot be read as a volume")
    made.path(0).unlink()
    volumes = found(tmp_path)
    assert volumes.missing() == [1]
    assert len(told(volumes.problems())) == 2


def test_a_volume_of_a_run_with_other_blobs_is_passed_over_where_the_right_one_is_there(
    tmp_path: Path,
) -> None:
    made = made_set(tmp_path / "a", 1 * MIB, [2_500_000])
    other = made_set(tmp_path / "b", 1 * MIB, [2_500_000])
    shutil.copy(other.path(2), tmp_path / "a" / "0.tar")
    checked = made.checked()
    wrong = f"{tmp_path / 'a' / '0.tar'}: sha256 is {other.files[1].sha256}, expected {made.files[1].sha256}"
    assert [told(checked.errors), told(checked.findings, "warning")] == [[], [wrong]]
    made.path(2).unlink()
    assert told(made.checked().errors) == [wrong]
