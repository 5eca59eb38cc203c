"""What once went wrong in Docker, by its number since 2018 (formats G.1): none of it goes wrong here."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    ONE,
    TWO,
    A,
    image,
    index,
    layout,
    sha256,
    written,
)
from tests.extracting import Site
from tests.graphs import legacy_layer, name
from tests.layers import file, folder, hard_link, symlink
from toolkit.bundles import open_bundle
from toolkit.errors import (
    CorruptContent,
    ToolkitError,
    UnsafeArchive,
)
from toolkit.operations.copy import copy
from toolkit.operations.extract import extract
from toolkit.plumbing.profile import EVERYTHING, SAFE
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.layout import LayoutStore

AS_MUCH = EVERYTHING if os.geteuid() == 0 else SAFE
MB = 1 << 20


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def swapped(path: Path, target: Path) -> None:
    """Put a link in a folder's place."""
    path.rename(path.with_name(path.name + ".aside"))
    path.symlink_to(target)


def test_cve_2018_15664_a_folder_that_became_a_link_is_not_read(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at a folder of a store and its opening it becomes a link."""
    root = site.outside / "store"
    tree = legacy_layer(root, "vfs", A, {"d/secret": b"mine", "e": b"2"})
    name(root, "vfs", **{"1": A})
    look, seen = os.stat, list[str]()

    def look_and_swap(path: Any, *words: Any, **more: Any) -> os.stat_result:
        found = look(path, *words, **more)
        if path in {b"d", "d"} and not (tree / "d").is_symlink() and stat.S_ISDIR(found.st_mode):
            seen.append("swapped")
            swapped(tree / "d", site.vault)
        return found

    monkeypatch.setattr(os, "stat", look_and_swap)
    with pytest.raises(ToolkitError):
        extract(GraphStore(root), "app:1", site.root)
    assert seen == ["swapped"]
    assert not site.root.exists()


def test_cve_2018_15664_a_folder_that_became_a_link_is_not_written_to(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right after a folder was made it becomes a link."""
    make = os.mkdir

    def make_and_swap(path: Any, *words: Any, **more: Any) -> None:
        make(path, *words, **more)
        if path == b"d":
            swapped(site.outside / ".root.part/d", site.vault)

    monkeypatch.setattr(os, "mkdir", make_and_swap)
    site.refused([folder("d"), file("d/x"), file("d/secret", b"new")], kind=UnsafeArchive)
    with pytest.raises(CorruptContent):
        site.extract([file("d/x")])


def test_cve_2019_14271_nothing_is_asked_of_the_images_own_users(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No chroot into the tree, and no look for names, which would load libraries from there."""

    def never(*words: object) -> None:
        raise AssertionError(words)

    for module, names in ((os, ["chroot", "chdir", "fchdir"]), (pwd, ["getpwnam", "getpwuid"])):
        for each in names:
            monkeypatch.setattr(module, each, never)
    for each in ("getgrnam", "getgrgid"):
        monkeypatch.setattr(grp, each, never)
    users = [file("etc/passwd", b"me:x:0:0::/:/bin/sh\n"), file("etc/nsswitch.conf", b"passwd: evil\n")]
    site.extract([*users, file("lib/libnss_evil.so.2", b"\x7fELF", uname="me", gname="me")], profile=AS_MUCH)


def test_cve_2021_41089_folders_that_are_there_keep_their_modes(site: Site) -> None:
    before = site.outside.stat().st_mode
    site.refused([folder("../", 0o777)], kind=UnsafeArchive)
    site.refused([folder("a/../..", 0o777)], kind=UnsafeArchive)
    site.extract([folder("./", 0o777), file("new/folders/f"), folder("/", 0o777)], profile=SAFE)
    assert site.outside.stat().st_mode == before
    assert stat.S_IMODE((site.root / "new").stat().st_mode) == 0o755


def test_cve_2021_41091_programs_of_images_get_no_rights(site: Site) -> None:
    """No setuid bit unless it is asked for; until all is there nobody else may enter (unit/test_extract)."""
    site.extract([file("bin/su", b"\x7fELF", mode=0o6755)])
    assert stat.S_IMODE((site.root / "bin/su").stat().st_mode) == 0o755


@pytest.mark.parametrize("key", ["layers", "config", "fsLayers", "history"])
def test_cve_2021_41190_an_index_that_could_pass_for_a_manifest_is_refused(site: Site, key: str) -> None:
    both = index(image(ONE), **{key: []})
    written(site.bundle, layout(("app:1", both)))
    with pytest.raises(UnsafeArchive, match="two readers would see two images"):
        extract(open_bundle(site.bundle), "app:1", site.root)


def test_cve_2021_41190_a_manifest_that_could_pass_for_an_index_is_refused(site: Site) -> None:
    picture = image(ONE)
    raw = picture.raw.replace(b'{"schemaVersion"', b'{"manifests":[],"schemaVersion"')
    both = type(picture)(raw, picture.media_type, {**picture.blobs, sha256(raw): raw})
    written(site.bundle, layout(("app:1", both)))
    with pytest.raises(UnsafeArchive, match="two readers would see two images"):
        extract(open_bundle(site.bundle), "app:1", site.root)


def test_cve_2024_24557_an_image_is_its_bytes_whatever_it_says_of_its_making(tmp_path: Path) -> None:
    """One history and one parent are no reason to take one image for another."""
    made = [{"created": "2024-01-01T00:00:00Z", "created_by": "RUN make"}]
    pictures = [image(tar, history=made, parent=sha256(b"base")) for tar in (ONE, TWO)]
    bundle = written(tmp_path / "b.tar", layout(*zip(["a:1", "b:1"], pictures, strict=True)))
    copy(open_bundle(bundle), LayoutStore(tmp_path / "store"), ["a:1", "b:1"])
    for tag, picture, content in zip(["a:1", "b:1"], pictures, ["one", "two"], strict=True):
        done = extract(LayoutStore(tmp_path / "store"), tag, tmp_path / content)
        assert str(done.image.config.image_id) == sha256(picture.config)
        assert os.listdir(tmp_path / content) == [content]


def escapes(out: str) -> Iterator[list[list[Any]]]:
    yield [[symlink("a", out), file("a/x")]]
    yield [[symlink("a", out), hard_link("b", "a/secret")]]
    yield [[symlink("a", out)], [hard_link("b", "a/secret")]]
    yield [[folder("d"), symlink("d/up", "..")], [hard_link("b", "d/up/../vault/secret")]]


def test_cve_2026_17106_links_of_the_archive_lead_nowhere(site: Site) -> None:
    for layers in escapes(str(site.vault)):
        site.refused(*layers, kind=CorruptContent)
    site.extract([symlink("one", "two")], [symlink("two", str(site.vault))], [file("one/secret", b"inside")])
    inside = site.root / str(site.vault).lstrip("/") / "secret"
    assert inside.read_text() == "inside"
