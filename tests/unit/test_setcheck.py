"""What is told of sets with missing, swapped, truncated, damaged and foreign volumes: all of it at once."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sets import NAME, Made, content, flip, made_set, told
from toolkit.errors import CorruptContent
from toolkit.limits import MIB
from toolkit.mirror.media.searching import find_sets
from toolkit.mirror.media.setcheck import verify_set


def verified(made: Made, *others: Path, severity: str = "error") -> list[str]:
    return told(made.checked(*others).findings, severity)


@pytest.mark.parametrize("parity", [False, True])
def test_nothing_is_wrong_with_a_whole_set(tmp_path: Path, *, parity: bool) -> None:
    made = made_set(tmp_path, parity=parity)
    assert made.checked().findings == []


def test_every_missing_and_damaged_volume_is_told_at_once(tmp_path: Path) -> None:
    made = made_set(tmp_path, 1 * MIB)
    assert len(made.files) == 5
    made.path(1).unlink()
    made.path(3).unlink()
    flip(made.path(2), 500_000)
    os.truncate(made.path(4), 400_000)
    errors = verified(made)
    assert f"set {NAME}: lacks volume 1 of 5, {NAME}.1of5.tar" in errors
    assert f"set {NAME}: lacks volume 3 of 5, {NAME}.3of5.tar" in errors
    assert any(error.startswith(f"{made.path(2)}: sha256 is ") for error in errors)
    assert f"{made.path(4)}: is 400000 bytes, expected {made.files[3].size}" in errors
    assert not any("5of5" in error for error in errors)


def test_a_damaged_volume_is_told_with_the_blobs_that_it_damages(tmp_path: Path) -> None:
    made = made_set(tmp_path, 0, [300_000, 400_000, 500_000])
    flip(made.path(1), made.path(1).stat().st_size - len(made.stream) + made.cargo.blobs[1].offset + 7)
    [finding] = made.checked().findings
    assert str(made.cargo.blobs[1].digest) in finding.advice
    assert str(made.cargo.blobs[0].digest) not in finding.advice
    assert finding.severity == "error"


@pytest.mark.parametrize("lost", [1, 2, 3, 4, 5])
def test_one_lost_volume_is_a_warning_where_there_is_parity(tmp_path: Path, lost: int) -> None:
    made = made_set(tmp_path, 1 * MIB, parity=True)
    made.path(lost).unlink()
    findings, reader = made.checked().findings, made.opened()
    assert told(findings) == []
    assert told(findings, "warning") == [f"set {NAME}: lacks volume {lost} of 5, {NAME}.{lost}of5.tar"]
    assert content(reader, 0, len(made.stream)) == made.stream


@pytest.mark.parametrize("offset", [3, 545, 600, 20_000, -5])
def test_a_flipped_bit_anywhere_is_healed_and_told(tmp_path: Path, offset: int) -> None:
    made = made_set(tmp_path, 1 * MIB, parity=True)
    flip(made.path(2), offset)
    findings = made.checked().findings
    assert told(findings) == []
    assert any(text.startswith(f"{made.path(2)}: ") for text in told(findings, "warning"))


@pytest.mark.parametrize("offset", [600, 30_000, -5])
def test_a_damaged_parity_volume_is_a_warning(tmp_path: Path, offset: int) -> None:
    made = made_set(tmp_path, 1 * MIB, parity=True)
    flip(made.path(0), offset)
    findings = made.checked().findings
    assert told(findings) == []
    assert any(f"{NAME}.parity.tar" in text for text in told(findings, "warning"))


def test_a_volume_that_calls_itself_another_is_known_by_its_name(tmp_path: Path) -> None:
    made = made_set(tmp_path, 1 * MIB, parity=True)
    for number, damage in ((2, (b"plant-7", b"plant-6")), (3, (b'"number":3', b'"number":2'))):
        whole = made.path(number).read_bytes()
        made.path(number).write_bytes(whole.replace(*damage, 1))
    flip(made.path(4), 50_000)
    assert content(made.opened(), 0, len(made.stream)) == made.stream


@settings(max_examples=25)
@given(
    flips=st.lists(
        st.tuples(st.integers(0, 4), st.floats(0, 1, exclude_max=True), st.integers(1, 600)),
        min_size=1,
        max_size=5,
    ),
    parity=st.booleans(),
)
def test_whatever_is_damaged_what_is_read_is_right_or_refused(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, float, int]], *, parity: bool
) -> None:
    folder = tmp_path_factory.mktemp("set")
    made = made_set(folder, 600_000, [1_000_000, 0, 700_000], parity=parity)
    whole = [file.path.read_bytes() for file in made.files]
    for number, place, count in flips:
        path = made.files[number % len(made.files)].path
        flip(path, int(place * path.stat().st_size), count)
    changed = [file.path.read_bytes() for file in made.files] != whole
    try:
        [volumes] = [volumes for volumes in find_sets([folder]) if volumes.name == NAME]
    except (CorruptContent, ValueError):  # no header is left
        assert changed
        return
    checked = verify_set(volumes)
    assert bool(checked.findings) is changed
    assert bool(checked.reader) is not bool(checked.errors)
    if checked.reader:
        assert content(checked.reader, 0, len(made.stream)) == made.stream
    shutil.rmtree(folder)


def test_two_lost_volumes_are_errors_with_parity_too(tmp_path: Path) -> None:
    made = made_set(tmp_path, 1 * MIB, parity=True)
    made.path(2).unlink()
    made.path(4).unlink()
    errors = verified(made)
    assert f"set {NAME}: lacks volume 2 of 5, {NAME}.2of5.tar" in errors
    assert f"set {NAME}: lacks volume 4 of 5, {NAME}.4of5.tar" in errors
    assert any("volume 2 of 5" in error and "cannot be healed" in error for error in errors)


def test_by_the_parity_of_another_set_nothing_is_made(tmp_path: Path) -> None:
    made = made_set(tmp_path / "set", 1 * MIB, [2_500_000], parity=True)
    other = made_set(tmp_path / "other", 1 * MIB, [2_400_000], parity=True)
    shutil.copy(other.path(0), made.path(0))
    flip(made.path(2), 3)
    assert verified(made) == [f"set {NAME}: is damaged in volume 2 of 3, and parity cannot make it"]
    made.path(2).unlink()
    assert verified(made) == [f"set {NAME}: lacks volume 2 of 3, {NAME}.2of3.tar"]


def test_parity_that_is_damaged_itself_heals_where_it_is_whole(tmp_path: Path) -> None:
    made = made_set(tmp_path, 3 * MIB, [7 * MIB], parity=True)
    flip(made.path(0), 2 * MIB + MIB // 2)
    flip(made.path(2), 5000)
    assert verified(made) == []
    assert content(made.opened(), 0, len(made.stream)) == made.stream


def test_a_wrong_digit_in_the_header_of_parity_costs_only_the_volume_that_it_is_about(tmp_path: Path) -> None:
    made = made_set(tmp_path, 1 * MIB, [300_000, 400_000, 1_500_000], parity=True)
    raw, first = made.path(0).read_bytes(), str(made.cargo.blobs[0].digest).encode()
    other = first[:-1] + (b"a" if first[-1:] == b"b" else b"b")
    made.path(0).write_bytes(raw.replace(first, other))
    made.path(3).unlink()
    assert verified(made) == []
    assert content(made.opened(), 0, len(made.stream)) == made.stream
    whole = made.path(1).read_bytes()
    flip(made.path(1), 5000)
    assert len(verified(made)) > 0
    made.path(1).write_bytes(whole)
    assert verified(made) == []


def test_parity_that_the_list_does_not_name_is_told(tmp_path: Path) -> None:
    made = made_set(tmp_path, 1 * MIB, parity=True)
    path = tmp_path / f"{NAME}.sha256"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "parity" not in line))
    assert verified(made) == []
    assert verified(made, severity="warning") == [f"{path}: does not name {NAME}.parity.tar"]


def test_what_is_healed_to_something_else_than_the_list_says_is_an_error(tmp_path: Path) -> None:
    """Somebody changed a volume, the parity and its sums alike; the list, which is signed, they could not."""
    made = made_set(tmp_path / "set", 1 * MIB, [1_500_000], parity=True)
    other = made_set(tmp_path / "other", 1 * MIB, [1_500_000], parity=True)
    changed = [made.files[1], made.files[-1]]
    for file in changed:
        shutil.copy(tmp_path / "other" / file.path.name, file.path)
    shutil.copy(other.path(1), made.path(1))
    errors = verified(made)
    assert len(errors) >= 2
    assert all("sha256" in error for error in errors)


def test_swapped_names_do_not_matter_to_reading_but_to_the_list_nothing_is_wrong(tmp_path: Path) -> None:
    made = made_set(tmp_path, 1 * MIB)
    one, two, spare = made.path(1), made.path(2), tmp_path / "spare"
    one.rename(spare)
    two.rename(one)
    spare.rename(two)
    assert made.checked().findings == []
    assert content(made.opened(), 0, len(made.stream)) == made.stream


def test_equal_copies_are_fine_and_a_damaged_one_is_passed_over(tmp_path: Path) -> None:
    made = made_set(tmp_path / "a", 1 * MIB)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert made.checked(tmp_path / "b").findings == []
    flip(made.path(2), 9000)
    findings, reader = made.checked(tmp_path / "b").findings, made.opened(tmp_path / "b")
    assert told(findings) == []
    assert [finding.advice for finding in findings] == ["another copy is whole"]
    assert content(reader, 0, len(made.stream)) == made.stream


def test_a_volume_of_another_cut_is_told_and_not_used(tmp_path: Path) -> None:
    made = made_set(tmp_path / "set", 1 * MIB, [3_000_000])
    old = made_set(tmp_path / "old", 2 * MIB, [3_500_000])
    shutil.copy(old.path(1), made.folder)
    [volumes] = find_sets([made.folder])
    assert volumes.of == len(made.files)
    assert [text.split(": ")[1] for text in told(volumes.problems(), "warning")] == [
        "is volume 1 of 2, and not of the same run as the others"
    ]


def test_a_list_that_is_missing_short_or_too_long_is_told(tmp_path: Path) -> None:
    made = made_set(tmp_path, 1 * MIB)
    path = tmp_path / f"{NAME}.sha256"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[1:]) + f"{hashlib.sha256().hexdigest()}  stranger.tar\n")
    assert verified(made) == [
        f"{path}: does not name {NAME}.1of5.tar",
        f"{path}: names stranger.tar, which is no volume of it",
    ]
    path.unlink()
    assert verified(made) == [f"set {NAME}: has no {NAME}.sha256, which vouches for its volumes"]


def test_two_lists_that_differ_are_told(tmp_path: Path) -> None:
    made = made_set(tmp_path / "a", 1 * MIB)
    other = made_set(tmp_path / "b", 1 * MIB)
    for file in other.files:
        file.path.unlink()
    assert any("is not the same list as" in error for error in verified(made, other.folder))
