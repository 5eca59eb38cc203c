from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, NotFound, StoreError
from toolkit.image import Finding
from toolkit.operations.companion import check_companion, companion_warnings, companions, stamped_sum
from toolkit.plumbing.files import Stamp
from toolkit.plumbing.streams import digest_of
from toolkit.ports import Block

HELLO = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"  # of "hello\n"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "app_1.tar"
    path.write_bytes(b"hello\n")
    return path


def sums(bundle: Path, content: str | bytes) -> Path:
    path = bundle.with_name(bundle.name + ".sha256")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_its_names_are_the_bundles_with_an_ending(bundle: Path) -> None:
    names = ["app_1.tar.sha256", "app_1.tar.json", "app_1.tar.sha256.minisig"]
    assert [path.name for path in companions(bundle)] == names


def test_where_there_is_none_nothing_is_said(bundle: Path) -> None:
    assert check_companion(bundle) == []


@pytest.mark.parametrize(
    "line",
    [
        f"{HELLO}  app_1.tar\n",
        f"{HELLO} *app_1.tar\n",
        f"{HELLO}  app_1.tar",
        f"{HELLO.upper()}  app_1.tar\n",
        f"{'0' * 64}  b.tar\n{HELLO}  app_1.tar\n",
    ],
)
def test_the_right_sum_is_fine(bundle: Path, line: str) -> None:
    sums(bundle, line)
    assert check_companion(bundle) == check_companion(bundle, HELLO) == []


@pytest.mark.parametrize("name", ["my bundle.tar", "ü.tar", " x", "a  b"])
def test_what_sha256sum_writes_is_read(tmp_path: Path, name: str) -> None:
    bundle = tmp_path / name
    bundle.write_bytes(b"hello\n")
    sums(bundle, subprocess.run(["sha256sum", name], cwd=tmp_path, capture_output=True, check=True).stdout)
    assert check_companion(bundle) == []


def test_another_sum_is_an_error(bundle: Path) -> None:
    sums(bundle, f"{'0' * 64}  app_1.tar\n")
    (finding,) = check_companion(bundle)
    assert finding == Finding(str(bundle), f"sha256 is {HELLO}, expected {'0' * 64}", "error", 5)
    assert (finding.check, finding.found, finding.expected) == ("companion", HELLO, "0" * 64)
    assert finding.advice == "it is not the file that app_1.tar.sha256 was written for"


def test_a_sum_that_is_known_is_not_computed_again(bundle: Path) -> None:
    sums(bundle, f"{'0' * 64}  app_1.tar\n")
    assert check_companion(bundle, "0" * 64) == []


@pytest.mark.parametrize(
    "line",
    ["", HELLO, f"{HELLO}  app_1.tar\nx  b\n", "x  app_1.tar\n", b"\xff\0"],
)
def test_a_list_that_is_none_is_a_warning_that_says_so(bundle: Path, line: str | bytes) -> None:
    path = sums(bundle, line)
    (finding,) = check_companion(bundle)
    number = 2 if b"x  b" in path.read_bytes() else 1
    problem = f"line {number} is no checksum, expected 64 hex digits, two blanks and a file's name"
    assert finding == Finding(str(path), problem, "warning")
    assert (finding.check, finding.advice) == ("companion", "nothing was compared with it")


def test_a_list_of_something_else_is_a_warning(bundle: Path) -> None:
    path = sums(bundle, f"{HELLO}  other.tar\n")
    assert check_companion(bundle) == [Finding(str(path), "does not speak of app_1.tar", "warning")]


def test_what_is_no_file_or_too_large_is_an_error(bundle: Path) -> None:
    path = sums(bundle, bytes((1 << 20) + 1))
    assert [finding.exit_code for finding in check_companion(bundle)] == [7]
    path.unlink()
    os.mkfifo(path)
    assert [finding.severity for finding in check_companion(bundle)] == ["error"]


def test_a_sum_goes_with_how_the_file_stood(bundle: Path) -> None:
    assert stamped_sum(bundle) == (HELLO, Stamp.of(bundle))
    link = bundle.with_name("link")
    link.symlink_to(bundle)
    assert stamped_sum(link) == (HELLO, Stamp.of(bundle))


def test_a_file_that_was_changed_just_now_is_waited_for(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change within the same tick of the clock, 10 ms with many kernels, would leave the stamp as it is."""
    waited: list[float] = []
    monkeypatch.setattr("toolkit.operations.companion.time.sleep", waited.append)
    bundle.write_bytes(b"hello\n")
    stamped_sum(bundle)
    assert waited == [0.02]
    monkeypatch.undo()
    time.sleep(0.03)
    monkeypatch.setattr("toolkit.operations.companion.time.sleep", waited.append)
    stamped_sum(bundle)
    assert waited == [0.02]


def test_what_is_changed_while_it_is_hashed_has_no_sum(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def touch(blocks: Iterator[Block]) -> Digest:
        os.utime(bundle)
        return digest_of(blocks)

    monkeypatch.setattr("toolkit.operations.companion.digest_of", touch)
    with pytest.raises(StoreError, match=r"app_1\.tar: was changed while it was read; run again"):
        stamped_sum(bundle)


def test_what_is_no_file_has_no_sum(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, kind in (("pipe", StoreError), (".", StoreError), ("no", NotFound)):
        with pytest.raises(kind, match="is not there" if name == "no" else "is no regular file"):
            stamped_sum(tmp_path / name)


def test_who_only_reads_the_images_is_warned_and_refused_where_strict(bundle: Path) -> None:
    sums(bundle, f"{HELLO}  app_1.tar\n")
    assert companion_warnings(bundle, strict=True) == []
    bundle.write_bytes(b"HELLO\n")
    (warning,) = companion_warnings(bundle)
    assert (warning.severity, warning.subject) == ("warning", str(bundle))
    assert (f", expected {HELLO}" in warning.problem, warning.check) == (True, "companion")
    with pytest.raises(CorruptContent, match=r"expected 5891.*; it is not the file .*; --strict makes"):
        companion_warnings(bundle, strict=True)
