from __future__ import annotations

from typing import Any

import pytest

from toolkit.operations.filechange import UNDESCRIBED, FileChange, file_change, wanted
from toolkit.plumbing.filefacts import IMPLIED, FileFacts, Row

PLAIN = FileFacts("file", 5, 0o644, 1, 2, 3, 4, b"", 0, 0, b"", sparse=False, body=6)
FOLDER = PLAIN._replace(kind="folder", size=0)
LINK = PLAIN._replace(kind="symlink", size=0, mode=0, target=b"to")
IMPLIED_FOLDER = Row(b"a", 1, IMPLIED, None, None)


def row(facts: FileFacts, digest: bytes | None = b"same", layer: int = 1) -> Row:
    return Row(b"a", layer, 0, digest, facts)


def differ(left: FileFacts, right: FileFacts) -> tuple[str, ...]:
    change = file_change(b"a", row(left), row(right, layer=2))
    return change.differ if change else ()


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, ()),
        ({"body": 9}, ()),
        ({"kind": "folder", "mode": 0}, ("type",)),
        ({"size": 6}, ("size", "content")),
        ({"mode": 0o4644}, ("mode",)),
        ({"uid": 0, "gid": 0}, ("uid", "gid")),
        ({"mtime_ns": 0}, ("mtime",)),
        ({"mtime": 0}, ("mtime",)),
        ({"xattrs": b"x"}, ("xattrs",)),
        ({"sparse": True, "size": 6}, ("sparse",)),
    ],
)
def test_each_fact_that_differs_is_named(other: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert differ(PLAIN, PLAIN._replace(**other)) == expected


def test_links_differ_by_target_and_devices_by_number() -> None:
    assert differ(LINK, LINK._replace(target=b"elsewhere")) == ("target",)
    block = PLAIN._replace(kind="block device", size=0, major=8)
    assert differ(block, block._replace(minor=1)) == ("device",)


def test_contents_differ_by_their_digests() -> None:
    change = file_change(b"a", row(PLAIN, b"one"), row(PLAIN, b"two", 2))
    assert change == FileChange(b"a", PLAIN, PLAIN, ("content",))
    assert change.what == "changed"


def test_contents_that_nobody_read_are_never_called_the_same() -> None:
    assert file_change(b"a", row(PLAIN, None), row(PLAIN, None, 2)) == FileChange(
        b"a", PLAIN, PLAIN, ("content",)
    )


def test_empty_files_are_the_same_unread() -> None:
    empty = PLAIN._replace(size=0)
    sides = row(empty, None), row(empty, None, 2)
    assert file_change(b"a", *sides) is None
    assert list(wanted(*sides)) == []


def test_what_one_side_does_not_have_is_added_or_removed() -> None:
    added, removed = file_change(b"a", None, row(PLAIN)), file_change(b"a", row(PLAIN), None)
    assert (added, removed) == (FileChange(b"a", None, PLAIN), FileChange(b"a", PLAIN, None))
    assert (added and added.what, removed and removed.what) == ("added", "removed")


def test_a_path_that_both_have_of_one_layer_is_the_same() -> None:
    assert file_change(b"a", row(PLAIN, None), row(PLAIN, None)) is None
    assert list(wanted(row(PLAIN, None), row(PLAIN, None))) == []
    assert file_change(b"a", None, None) is None


def test_a_folder_that_no_layer_describes_differs_from_what_is_none() -> None:
    other = row(FOLDER, layer=2)
    for sides in (
        (IMPLIED_FOLDER, other),
        (other, IMPLIED_FOLDER),
        (IMPLIED_FOLDER, None),
        (None, IMPLIED_FOLDER),
    ):
        assert file_change(b"a", *sides) is None
    both = IMPLIED_FOLDER, IMPLIED_FOLDER._replace(layer=2)
    assert file_change(b"a", *both) is None
    left = file_change(b"a", IMPLIED_FOLDER, row(PLAIN, layer=2))
    assert left == FileChange(b"a", UNDESCRIBED, PLAIN, ("type",))
    right = file_change(b"a", row(LINK, layer=2), IMPLIED_FOLDER)
    assert right == FileChange(b"a", LINK, UNDESCRIBED, ("type",))


def test_contents_are_wanted_only_where_they_could_be_the_same() -> None:
    unread = row(PLAIN, None)
    assert list(wanted(unread, row(PLAIN, b"x", 2))) == [(1, 6)]
    assert list(wanted(unread, row(PLAIN._replace(body=8), None, 2))) == [(1, 6), (2, 8)]
    for other in (PLAIN._replace(size=4), FOLDER, PLAIN._replace(sparse=True)):
        assert list(wanted(unread, row(other, None, 2))) == []
    assert (
        list(wanted(unread, None)) == list(wanted(None, unread)) == list(wanted(unread, IMPLIED_FOLDER)) == []
    )
