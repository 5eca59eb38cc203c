from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress

import pytest

from toolkit.errors import StoreError, UnsafeArchive
from toolkit.plumbing import filetable, scratch
from toolkit.plumbing.filefacts import FILE, FOLDER, IMPLIED, OPAQUE, WHITEOUT, FileFacts, key_of, path_of
from toolkit.plumbing.filetable import FileTable


def facts(kind: str = FILE, body: int = 0, **other: int) -> FileFacts:
    told = {"size": 1, "mode": 0o644, "uid": 0, "gid": 0, "mtime": 0, "mtime_ns": 0, **other}
    return FileFacts(kind, **told, target=b"", major=0, minor=0, xattrs=b"", sparse=False, body=body)


@pytest.fixture
def table() -> Iterator[FileTable]:
    with FileTable() as open_table:
        yield open_table


def test_what_was_put_in_comes_out(table: FileTable) -> None:
    most = FileFacts(
        "block device", 2**63 - 1, 0o7777, 2**32 - 2, 5, -(2**63), 999_999_999, b"\xff/\n", 4095, 2**20 - 1,
        bytes(32), sparse=True, body=7,
    )  # fmt: skip
    assert table.add(3, b"\xff", most, bytes(32))
    (row,) = table.rows()
    assert row == (b"\xff", 3, 0, bytes(32), most)
    assert table.found(3, b"\xff") == (most, bytes(32))
    assert table.found(2, b"\xff") is None


def test_a_folder_comes_right_before_what_is_in_it(table: FileTable) -> None:
    for path in (b"a!", b"a/b/c", b"a.b", b"a", b"a/b", b"b", b"a/!"):
        table.add(0, key_of(path.split(b"/")), facts(FOLDER))
    assert [path_of(row.key) for row in table.rows()] == [b"a", b"a/!", b"a/b", b"a/b/c", b"a!", b"a.b", b"b"]


def test_one_layer_has_one_entry_for_a_path_but_folders_may_be_told_twice(table: FileTable) -> None:
    assert table.add(0, b"a", facts(FOLDER, mode=0o755))
    assert table.add(0, b"a", facts(FOLDER, mode=0o700))
    assert not table.add(0, b"a", facts(FILE))
    assert table.add(1, b"a", facts(FILE))
    assert not table.add(1, b"a", facts(FILE))
    assert not table.add(1, b"a", facts(FOLDER))
    assert [(row.layer, row.facts.mode) for row in table.rows() if row.facts] == [(0, 0o700), (1, 0o644)]


def test_marks_add_up_and_wait_for_the_entry(table: FileTable) -> None:
    table.mark(0, b"a", WHITEOUT)
    table.imply(0, [b"a", b"b"])
    table.mark(0, b"a", OPAQUE)
    assert [(row.key, row.marks, row.facts) for row in table.rows()] == [
        (b"a", WHITEOUT | OPAQUE | IMPLIED, None),
        (b"a\0b", IMPLIED, None),
    ]
    assert table.found(0, b"a") is None
    assert table.add(0, b"a", facts(FOLDER))
    assert [row.marks for row in table.rows()] == [WHITEOUT | OPAQUE | IMPLIED, IMPLIED]


def test_a_digest_may_come_later_and_serves_every_name_of_the_content(table: FileTable) -> None:
    table.add(0, b"a", facts(body=4))
    table.add(0, b"b", facts(body=4))
    table.add(1, b"a", facts(body=4))
    table.put_digest(0, 4, b"digest")
    assert [(row.key, row.layer, row.digest) for row in table.rows()] == [
        (b"a", 0, b"digest"),
        (b"a", 1, None),
        (b"b", 0, b"digest"),
    ]


def test_more_files_than_the_bound_are_refused(table: FileTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filetable, "MAX_ROWS", 3)
    table.imply(0, [b"a"])
    table.add(0, key_of([b"a", b"b"]), facts())
    table.imply(0, [b"a"])  # is there already
    table.add(0, b"c", facts())
    with pytest.raises(UnsafeArchive, match="hold more than 3 files and folders"):
        table.add(0, b"d", facts())


def test_more_names_than_the_bound_are_refused(table: FileTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filetable, "MAX_NAMES", 1000)
    with pytest.raises(UnsafeArchive, match="hold more than 1000 bytes of names"):
        table.imply(0, [b"a" * 99] * 10)


def test_a_temporary_folder_without_room_is_a_store_error(table: FileTable) -> None:
    table._database.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreError, match="temporary database: database or disk is full; it lies in TMPDIR"):
        any(not table.add(0, b"%d" % number, facts()) for number in range(10_000))


def test_what_fails_while_rows_are_read_is_a_store_error(table: FileTable) -> None:
    table._database.close()
    with pytest.raises(StoreError, match="temporary database: "):
        next(table.rows())
    with pytest.raises(sqlite3.ProgrammingError):
        table._database.execute("SELECT 1")


def test_many_files_lie_in_a_nameless_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "CACHE", 1)
    before = open_files()
    with FileTable() as table:
        for number in range(20_000):
            table.add(0, b"%0200d" % number, facts())
        assert [path.endswith(" (deleted)") for path in open_files() - before] == [True]
    assert open_files() <= before


def open_files() -> set[str]:
    found = set()
    for handle in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that lists them
            found.add(os.readlink(f"/proc/self/fd/{handle}"))
    return found
