from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import NotFound, StoreError, TryAgain
from toolkit.plumbing import files, stagedfolder
from toolkit.plumbing.filelock import locked
from toolkit.plumbing.files import (
    Stamp,
    atomic_file,
    make_folder,
    part_name,
    read_bounded,
    storing,
    sweep,
    write_all,
    write_at,
    write_atomically,
)
from toolkit.plumbing.sharing import copy_range, link_atomically
from toolkit.plumbing.stagedfolder import clear_left, staged_folder

NOBODY = 65534
HOLDER = """
import os, sys
from pathlib import Path
from toolkit.plumbing.files import atomic_file
with atomic_file(Path(sys.argv[1])) as handle:
    print("held", flush=True)
    sys.stdin.readline()
    os.write(handle, b"first")
"""


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@contextmanager
def locked_out(folder: Path) -> Iterator[None]:
    """Nobody may enter `folder`, and we are nobody."""
    folder.chmod(0)
    was = os.geteuid()
    os.seteuid(was or NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)
        folder.chmod(0o755)


@pytest.fixture
def open_file(tmp_path: Path) -> Iterator[Callable[[str, bytes], int]]:
    handles = []

    def open_one(name: str, content: bytes) -> int:
        (tmp_path / name).write_bytes(content)
        handles.append(os.open(tmp_path / name, os.O_RDWR))
        return handles[-1]

    yield open_one
    for handle in handles:
        os.close(handle)


# ── a file, whole or not at all ──


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a") as handle:
        os.write(handle, b"content")
        assert names(tmp_path) == [".a.part"]
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"content"


@pytest.mark.parametrize("end", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_what_was_there_before(tmp_path: Path, end: type[BaseException]) -> None:
    def fail(path: Path) -> None:
        with atomic_file(path) as handle:
            os.write(handle, b"half")
            raise end

    (tmp_path / "old").write_bytes(b"old")
    for name in ("old", "new"):
        with pytest.raises(end):
            fail(tmp_path / name)
    assert names(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_what_a_killed_run_left_is_written_over(tmp_path: Path) -> None:
    part_name(tmp_path / "a").write_bytes(b"much more than the new content")
    write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_a_second_writer_waits_for_the_first_and_writes_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        second = threading.Thread(target=write_atomically, args=(path, b"second"))
        second.start()
        second.join(0.2)
        assert second.is_alive()
        assert not path.exists()
        first.communicate("go on\n")
        second.join(30)
    assert first.returncode == 0
    assert path.read_bytes() == b"second"
    assert names(tmp_path) == ["a"]


def test_a_small_file_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that others write to, anybody may hold its temporary name."""
    monkeypatch.setattr(files, "PATIENCE", 0.2)
    with (
        locked(part_name(tmp_path / "a")),
        pytest.raises(TryAgain, match=r"\.a\.part: is held by another run"),
    ):
        write_atomically(tmp_path / "a", b"small")
    write_atomically(tmp_path / "a", b"small")
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("umask", "mode", "expected"), [(0o022, 0o666, 0o644), (0o077, 0o666, 0o600), (0, 0o640, 0o640)]
)
def test_the_umask_holds(tmp_path: Path, umask: int, mode: int, expected: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "a", b"", mode)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o7777 == expected


def test_a_file_is_written_where_no_mode_can_be_given_but_for_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on FAT, mounted for all by root."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchmod", refuse)
    write_atomically(tmp_path / "list", b"all may read it")
    with pytest.raises(StoreError, match="key: operation not permitted"):
        write_atomically(tmp_path / "key", b"a secret", 0o600)
    assert names(tmp_path) == ["list"]
    assert (tmp_path / "list").read_bytes() == b"all may read it"


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127])
def test_the_longest_name_can_be_written(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, b"content")
    assert names(tmp_path) == [name]


def test_a_part_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    part_name(tmp_path / "a").symlink_to("victim")
    with pytest.raises(StoreError, match="symbolic links"):
        write_atomically(tmp_path / "a", b"evil")
    assert (tmp_path / "victim").read_bytes() == b"precious"


# ── what the operating system refuses ──


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with open("/dev/full", "wb", buffering=0) as full, atomic_file(tmp_path / "a"):
            full.write(b"x")

    with pytest.raises(StoreError) as caught:
        fill()
    assert str(caught.value) == f"{tmp_path}/a: no space left on device; free some space and run again"
    assert names(tmp_path) == []


def test_a_refused_permission_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir()
    advice = "permission denied; check its owner and mode, or run as root"
    (tmp_path).chmod(0o755)
    for ask in (
        write_atomically,
        lambda path, _: make_folder(path / "b"),
        lambda path, _: read_bounded(path, 1),
    ):
        with locked_out(tmp_path / "shut"), pytest.raises(StoreError) as caught:
            ask(tmp_path / "shut" / "a", b"")
        assert str(caught.value).endswith(advice)


def test_errors_become_one_sentence_about_the_subject() -> None:
    def fail(error: Exception) -> None:
        with storing("disk"):
            raise error

    with pytest.raises(NotFound, match=r"^b: is not there$"):
        fail(FileNotFoundError(errno.ENOENT, "x", "b"))
    with pytest.raises(StoreError, match=r"^disk: input/output error$"):
        fail(OSError(errno.EIO, "x"))
    with pytest.raises(StoreError, match=r"^disk: odd$"):
        fail(OSError("odd"))
    with pytest.raises(TryAgain, match=r"^a: b$"):
        fail(TryAgain("a", "b"))


# ── folders ──


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    make_folder(tmp_path / "a/b/c")
    make_folder(tmp_path / "a/b/c")
    assert (tmp_path / "a/b/c").is_dir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="file exists"):
        make_folder(tmp_path / "file")


def test_a_staged_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/old").write_bytes(b"")
    with staged_folder(tmp_path / "a") as part:
        (part / "new").write_bytes(b"")
        assert names(tmp_path / "a") == ["old"]
    assert names(tmp_path / "a") == ["new"]
    assert names(tmp_path) == ["a"]


def test_a_staged_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    def fail() -> None:
        with staged_folder(tmp_path / "a") as part:
            (part / "new").write_bytes(b"")
            raise KeyboardInterrupt

    (tmp_path / "a").mkdir()
    (tmp_path / "a/old").write_bytes(b"")
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(tmp_path / "a") == ["old"]
    assert names(tmp_path) == ["a"]


def test_a_staged_folder_begins_empty(tmp_path: Path) -> None:
    part = part_name(tmp_path / "a")
    part.mkdir()
    (part / "left").write_bytes(b"")
    with staged_folder(tmp_path / "a") as staged:
        assert names(staged) == []


@pytest.fixture
def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot exchange two names."""
    monkeypatch.setattr(stagedfolder, "exchanged", lambda *_: False)


@pytest.mark.usefixtures("no_exchange")
def test_where_names_cannot_be_exchanged_a_folder_takes_the_place_of_the_old_one_too(tmp_path: Path) -> None:
    test_a_staged_folder_takes_the_place_of_the_old_one(tmp_path)
    (tmp_path / "b").symlink_to("nowhere")
    with staged_folder(tmp_path / "b"):
        pass
    assert (tmp_path / "b").is_dir()
    assert not (tmp_path / "b").is_symlink()
    assert names(tmp_path) == ["a", "b"]


@pytest.mark.usefixtures("no_exchange")
def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/old").write_bytes(b"")
    rename = os.replace

    def refuse(source: Path, target: Path) -> None:
        if source == part_name(tmp_path / "a"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(source, target)

    with pytest.raises(StoreError, match="input/output error"), staged_folder(tmp_path / "a"):
        monkeypatch.setattr(os, "replace", refuse)
    assert names(tmp_path / "a") == ["old"]
    assert names(tmp_path) == ["a"]


def test_a_folder_that_a_killed_run_had_put_aside_is_put_back(tmp_path: Path) -> None:
    aside = tmp_path / ".a.part.old"
    aside.mkdir()
    (aside / "old").write_bytes(b"")
    sweep(tmp_path)  # it may be the only copy
    with pytest.raises(ZeroDivisionError), staged_folder(tmp_path / "a"):
        _ = 1 // 0
    assert names(tmp_path / "a") == ["old"]
    assert names(tmp_path) == ["a"]


def test_what_was_put_aside_goes_when_there_is_a_new_one(tmp_path: Path) -> None:
    for name in ("a", ".a.part.old", ".a.old"):
        (tmp_path / name).mkdir()
    with staged_folder(tmp_path / "a") as part:
        (part / "new").write_bytes(b"")
    assert names(tmp_path / "a") == ["new"]
    assert names(tmp_path) == [".a.old", "a"]  # the former is somebody else's


def test_sweeping_removes_what_killed_runs_left(tmp_path: Path) -> None:
    (tmp_path / ".a.part").write_bytes(b"half")
    (tmp_path / ".b.part").mkdir()
    (tmp_path / ".b.part/file").write_bytes(b"half")
    (tmp_path / ".b.part.lock").write_bytes(b"")
    (tmp_path / ".c.part.lock").write_bytes(b"")  # its folder had its name already
    kept = [".hidden", "a", "b.part"]
    for name in kept:
        (tmp_path / name).write_bytes(b"")
    sweep(tmp_path)
    assert names(tmp_path) == kept
    sweep(tmp_path / "nothing")


def test_sweeping_keeps_what_is_in_use(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a"), staged_folder(tmp_path / "b") as part:
        (part / "file").write_bytes(b"")
        sweep(tmp_path)
        assert names(tmp_path) == [".a.part", ".b.part", ".b.part.lock"]
    assert names(tmp_path) == ["a", "b"]
    assert names(tmp_path / "b") == ["file"]


def test_sweeping_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_bytes(b"precious")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/.a.part").symlink_to(tmp_path / "kept")
    sweep(tmp_path / "here")
    assert (tmp_path / "kept/file").read_bytes() == b"precious"


# ── links and ranges ──


def test_a_link_is_the_same_file_under_a_second_name(
    tmp_path: Path, open_file: Callable[[str, bytes], int]
) -> None:
    handle = open_file("a", b"content")
    (tmp_path / "b").write_bytes(b"old")
    for _ in range(2):  # renaming a file over itself does nothing, and must leave nothing
        assert link_atomically(handle, tmp_path / "b")
        assert (tmp_path / "b").stat().st_ino == os.fstat(handle).st_ino
        assert names(tmp_path) == ["a", "b"]


def test_a_link_to_another_file_system_is_declined(tmp_path: Path) -> None:
    handle = os.open("/proc/version", os.O_RDONLY)
    try:
        assert not link_atomically(handle, tmp_path / "b")
    finally:
        os.close(handle)
    assert names(tmp_path) == []


def test_a_range_is_copied_to_its_offset(open_file: Callable[[str, bytes], int]) -> None:
    source, target = open_file("a", b"0123456789"), open_file("b", b"....")
    copy_range(source, target, 2, 7)
    assert os.pread(target, 100, 0) == b"..0123456"


def test_what_the_kernel_will_not_copy_is_copied_by_hand(open_file: Callable[[str, bytes], int]) -> None:
    handle = open_file("a", b"0123456789")
    with pytest.raises(OSError, match="Invalid"):
        os.copy_file_range(handle, handle, 8, 0, 4)  # the ranges overlap
    copy_range(handle, handle, 4, 8)
    assert os.pread(handle, 100, 0) == b"012301234567"


def test_a_source_that_is_too_short_is_named(open_file: Callable[[str, bytes], int]) -> None:
    source, target = open_file("a", b"01234"), open_file("b", b"")
    with pytest.raises(StoreError, match="ends after 5 bytes, expected 9"):
        copy_range(source, target, 0, 9)


def test_a_pipe_that_takes_little_at_a_time_gets_all() -> None:
    read, write = os.pipe()
    content = bytes(range(256)) * 2000  # more than a pipe holds
    got = bytearray()

    def drain() -> None:
        while len(got) < len(content):
            got.extend(os.read(read, 1000))

    reader = threading.Thread(target=drain)
    reader.start()
    write_all(write, content)
    reader.join(30)
    os.close(read)
    os.close(write)
    assert bytes(got) == content


def test_writing_at_an_offset_returns_what_is_behind_it(open_file: Callable[[str, bytes], int]) -> None:
    handle = open_file("a", b"....")
    assert write_at(handle, b"xy", 1) == 3
    assert os.pread(handle, 100, 0) == b".xy."


# ── bounded reading ──


def test_a_small_file_is_read_and_a_larger_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bounded(tmp_path / "a", 5) == b"12345"
    with pytest.raises(StoreError, match="is 5 bytes, expected at most 4"):
        read_bounded(tmp_path / "a", 4)
    with pytest.raises(NotFound, match="is not there"):
        read_bounded(tmp_path / "b", 4)


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "link", tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises(StoreError):
            read_bounded(path, 100)


# ── stamps ──


def test_a_stamp_changes_when_the_file_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert Stamp.of(path) is None
    path.write_bytes(b"content")
    stamp = Stamp.of(path)
    assert stamp
    assert stamp.size == 7
    assert Stamp.from_json(stamp.to_json()) == stamp == Stamp.of(path)
    os.utime(path, ns=(0, 0))
    assert Stamp.of(path) != stamp
    (tmp_path / "link").symlink_to(path)
    assert Stamp.of(tmp_path / "link") is Stamp.of(tmp_path) is None


@given(
    st.one_of(st.none(), st.text(), st.lists(st.one_of(st.booleans(), st.text(), st.floats()), max_size=5))
)
def test_what_is_no_stamp_is_none(value: object) -> None:
    assert Stamp.from_json(value) is None


def test_a_staged_folder_that_replaces_nothing_takes_an_empty_ones_place(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a", "b"):
        with staged_folder(tmp_path / name, replaces=False) as part:
            (part / "new").touch()
        assert os.listdir(tmp_path / name) == ["new"]
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_staged_folder_that_replaces_nothing_leaves_what_came_meanwhile(tmp_path: Path) -> None:
    def stage(make: Callable[[], object]) -> None:
        with staged_folder(tmp_path / "a", replaces=False):
            make()

    with pytest.raises(StoreError, match="not empty"):
        stage(lambda: (tmp_path / "a/mine").mkdir(parents=True))
    assert os.listdir(tmp_path / "a") == ["mine"]
    (tmp_path / "a/mine").rmdir()
    (tmp_path / "a").rmdir()
    with pytest.raises(StoreError, match="not a directory"):
        stage(lambda: (tmp_path / "a").symlink_to("."))
    assert os.listdir(tmp_path) == ["a"]


def test_what_a_run_left_that_was_killed_last_of_all_is_cleared_and_nothing_of_one_at_work(
    tmp_path: Path,
) -> None:
    lock = tmp_path / ".a.part.lock"
    with staged_folder(tmp_path / "a") as part:
        clear_left(tmp_path / "a")
        assert part.is_dir()
        assert lock.exists()
    part.mkdir()
    lock.touch()
    clear_left(tmp_path / "a")
    clear_left(tmp_path / "a")
    assert os.listdir(tmp_path) == ["a"]
