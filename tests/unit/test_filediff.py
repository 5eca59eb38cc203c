from __future__ import annotations

import bz2
import gzip
import lzma
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.archives import LAYER, A, B, Picture, encode, image, index, layout, sha256, v1_folder, written
from tests.follow import read
from tests.layers import device, file, folder, hard_link, layer, symlink
from toolkit.bundles import open_bundle
from toolkit.errors import CorruptContent, Mismatch, UnsafeArchive
from toolkit.event import Event
from toolkit.image import Finding, Layer
from toolkit.operations.diff import Asked, diff
from toolkit.operations.filechange import FileChange
from toolkit.operations.filediff import compared_files
from toolkit.operations.layertable import HeldLayer, LayerTable
from toolkit.operations.through import Through
from toolkit.plumbing.filetable import FileTable
from toolkit.ports import Content, Source

VECTORS = Path(__file__).parents[1] / "data" / "vectors"
BASE = layer(
    folder("etc/"), file("etc/a", b"aaa"), file("etc/b", b"bbb"), hard_link("etc/link", "etc/b"), file("etc/empty", b""),
    folder("usr/"), file("usr/x", b"xxx"), symlink("usr/s", "x"), device("usr/d", 1, 3),
)  # fmt: skip
Told = dict[str, tuple[str, ...]]


def asked(path: Path, picture: Picture, name: str = "app:1") -> Asked:
    return Asked(open_bundle(written(path, layout((name, picture)))), name)


def told(change: FileChange) -> tuple[str, ...]:
    return change.differ or (change.what,)


def files(left: Asked, right: Asked) -> tuple[Told, tuple[Finding, ...]]:
    """Each path that differs, with `added`, `removed` or the facts that differ; and what was found."""
    with compared_files(left, right) as found:
        changes = list(found.paths.changes())
        assert found.counts == Counter(change.what for change in changes)
        assert found.same == (not changes)
        return {change.path.decode(): told(change) for change in changes}, found.findings


def compared(folder_: Path, left: Picture, right: Picture) -> Told:
    changes, findings = files(asked(folder_ / "left.tar", left), asked(folder_ / "right.tar", right))
    assert findings == ()
    return changes


# ── one base, and what lies above it ──


def test_images_of_the_same_layers_are_the_same_unread(tmp_path: Path) -> None:
    picture = image(BASE)
    path = written(tmp_path / "in.tar", layout(("app:1", picture)))
    path.write_bytes(path.read_bytes().replace(b"aaa", b"AAA"))
    side = Asked(open_bundle(path), "app:1")
    assert files(side, side) == ({}, ())


def test_an_upper_layer_is_told_apart_fact_by_fact(tmp_path: Path) -> None:
    top = layer(
        file("etc/a", b"aaa", mode=0o600), file("etc/b", b"bbB"), file("etc/empty", b"", uid=7),
        file("usr/.wh.x"), symlink("usr/s", "y"), device("usr/d", 1, 5), file("usr/new"),
    )  # fmt: skip
    assert compared(tmp_path, image(BASE), image(BASE, top)) == {
        "etc/a": ("mode",),
        "etc/b": ("content",),
        "etc/empty": ("uid",),
        "usr/d": ("device",),
        "usr/new": ("added",),
        "usr/s": ("target",),
        "usr/x": ("removed",),
    }


def test_left_and_right_are_not_mixed_up(tmp_path: Path) -> None:
    top = layer(file("usr/.wh.x"), file("new"))
    assert compared(tmp_path, image(BASE, top), image(BASE)) == {"new": ("removed",), "usr/x": ("added",)}


def test_a_file_written_anew_with_what_it_held_is_the_same(tmp_path: Path) -> None:
    top = layer(file("etc/a", b"aaa"), hard_link("etc/b", "etc/a"), file("etc/link", b"bbb"))
    assert compared(tmp_path, image(BASE), image(BASE, top)) == {"etc/b": ("content",)}


def test_a_folder_that_was_taken_away_takes_all_with_it(tmp_path: Path) -> None:
    found = compared(tmp_path, image(BASE), image(BASE, layer(file(".wh.usr"))))
    assert found == dict.fromkeys(("usr", "usr/d", "usr/s", "usr/x"), ("removed",))


def test_a_folder_that_became_a_file_differs_in_type(tmp_path: Path) -> None:
    found = compared(tmp_path, image(BASE), image(BASE, layer(file("usr"))))
    assert found == {"usr": ("type",), **dict.fromkeys(("usr/d", "usr/s", "usr/x"), ("removed",))}


def test_both_images_may_change_the_same_base(tmp_path: Path) -> None:
    left, right = layer(file("etc/a", b"one")), layer(file("etc/a", b"two"), file("etc/b", b"new one"))
    assert compared(tmp_path, image(BASE, left), image(BASE, right)) == {
        "etc/a": ("content",),
        "etc/b": ("size", "content"),
    }


def test_layers_that_stand_elsewhere_or_twice_are_read_once(tmp_path: Path) -> None:
    one, two = layer(file("a", b"1"), file("b", b"1")), layer(file("a", b"2"), file("c", b"2"))
    assert compared(tmp_path, image(one, two), image(two, one)) == {"a": ("content",)}
    assert compared(tmp_path, image(one, two, one), image(two, one)) == {}


# ── other layers altogether ──


def test_images_built_anew_are_compared_by_what_they_show(tmp_path: Path) -> None:
    one = layer(folder("etc/"), file("etc/a", b"aaa"), file("etc/b", b"bbb"))
    two = layer(folder("./etc"), file("./etc/b", b"bbb")), layer(file("etc/a", b"aaa"))
    assert compared(tmp_path, image(one), image(*two)) == {}
    assert compared(tmp_path, image(one), image(*two, layer(file("etc/a", b"aaA")))) == {
        "etc/a": ("content",)
    }


def packed_with_gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": packed_with_gzip,
    "zstd": zstandard.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


def packed(picture_layers: tuple[bytes, ...], pack: Callable[[bytes], bytes], **config: Any) -> Picture:
    blobs = [pack(each) for each in picture_layers]
    types = [LAYER + ("+gzip" if each[:2] == b"\x1f\x8b" else "") for each in blobs]
    return image(*blobs, diff_ids=list(map(sha256, picture_layers)), media_types=types, **config)


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_compressed_layers_are_compared_by_what_is_in_them(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    top = layer(file("etc/a", b"aaA"), file("etc/b", b"bbb", mode=0o600))
    expected = {"etc/a": ("content",), "etc/b": ("mode",)}
    assert compared(tmp_path, image(BASE), packed((BASE, top), pack)) == expected
    assert compared(tmp_path, packed((BASE,), pack), packed((BASE, top), pack)) == expected
    assert compared(tmp_path, packed((BASE,), pack), image(BASE)) == {}


def test_only_the_platform_that_is_compared_is_read(tmp_path: Path) -> None:
    broken = image(b"no tar at all", architecture="arm64")
    left, right = index(image(BASE), broken), index(broken, image(BASE, layer(file("new"))))
    assert compared(tmp_path, left, right) == {"new": ("added",)}


def test_two_images_of_one_bundle_are_compared(tmp_path: Path) -> None:
    pictures = ("app:1", image(BASE)), ("app:2", image(BASE, layer(file("new"))))
    source = open_bundle(written(tmp_path / "in.tar", layout(*pictures)))
    assert files(Asked(source, "app:1"), Asked(source, "app:2")) == ({"new": ("added",)}, ())


def test_names_may_be_any_bytes(tmp_path: Path) -> None:
    sides = asked(tmp_path / "a.tar", image(BASE)), asked(tmp_path / "b.tar", image(layer(file("\udcff\n"))))
    with compared_files(*sides) as found:
        assert b"\xff\n" in {change.path for change in found.paths.changes()}


# ── legacy images ──


def legacy(path: Path, *layers: bytes, ids: tuple[str, ...] = (A, B)) -> Asked:
    members: dict[str, Any] = {"repositories": encode({"app": {"1": ids[len(layers) - 1]}})}
    for own, parent, tar in zip(ids, ("", *ids), layers, strict=False):
        members |= v1_folder(own, parent, tar)
    return Asked(open_bundle(written(path, members)), "app:1")


def test_a_legacy_image_is_read_and_then_known_by_its_diff_ids(tmp_path: Path) -> None:
    top = layer(file("new"))
    old, new = legacy(tmp_path / "old.tar", BASE, top), asked(tmp_path / "new.tar", image(BASE))
    with compared_files(old, new) as found:
        assert [told(change) for change in found.paths.changes()] == [("removed",)]
        difference = diff(found.left, found.right)
    assert found.left.outline.kind == "docker-v1"
    assert found.left.outline.diff_ids == (sha256(BASE), sha256(top))
    assert (difference.layers_by, difference.layers.shared, len(difference.layers.left)) == ("diff_id", 1, 1)
    assert difference.not_compared == ()
    assert {"image_id", "size"} <= {change.fact for change in difference.changes}


def test_legacy_images_are_compared_by_their_files_and_not_by_their_v1_ids(tmp_path: Path) -> None:
    one, two = legacy(tmp_path / "one.tar", BASE), legacy(tmp_path / "two.tar", layer(file("x")))
    with compared_files(one, two) as found:
        assert found.counts == {"removed": 9, "added": 1}
        assert diff(found.left, found.right).layers.shared == 0


def test_a_place_gives_each_legacy_layer_once(tmp_path: Path) -> None:
    old = legacy(tmp_path / "old.tar", BASE, layer(file("new")))
    told: list[Event] = []
    with compared_files(old, old, told.append) as found:
        assert found.same
    assert read(told) == {f"{A[:12]} (left)": len(BASE), f"{B[:12]} (left)": 10240}


# ── what is not as it should be ──


def test_a_layer_that_is_not_what_it_is_called_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "in.tar", layout(("app:1", image(layer(file("a", b"aaa"))))))
    path.write_bytes(path.read_bytes().replace(b"aaa", b"AAA"))
    with pytest.raises(Mismatch, match="digest is sha256:"):
        files(Asked(open_bundle(path), "app:1"), asked(tmp_path / "other.tar", image(BASE)))


def test_a_layer_that_is_no_tar_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptContent, match="not a tar archive"):
        compared(tmp_path, image(BASE), image(b"x" * 5000))


@pytest.mark.parametrize(
    "members",
    [
        (file("a"), file("a")),
        (file("../a"),),
        (file("a"), file("a/b")),
        (file(".wh.."),),
        (device("a", 0, 0),),
    ],
)
def test_a_layer_that_engines_see_differently_is_refused(tmp_path: Path, members: tuple[Any, ...]) -> None:
    odd = layer(*members)
    for pictures in ((image(odd), image(BASE)), (image(odd), image(odd, BASE))):
        with pytest.raises(UnsafeArchive):
            compared(tmp_path, *pictures)


def test_links_that_engines_see_differently_are_told(tmp_path: Path) -> None:
    top = layer(hard_link("usr/hard", "usr/x"), file("usr/s/below"))
    changes, findings = files(
        asked(tmp_path / "a.tar", image(BASE)), asked(tmp_path / "b.tar", image(BASE, top))
    )
    assert changes == {"usr/hard": ("added",), "usr/s": ("type",), "usr/s/below": ("added",)}
    assert [(finding.subject, finding.severity) for finding in findings] == [
        (f"layer {sha256(top)}", "warning"),
        (f"image app:1 in {tmp_path / 'b.tar'}", "warning"),
    ]
    assert findings[0].problem.startswith("usr/hard is a hard link to what does not stand before it")
    assert findings[1].problem.startswith("usr/s is no folder, and an upper layer has files below it")


def test_contents_of_sparse_files_are_not_called_the_same(tmp_path: Path) -> None:
    sparse = (VECTORS / "sparse-gnu.tar").read_bytes()
    both = {told(change) for change in changes_of(tmp_path, image(sparse), image(sparse + bytes(512)))}
    assert both == {("sparse",)}
    assert compared(tmp_path, image(sparse), image(sparse, layer(folder("new/")))) == {"new": ("added",)}


def changes_of(folder_: Path, left: Picture, right: Picture) -> list[FileChange]:
    with compared_files(asked(folder_ / "a.tar", left), asked(folder_ / "b.tar", right)) as found:
        return list(found.paths.changes())


class Noting(Through):
    """A source that notes which layers are opened."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.opened: list[str] = []

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        self.opened.append(layer.key)
        return super().open(layer)


def test_of_a_layer_that_both_have_the_one_that_is_not_compressed_is_opened(tmp_path: Path) -> None:
    """Only its headers are read; the other would be unpacked for them."""
    small = packed((BASE, layer(file("b"))), packed_with_gzip)
    plain, noting = asked(tmp_path / "a.tar", image(BASE)), Noting(asked(tmp_path / "b.tar", small).source)
    assert files(plain, Asked(noting, "app:1"))[0] == {"b": ("added",)}
    assert noting.opened == [small.layers[1]]


def test_a_layer_table_reads_and_skims(tmp_path: Path) -> None:
    source = asked(tmp_path / "a.tar", image(BASE)).source
    held = HeldLayer(source, source.image("app:1").layers[0], "left")
    with FileTable() as table:
        layers = LayerTable(table)
        proof = layers.read([held])[sha256(BASE)]
        assert (str(proof.diff_id), proof.size, layers.has_unhashed) == (sha256(BASE), len(BASE), False)
        assert sha256(BASE) in layers
        layers.skim([held])
        assert (layers.number(sha256(BASE)), layers.has_unhashed) == (1, True)
        assert len(list(table.rows())) == 2 * 9
