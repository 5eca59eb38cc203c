"""Case 37: layers that lead out of their root. Nothing outside is made, changed or read (formats G.1, G.5)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.archives import image, layout, written
from tests.layers import file, folder, hard_link, layer, symlink

from .conftest import Tell
from .judging import judged, ran

Layers = Sequence[bytes]
SECRET = b"a secret of this machine"
FULL = ["--full"] if os.geteuid() == 0 else []


def escapes(outside: Path) -> dict[str, Layers]:
    """Return the set; `outside` is what each of them aims at."""
    out = str(outside)
    through = file("a/x", b"evil")
    return {
        "a link, and a file below it": [layer(symlink("a", out), through)],
        "a hard link to a file outside": [layer(hard_link("a", f"{out}/secret"))],
        "a hard link out of the working folder": [layer(hard_link("a", "../secret"))],
        "a hard link into the working folder": [layer(hard_link("a", "secret"))],
        "the root is a link": [layer(symlink("./", out), file("x", b"evil"))],
        "a folder that becomes a link": [layer(folder("d/"), symlink("d", out), file("d/x", b"evil"))],
        "a link of a lower layer": [layer(symlink("a", out)), layer(through)],
        "a chain across two layers": [
            layer(symlink("a", ".."), symlink("b", "a/..")),
            layer(symlink("c", f"b{out}"), file("c/x", b"evil")),
        ],
        "a slash behind a link": [layer(symlink("a", out), file("a/", b"evil"), folder("a/", 0o777))],
        "a hard link through a link": [layer(symlink("a", out), hard_link("b", "a/secret"))],
        "a name that leads out": [layer(file("../../evil", b"evil"))],
        "an absolute name": [layer(file(f"{out}/evil", b"evil"))],
        "a whiteout through a link": [layer(symlink("a", out)), layer(file("a/.wh.secret", b""))],
    }


def state(folder_: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return modes, times and contents of all that is in a folder."""
    paths = sorted(folder_.rglob("*"))
    return {
        str(path): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in (folder_, *paths)
    }


@pytest.mark.parametrize("what", escapes(Path("/x")))
@pytest.mark.parametrize("driver", ["", "extract", "aufs", "vfs"])
def test_case_37_nothing_outside_is_made_changed_or_read(
    here: Path, ours: Tell, monkeypatch: pytest.MonkeyPatch, driver: str, what: str
) -> None:
    """Into an OCI layout as bytes; into a folder; as root into a legacy root, where layers are unpacked too."""
    if driver in {"aufs", "vfs"} and os.geteuid() != 0:
        pytest.skip("needs root: it writes a legacy root")
    outside, work = here / "outside", here / "work"
    outside.mkdir()
    work.mkdir()
    for path in (outside / "secret", work / "secret"):
        path.write_bytes(SECRET)
    monkeypatch.chdir(work)
    layers = escapes(outside)[what]
    path = written(here / "a.tar", layout(("app:1", image(*layers))))
    before = state(outside), state(work)
    if driver:
        root = here / "root"
        if driver == "extract":
            done = ran("extract", path, "app:1", root, *FULL)
        else:
            done = ran("import", path, "--into", f"graph+{driver}:{root}")
        assert done.code in {0, 5, 6}, done.err
        came = [each for each in root.rglob("*") if each.is_file() and not each.is_symlink()]
        assert not [each for each in came if SECRET in each.read_bytes()]
        ours(f"{driver}: {done.error or 'unpacked inside the root'}".replace(str(here), ""))
    else:
        found = judged(path, here / "judged")
        assert found.code in {0, 6}
        ours(str(found).replace(str(here), ""))
    assert (state(outside), state(work)) == before
    assert not Path("/evil").exists()
