from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.archives import LAYER, image, layout, sha256, written
from tests.layers import file, folder, hard_link, layer, symlink
from toolkit.bundles import open_bundle
from toolkit.errors import CorruptContent, Unsupported
from toolkit.operations.contents import RELEASE_LIMIT, Contents, LayerContents, contents, distribution

OLD, NEW = b'PRETTY_NAME="Lading 1"\n', b"NAME=Lading\nVERSION_ID='2'\n"
BASE = layer(
    folder("./"), folder("./etc"), file("./etc/os-release", OLD), file("etc/hosts", b"12345"),
    folder("bin"), symlink("bin/sh", "dash"), hard_link("bin/ls", "etc/hosts"),
)  # fmt: skip
TOP = layer(file("usr/lib/os-release", NEW), file("etc/.wh.hosts", b""))
EMPTY = layer()


def look(tmp_path: Path, *layers: bytes) -> Contents:
    diff_ids = [sha256(gzip.decompress(each) if each[:2] == b"\x1f\x8b" else each) for each in layers]
    types = [LAYER + ("+gzip" if each[:2] == b"\x1f\x8b" else "") for each in layers]
    picture = image(*layers, diff_ids=diff_ids, media_types=types)
    return contents(open_bundle(written(tmp_path / "in.tar", layout(("app:1", picture)))), "app:1")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_each_layer_is_summed_up(tmp_path: Path, pack: type[bytes]) -> None:
    base, top, empty = map(pack, (BASE, TOP, EMPTY))
    found = look(tmp_path, base, top, empty)
    assert found.layers == (
        LayerContents(sha256(base), ("bin", "etc"), 3, len(OLD) + 5, OLD.decode()),
        LayerContents(sha256(top), ("etc", "usr"), 2, len(NEW), NEW.decode()),
        LayerContents(sha256(empty), (), 0, 0),
    )
    assert [each.is_empty for each in found.layers] == [False, False, True]
    assert found.distribution == "Lading 2"


def test_an_image_without_os_release_names_no_distribution(tmp_path: Path) -> None:
    assert look(tmp_path, EMPTY).distribution == ""


def test_names_that_are_no_text_can_be_shown(tmp_path: Path) -> None:
    (found,) = look(tmp_path, layer(file("\udcff\n/x"))).layers
    assert found.folders == ("\\xff\n",)


def test_a_huge_os_release_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=f"expected at most {RELEASE_LIMIT}"):
        look(tmp_path, layer(file("etc/os-release", bytes(RELEASE_LIMIT + 1))))


def test_a_layer_that_is_no_tar_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptContent):
        look(tmp_path, b"this is no tar at all" * 100)


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ('PRETTY_NAME="Ubuntu 14.04.2 LTS"\nNAME="Ubuntu"', "Ubuntu 14.04.2 LTS"),
        ("NAME=Alpine\nVERSION_ID=3.2", "Alpine 3.2"),
        ("NAME=Arch", "Arch"),
        ("\n# NAME\n = \nVERSION_ID='7'", "7"),
        ("", ""),
    ],
)
def test_the_distribution_is_named_as_os_release_says(release: str, name: str) -> None:
    assert distribution(release) == name
