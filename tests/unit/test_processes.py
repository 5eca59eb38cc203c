from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.neighbours import made, neighbour
from toolkit.plumbing.processes import LOOKS, Process, inode


def test_a_process_is_found_by_as_much_of_its_name_as_the_kernel_keeps() -> None:
    with neighbour("some-long-engine-name") as pid:
        found = [process for process in Process.named(["some-long-engine-name"]) if process.pid == pid]
        assert [str(process) for process in found] == [f"some-long-engin (pid {pid})"]
        assert Process.of(pid) == found[0]
    assert pid not in [process.pid for process in Process.named(["some-long-engine-name"])]
    assert Process.of(pid) is None


def test_we_are_not_among_those_found() -> None:
    own = Path("/proc/self/comm").read_text().strip()
    assert os.getpid() not in [process.pid for process in Process.named([own])]


@pytest.mark.parametrize("pid", [0, -1, 2**31])
def test_a_number_that_is_no_process_is_nobody(pid: int) -> None:
    assert Process.of(pid) is None


def test_what_it_has_open_is_below_the_folder_and_those_above_it(tmp_path: Path) -> None:
    file = made(tmp_path / "root/deep/down/file")
    (tmp_path / "root/other").mkdir()
    with neighbour("neighbour", holds=file) as pid:
        process = Process(pid, "neighbour")
        for folder in (file.parent, file.parent.parent, tmp_path / "root"):
            here = inode(folder)
            assert here
            assert process.below(here) == str(file)
        elsewhere = inode(tmp_path / "root/other")
        assert elsewhere
        assert not process.below(elsewhere)
        assert process.words[-2:] == [str(file), ""]


def test_a_folder_is_the_same_whatever_leads_there(tmp_path: Path) -> None:
    file = made(tmp_path / "root/file")
    (tmp_path / "link").symlink_to("root")
    with neighbour("neighbour", holds=file) as pid:
        folder = inode(tmp_path / "link")
        assert folder
        assert Process(pid, "neighbour").below(folder) == str(file)


def test_a_file_that_was_removed_while_it_is_open_counts(tmp_path: Path) -> None:
    file = made(tmp_path / "root/file")
    folder = inode(tmp_path / "root")
    assert folder
    with neighbour("neighbour", holds=file) as pid:
        file.unlink()
        assert Process(pid, "neighbour").below(folder) == f"{file} (deleted)"


def test_of_a_process_that_ended_nothing_is_seen(tmp_path: Path) -> None:
    with neighbour("neighbour", holds=made(tmp_path / "file")) as pid:
        process = Process(pid, "neighbour")
    folder = inode(tmp_path)
    assert folder
    assert (process.paths, process.words, process.below(folder)) == (None, [], "")


def test_a_path_of_its_own_is_looked_up_where_it_is(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=tmp_path) as process:
        seen = Process(process.pid, "python")
        assert seen.sees(str(tmp_path)) == seen.sees(".") == inode(tmp_path)
        assert seen.sees(f"{tmp_path}/nothing") is None
        assert seen.sees("\0") is None
        process.communicate(b"\n")


APART = """
set -e
mkdir -p "$1/other"
mount --bind "$1/theirs" "$1/ours"
exec 7< "$1/ours/file"
echo ready
read -r line
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: another mount namespace")
def test_paths_of_another_mount_namespace_are_looked_up_there(tmp_path: Path) -> None:
    """It has `ours/file` open, which for us is another one: `theirs` is mounted there, for it alone."""
    ours, theirs = made(tmp_path / "ours/file").parent, made(tmp_path / "theirs/file").parent
    command = ["unshare", "--mount", "--propagation", "private", "bash", "-c", APART, "bash", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        if process.stdout.readline() != b"ready\n":
            pytest.skip("needs another mount namespace")
        seen, one, other = Process(process.pid, "bash"), inode(ours), inode(theirs)
        assert one
        assert other
        assert not seen.below(one)
        assert seen.below(other) == str(ours / "file")
        process.communicate(b"\n")


def test_files_in_a_million_folders_are_not_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Process, "sees", lambda _, path: asked.append(path))
    process = Process(1, "dockerd")
    process.__dict__["paths"] = [f"/{number}/file" for number in range(100_000)]
    assert process.below((1, 2)) == ""
    assert len(asked) == LOOKS
