from __future__ import annotations

from pathlib import Path

from toolkit.mirror.news.pagefiles import write_page


def test_a_page_that_cannot_be_written_is_a_finding_and_the_others_are_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    paths = [tmp_path / "a/b/1.html", tmp_path / "file/2.html", tmp_path / "3.html"]
    [finding] = write_page(b"<!doctype html>", paths)
    assert (finding.subject, finding.severity) == (str(paths[1]), "warning")
    assert [path.read_bytes() for path in (paths[0], paths[2])] == [b"<!doctype html>"] * 2


def test_a_page_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "1.html"
    assert [write_page(page, [path]) for page in (b"old", b"new")] == [[], []]
    assert path.read_bytes() == b"new"
