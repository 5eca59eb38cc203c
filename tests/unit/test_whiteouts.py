from __future__ import annotations

import pytest

from toolkit.plumbing.whiteouts import BAD_WHITEOUTS, is_aufs_own


@pytest.mark.parametrize("path", [".wh..wh.plnk/1.2", ".wh..wh.aufs", ".wh..wh.orph", ".wh..wh..opq/x"])
def test_aufs_own_files_lie_at_the_top(path: str) -> None:
    assert is_aufs_own(path.encode().split(b"/"))


@pytest.mark.parametrize("path", [".wh..wh..opq", ".wh.a", "d/.wh..wh.plnk", "d/.wh..wh..opq", "a"])
def test_nothing_else_is_aufs_own(path: str) -> None:
    assert not is_aufs_own(path.encode().split(b"/"))


def test_what_follows_the_prefix_is_a_name() -> None:
    """OCI layer.md: it must not be empty; `.` and `..` are no names either, and aufs's own has one."""
    assert {b".wh." + name for name in (b"", b".", b"..", b".wh.")} == BAD_WHITEOUTS
